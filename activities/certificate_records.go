package activities

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"berth/domain"
)

// showRecords answers challenges of type dns-01 by TXT records, and takes those away that were left of an earlier order. What is written is
// in SQL before.
func (c *Certificates) showRecords(ctx context.Context, one domain.Certificate, answers []domain.Challenge) error {
	before, err := c.Store.Challenges(ctx, one.ID)
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(before, func(b domain.Challenge) bool { return b.Record == "" || slices.Contains(answers, b) })
	if err := c.removeRecords(ctx, one, left); err != nil {
		return err
	}
	if _, err := c.Store.PutChallenges(ctx, one, answers); err != nil {
		return err
	}
	zone, err := c.Zones.open(ctx, one.DomainID)
	if err != nil {
		return err
	}
	for _, a := range answers {
		if err := zone.AddText(ctx, a.Record, recordValue(a)); err != nil {
			return err
		}
	}
	return nil
}

// TidyRecords takes the answers to challenges from public DNS.
func (c *Certificates) TidyRecords(ctx context.Context, in domain.CertificateStep) (struct{}, error) {
	one, err := c.Store.Certificate(ctx, in.CertificateID)
	if domain.Is(err, domain.NotFound) {
		return struct{}{}, nil
	}
	if err != nil {
		return struct{}{}, err
	}
	left, err := c.Store.Challenges(ctx, one.ID)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, c.removeRecords(ctx, one, slices.DeleteFunc(left, func(a domain.Challenge) bool { return a.Record == "" }))
}

// removeRecords takes answers away; in a zone that Berth may not change any more they are left.
func (c *Certificates) removeRecords(ctx context.Context, one domain.Certificate, answers []domain.Challenge) error {
	if len(answers) == 0 {
		return nil
	}
	zone, err := c.Zones.open(ctx, one.DomainID)
	if err != nil && !domain.Is(err, domain.Permanent) && !domain.Is(err, domain.NotFound) {
		return err
	}
	for _, a := range answers {
		if zone != nil {
			if err := zone.RemoveText(ctx, a.Record, recordValue(a)); err != nil {
				return err
			}
		}
		if err := c.Store.DropRecordChallenge(ctx, a.Token); err != nil {
			return err
		}
	}
	return nil
}

// lacking says which name servers do not have the answers yet.
func (c *Certificates) lacking(ctx context.Context, one domain.Certificate, answers []domain.Challenge) (why []string, err error) {
	zone, err := c.Zones.open(ctx, one.DomainID)
	if err != nil {
		return nil, err
	}
	for _, a := range answers {
		servers, err := zone.Lacking(ctx, a.Record, recordValue(a))
		if err != nil {
			return nil, err
		}
		for _, server := range servers {
			why = append(why, "name server "+server+" does not have the TXT record "+a.Record+" that was written")
		}
	}
	return why, nil
}

// explainRecords says what Berth sees of the answers in public DNS.
func (c *Certificates) explainRecords(ctx context.Context, one domain.Certificate) string {
	answers, err := c.Store.Challenges(ctx, one.ID)
	if err != nil {
		return words(err)
	}
	why, err := c.lacking(ctx, one, answers)
	switch {
	case err != nil:
		return domain.Sentence(words(err))
	case len(why) > 0:
		return domain.Sentence(strings.Join(why, "; "))
	}
	return "The name servers that can be reached from here have the record; those that the zone is delegated to must be the same."
}

// recordValue is what the TXT record of a challenge holds (RFC 8555, 8.4).
func recordValue(a domain.Challenge) string {
	digest := sha256.Sum256([]byte(a.KeyAuthorization))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}
