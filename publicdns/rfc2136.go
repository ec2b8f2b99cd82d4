package publicdns

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"berth/domain"

	"github.com/miekg/dns" // the DNS library that CoreDNS, lego and external-dns are built on
)

// dynamic is a zone that is changed by dynamic updates (RFC 2136). Whose a name is the server itself decides, by the prerequisites of an
// update, so two installations that share a zone cannot take a name from each other.
type dynamic struct {
	name     string // of the external domain; the zone may be the one above
	provider domain.DNSProvider
	owner    string
	network  Network
}

// exchangeTimeout bounds one question or update.
const exchangeTimeout = 10 * time.Second

// signatureSkew is how far the clocks of the two may differ, in seconds, as RFC 8945 recommends.
const signatureSkew = 300

// Check implements Zone. An update that changes nothing has to be allowed too.
func (z *dynamic) Check(ctx context.Context) error { return z.must(ctx, func(*dns.Msg) {}) }

// Publish implements Zone.
func (z *dynamic) Publish(ctx context.Context, name string, records []domain.DNSRecord) error {
	mark, wanted := z.mark(name), make([]dns.RR, len(records))
	for i, r := range records {
		rr, err := dns.NewRR(dns.Fqdn(r.Name) + " " + r.Type + " " + canonical(r))
		if err != nil {
			return domain.Errorf(domain.Invalid, "record %s: %w", r, err)
		}
		rr.Header().Ttl = addressTTL
		wanted[i] = rr
	}
	code, err := z.update(ctx, func(m *dns.Msg) { // ours already?
		m.Used([]dns.RR{mark})
		m.RemoveRRset(addresses(name))
		m.Insert(wanted)
	})
	if err == nil && (code == dns.RcodeNXRrset || code == dns.RcodeNameError) {
		code, err = z.update(ctx, func(m *dns.Msg) {
			m.RRsetNotUsed(append(addresses(name), header(ownerName(name), dns.TypeTXT)))
			if slices.ContainsFunc(records, func(r domain.DNSRecord) bool { return r.Type == "CNAME" }) {
				m.NameNotUsed([]dns.RR{header(name, dns.TypeANY)})
			}
			m.Insert(append([]dns.RR{mark}, wanted...))
		})
	}
	if err != nil {
		return err
	}
	have, err := z.addresses(ctx, name)
	switch {
	case err != nil:
		return err
	case same(have, records):
		return nil
	case code == dns.RcodeYXRrset, code == dns.RcodeYXDomain:
		return foreign(name, have)
	case code != dns.RcodeSuccess:
		return z.refused(code)
	}
	return domain.Errorf(domain.Permanent, "name server %s took the records of %s but does not answer with them", z.provider.Server, name)
}

// Withdraw implements Zone.
func (z *dynamic) Withdraw(ctx context.Context, name string) error {
	mark := z.mark(name)
	code, err := z.update(ctx, func(m *dns.Msg) {
		m.Used([]dns.RR{mark})
		m.RemoveRRset(addresses(name))
		m.Remove([]dns.RR{dns.Copy(mark)})
	})
	if err != nil || code == dns.RcodeSuccess || code == dns.RcodeNXRrset || code == dns.RcodeNameError {
		return err
	}
	return z.refused(code)
}

// AddText implements Zone.
func (z *dynamic) AddText(ctx context.Context, name, value string) error {
	return z.must(ctx, func(m *dns.Msg) { m.Insert([]dns.RR{text(name, value)}) })
}

// RemoveText implements Zone.
func (z *dynamic) RemoveText(ctx context.Context, name, value string) error {
	return z.must(ctx, func(m *dns.Msg) { m.Remove([]dns.RR{text(name, value)}) })
}

// Lacking implements Zone.
func (z *dynamic) Lacking(ctx context.Context, name, value string) ([]string, error) {
	answer, err := z.ask(ctx, name, dns.TypeTXT)
	if err != nil {
		return nil, err
	}
	var lacking []string
	if !has(answer, value) {
		lacking = append(lacking, z.provider.Server)
	}
	zone, err := z.zone(ctx)
	if err != nil {
		return nil, err
	}
	servers, err := z.ask(ctx, zone, dns.TypeNS)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, rr := range servers.Answer {
		if ns, ok := rr.(*dns.NS); ok {
			names = append(names, ns.Ns)
		}
	}
	others, err := z.network.lacking(ctx, names, name, value)
	return append(lacking, others...), err
}

// mark is the record that says that a name is ours.
func (z *dynamic) mark(name string) dns.RR { return text(ownerName(name), ownerValue(z.owner)) }

// zone returns the name of the zone that the domain is in: the server knows where it begins.
func (z *dynamic) zone(ctx context.Context) (string, error) {
	answer, err := z.ask(ctx, z.name, dns.TypeSOA)
	if err != nil {
		return "", err
	}
	for _, rr := range slices.Concat(answer.Answer, answer.Ns) {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa.Hdr.Name, nil
		}
	}
	return "", domain.Errorf(domain.Permanent, "name server %s does not know a zone that %s is in", z.provider.Server, z.name)
}

