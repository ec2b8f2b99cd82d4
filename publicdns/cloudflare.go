package publicdns

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/domain"

	"github.com/cloudflare/cloudflare-go/v6/dns" // the official client
	"github.com/cloudflare/cloudflare-go/v6/option"
	"github.com/cloudflare/cloudflare-go/v6/zones"
)

// cloudflareZone is a zone at Cloudflare. A name is looked at and then changed in one batch, which the API makes whole or not at all.
type cloudflareZone struct {
	name    string // of the external domain; the zone may be the one above
	owner   string
	network Network
	zones   *zones.ZoneService
	records *dns.RecordService
}

// answerTimeout bounds one request.
const answerTimeout = 30 * time.Second

func openCloudflare(name string, p domain.DNSProvider, owner string, n Network) *cloudflareZone {
	options := []option.RequestOption{
		option.WithEnvironmentProduction(), option.WithAPIToken(p.Secret.Reveal()), option.WithMaxRetries(0), // who calls tries again
		option.WithRequestTimeout(answerTimeout), option.WithHTTPClient(&http.Client{Transport: capped{n.HTTP}}),
	}
	if p.Server != "" {
		options = append(options, option.WithBaseURL(strings.TrimSuffix(p.Server, "/")+"/"))
	}
	return &cloudflareZone{name, owner, n, zones.NewZoneService(options...), dns.NewRecordService(options...)}
}

// Check implements Zone. That the token may change records and not only read them is seen at the first change.
func (z *cloudflareZone) Check(ctx context.Context) error {
	zone, err := z.zone(ctx)
	if err == nil {
		_, err = z.list(ctx, zone.ID, z.name)
	}
	return err
}

// Publish implements Zone.
func (z *cloudflareZone) Publish(ctx context.Context, name string, records []domain.DNSRecord) error {
	zone, err := z.zone(ctx)
	if err != nil {
		return err
	}
	ours, marks, err := z.look(ctx, zone.ID, name)
	if err != nil {
		return err
	}
	var have []domain.DNSRecord
	for _, r := range ours {
		have = append(have, domain.DNSRecord{Name: name, Type: string(r.Type), Value: strings.TrimSuffix(strings.ToLower(r.Content), ".")})
	}
	if same(have, records) {
		return nil
	}
	var posts []dns.RecordBatchParamsPostUnion
	if len(marks) == 0 {
		if len(have) > 0 {
			return foreign(name, have)
		}
		posts = append(posts, post(ownerName(name), "TXT", quoted(ownerValue(z.owner)), textTTL))
	}
	var stale []dns.RecordResponse
	for i, r := range ours {
		if !slices.Contains(records, have[i]) {
			stale = append(stale, r)
		}
	}
	for _, r := range records {
		if !slices.Contains(have, r) {
			posts = append(posts, post(r.Name, r.Type, r.Value, addressTTL))
		}
	}
	return z.batch(ctx, zone.ID, stale, posts)
}

// Withdraw implements Zone.
func (z *cloudflareZone) Withdraw(ctx context.Context, name string) error {
	zone, err := z.zone(ctx)
	if err != nil {
		return err
	}
	ours, marks, err := z.look(ctx, zone.ID, name)
	if err != nil || len(marks) == 0 {
		return err
	}
	return z.batch(ctx, zone.ID, append(ours, marks...), nil)
}

// AddText implements Zone.
func (z *cloudflareZone) AddText(ctx context.Context, name, value string) error {
	zone, err := z.zone(ctx)
	if err != nil {
		return err
	}
	there, err := z.texts(ctx, zone.ID, name, value)
	if err != nil || len(there) > 0 {
		return err
	}
	posts := []dns.RecordBatchParamsPostUnion{post(name, "TXT", quoted(value), textTTL)}
	return z.batch(ctx, zone.ID, nil, posts)
}

// RemoveText implements Zone.
func (z *cloudflareZone) RemoveText(ctx context.Context, name, value string) error {
	zone, err := z.zone(ctx)
	if err != nil {
		return err
	}
	there, err := z.texts(ctx, zone.ID, name, value)
	if err != nil || len(there) == 0 {
		return err
	}
	return z.batch(ctx, zone.ID, there, nil)
}

// Lacking implements Zone.
func (z *cloudflareZone) Lacking(ctx context.Context, name, value string) ([]string, error) {
	zone, err := z.zone(ctx)
	if err != nil {
		return nil, err
	}
	return z.network.lacking(ctx, zone.NameServers, name, value)
}

// zone finds the zone that the domain is in: its own, or the next one above it.
func (z *cloudflareZone) zone(ctx context.Context) (zones.Zone, error) {
	for name := z.name; strings.Contains(name, "."); _, name, _ = strings.Cut(name, ".") {
		var query zones.ZoneListParams
		give(&query.Name.Value, &query.Name.Present, name)
		found, err := z.zones.List(ctx, query)
		if err != nil {
			return zones.Zone{}, fault(err)
		}
		if len(found.Result) > 0 {
			return found.Result[0], nil
		}
	}
	return zones.Zone{}, domain.Errorf(domain.Permanent,
		"Cloudflare has no zone for %s that the API token may see: it needs Zone:Read and DNS:Edit for it", z.name)
}