// addresses returns what a name leads to.
func (z *dynamic) addresses(ctx context.Context, name string) (found []domain.DNSRecord, err error) {
	for _, one := range addressTypes {
		answer, err := z.ask(ctx, name, dns.StringToType[one])
		if err != nil {
			return nil, err
		}
		for _, rr := range answer.Answer {
			r := domain.DNSRecord{Name: name, Type: dns.TypeToString[rr.Header().Rrtype]}
			switch rr := rr.(type) {
			case *dns.A:
				r.Value = rr.A.String()
			case *dns.AAAA:
				r.Value = rr.AAAA.String()
			case *dns.CNAME:
				r.Value = strings.ToLower(strings.TrimSuffix(rr.Target, "."))
			}
			own := strings.EqualFold(rr.Header().Name, dns.Fqdn(name)) // not what a CNAME leads to
			if own && slices.Contains(addressTypes, r.Type) && !slices.Contains(found, r) {
				found = append(found, r)
			}
		}
	}
	return found, nil
}

// must sends an update that has no prerequisites.
func (z *dynamic) must(ctx context.Context, fill func(*dns.Msg)) error {
	code, err := z.update(ctx, fill)
	if err == nil && code != dns.RcodeSuccess {
		err = z.refused(code)
	}
	return err
}

// update sends an update and returns what it was answered with.
func (z *dynamic) update(ctx context.Context, fill func(*dns.Msg)) (code int, err error) {
	zone, err := z.zone(ctx)
	if err != nil {
		return 0, err
	}
	m := new(dns.Msg).SetUpdate(zone)
	fill(m)
	answer, err := z.exchange(ctx, m)
	if err != nil {
		return 0, err
	}
	if answer.Rcode == dns.RcodeServerFailure {
		return 0, domain.Errorf(domain.Unavailable, "name server %s could not make the update (SERVFAIL)", z.provider.Server)
	}
	return answer.Rcode, nil
}

func (z *dynamic) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	m.RecursionDesired = false
	answer, err := z.exchange(ctx, m)
	switch {
	case err != nil:
		return nil, err
	case answer.Rcode == dns.RcodeServerFailure:
		return nil, domain.Errorf(domain.Unavailable, "name server %s could not answer for %s (SERVFAIL)", z.provider.Server, name)
	case answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError:
		return nil, z.refused(answer.Rcode)
	}
	return answer, nil
}

// exchange asks the primary by TCP, signed.
func (z *dynamic) exchange(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	key := dns.Fqdn(z.provider.KeyName)
	m.SetTsig(key, dns.Fqdn(z.provider.KeyAlgorithm), signatureSkew, time.Now().Unix())
	answer, err := z.network.exchange(ctx, "tcp", z.provider.Server, m, map[string]string{key: z.provider.Secret.Reveal()})
	var protocol *dns.Error
	switch {
	case err == nil:
		return answer, nil
	case errors.As(err, &protocol), answer != nil && answer.Rcode == dns.RcodeNotAuth:
		return nil, domain.Errorf(domain.Permanent,
			"name server %s does not accept the TSIG key %s: name, algorithm, secret or clock differ: %w", z.provider.Server, z.provider.KeyName, err)
	case domain.KindOf(err) != domain.Internal:
		return nil, err
	}
	return nil, domain.Errorf(domain.Unavailable, "name server %s cannot be reached: %w", z.provider.Server, err)
}

func (z *dynamic) refused(code int) error {
	return domain.Errorf(domain.Permanent, "name server %s refuses the update (%s): the TSIG key %s must be allowed to update the zone",
		z.provider.Server, dns.RcodeToString[code], z.provider.KeyName)
}

// exchange sends a message to a name server.
func (n Network) exchange(ctx context.Context, network, server string, m *dns.Msg, keys map[string]string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	conn, err := n.Dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	client := dns.Client{Net: network, Timeout: exchangeTimeout, TsigSecret: keys}
	answer, _, err := client.ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: conn, TsigSecret: keys})
	return answer, err
}

// lacking asks name servers for a TXT record, and names those that do not have it.
func (n Network) lacking(ctx context.Context, servers []string, name, value string) (lacking []string, err error) {
	for _, server := range servers {
		for _, address := range n.resolve(ctx, server) {
			m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT)
			m.RecursionDesired = false
			asked, cancel := context.WithTimeout(ctx, nameserverTimeout)
			answer, err := n.exchange(asked, "udp", net.JoinHostPort(address, nameserverPort), m, nil)
			cancel()
			if err != nil {
				continue
			}
			if !has(answer, value) {
				lacking = append(lacking, strings.TrimSuffix(server, "."))
			}
			break
		}
	}
	return lacking, ctx.Err()
}

const (
	nameserverPort    = "53"
	nameserverTimeout = 2 * time.Second // of one that may not be reachable from here
)

// resolve returns the addresses of a name server; none when it is not known here.
func (n Network) resolve(ctx context.Context, server string) []string {
	ctx, cancel := context.WithTimeout(ctx, nameserverTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupHost(ctx, server)
	if err != nil {
		return nil
	}
	return found
}

// has reports whether an answer has a TXT record with a value.
func has(m *dns.Msg, value string) bool {
	return slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		t, ok := rr.(*dns.TXT)
		return ok && strings.Join(t.Txt, "") == value
	})
}

// text makes a TXT record.
func text(name, value string) dns.RR {
	return &dns.TXT{Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: textTTL}, Txt: []string{value}}
}

// addresses are the record sets that Publish looks after, as updates name them.
func addresses(name string) []dns.RR {
	var all []dns.RR
	for _, one := range addressTypes {
		all = append(all, header(name, dns.StringToType[one]))
	}
	return all
}

func header(name string, kind uint16) dns.RR {
	return &dns.ANY{Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: kind, Class: dns.ClassINET}}
}

func canonical(r domain.DNSRecord) string {
	if r.Type == "CNAME" {
		return dns.Fqdn(r.Value)
	}
	return r.Value
}