// look returns the address records of a name, and the records that say that they are ours.
func (z *cloudflareZone) look(ctx context.Context, zoneID, name string) (addresses, marks []dns.RecordResponse, err error) {
	all, err := z.list(ctx, zoneID, name)
	for _, r := range all {
		if slices.Contains(addressTypes, string(r.Type)) {
			addresses = append(addresses, r)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	marks, err = z.texts(ctx, zoneID, ownerName(name), ownerValue(z.owner))
	return addresses, marks, err
}

// texts returns the TXT records of a name that have a value.
func (z *cloudflareZone) texts(ctx context.Context, zoneID, name, value string) (found []dns.RecordResponse, err error) {
	all, err := z.list(ctx, zoneID, name)
	for _, r := range all {
		if r.Type == dns.RecordResponseTypeTXT && strings.Trim(r.Content, `"`) == value {
			found = append(found, r)
		}
	}
	return found, err
}

// list returns all records of a name.
func (z *cloudflareZone) list(ctx context.Context, zoneID, name string) (all []dns.RecordResponse, err error) {
	var query dns.RecordListParams
	give(&query.ZoneID.Value, &query.ZoneID.Present, zoneID)
	give(&query.Name.Value.Exact.Value, &query.Name.Value.Exact.Present, name)
	query.Name.Present = true
	pages := z.records.ListAutoPaging(ctx, query)
	for pages.Next() {
		all = append(all, pages.Current())
	}
	if pages.Err() != nil {
		return nil, fault(pages.Err())
	}
	return all, nil
}

// batch removes and adds records, all or none.
func (z *cloudflareZone) batch(
	ctx context.Context, zoneID string, remove []dns.RecordResponse, posts []dns.RecordBatchParamsPostUnion,
) error {
	var change dns.RecordBatchParams
	give(&change.ZoneID.Value, &change.ZoneID.Present, zoneID)
	if len(remove) > 0 {
		deletes := make([]dns.RecordBatchParamsDelete, len(remove))
		for i, r := range remove {
			give(&deletes[i].ID.Value, &deletes[i].ID.Present, r.ID)
		}
		give(&change.Deletes.Value, &change.Deletes.Present, deletes)
	}
	if len(posts) > 0 {
		give(&change.Posts.Value, &change.Posts.Present, posts)
	}
	_, err := z.records.Batch(ctx, change)
	return fault(err)
}

func post(name, kind, content string, ttl dns.TTL) dns.RecordBatchParamsPostUnion {
	var p dns.RecordBatchParamsPost
	give(&p.Name.Value, &p.Name.Present, name)
	give(&p.Type.Value, &p.Type.Present, dns.RecordBatchParamsPostsType(kind))
	give(&p.Content.Value, &p.Content.Present, content)
	give(&p.TTL.Value, &p.TTL.Present, ttl)
	give(&p.Proxied.Value, &p.Proxied.Present, false)
	give(&p.Comment.Value, &p.Comment.Present, "made by Berth")
	return p
}

// give sets a field of a request, as cloudflare.F does; the package that has F links every product of Cloudflare in, some 16 MB.
func give[T any](value *T, present *bool, given T) { *value, *present = given, true }

// quoted is a TXT value as the API wants it.
func quoted(value string) string { return `"` + value + `"` }

// fault says what an error of the API means. Of what it answered only its own messages are kept.
func fault(err error) error {
	if err == nil {
		return nil
	}
	var refused *dns.Error
	if !errors.As(err, &refused) {
		if domain.KindOf(err) != domain.Internal { // such as an address that may not be dialled
			return err
		}
		return domain.Errorf(domain.Unavailable, "Cloudflare cannot be reached: %w", err)
	}
	words := []string{http.StatusText(refused.StatusCode)}
	for _, e := range refused.Errors {
		words = append(words, fmt.Sprintf("%s (%d)", e.Message, e.Code))
	}
	said := strings.Join(words[min(1, len(refused.Errors)):], "; ")
	switch code := refused.StatusCode; {
	case code == http.StatusTooManyRequests, code >= http.StatusInternalServerError:
		wait, _ := strconv.Atoi(refused.Response.Header.Get("Retry-After"))
		return &domain.Error{
			Kind: domain.Unavailable, Message: "Cloudflare is not available now: " + said, RetryAfter: time.Duration(wait) * time.Second,
		}
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return domain.Errorf(domain.Permanent, "Cloudflare does not accept the API token: %s", said)
	}
	return domain.Errorf(domain.Permanent, "Cloudflare refuses the records: %s", said)
}

// capped bounds what an API may answer.
type capped struct{ next http.RoundTripper }

// largestAnswer bounds an answer; a page of records has some 50 KiB.
const largestAnswer = 4 << 20

// RoundTrip implements http.RoundTripper.
func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.next.RoundTrip(r)
	if err == nil {
		answer.Body = http.MaxBytesReader(nil, answer.Body, largestAnswer)
	}
	return answer, err
}
