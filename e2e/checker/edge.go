//go:build e2e

package checker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns" // asks a name server of our choice for records of any type
)

// Edge is one dnsmasq of the site.
type Edge struct {
	DNS string // host:port
	Dir string // its files
}

// line is one line of one of dnsmasq's files about a guest.
type line struct{ file, mac, address, name string }

// hosts reads the folder that maps names to addresses; only those of the network of guests count.
func (e Edge) hosts(network netip.Prefix) ([]line, error) {
	return e.read("hosts", func(fields []string) (l line, ok bool) {
		a, err := netip.ParseAddr(fields[0])
		if err != nil || len(fields) < 2 || !network.Contains(a) {
			return l, false
		}
		return line{address: fields[0], name: fields[1]}, true
	})
}

// reservations reads the folder of DHCP reservations.
func (e Edge) reservations() ([]line, error) {
	return e.read("dhcp", func(fields []string) (l line, ok bool) {
		parts := strings.Split(fields[0], ",")
		if len(parts) < 4 {
			return l, false
		}
		return line{mac: strings.ToLower(parts[0]), address: parts[len(parts)-3], name: parts[len(parts)-2]}, true
	})
}

// leases reads dnsmasq's lease file.
func (e Edge) leases() ([]line, error) {
	content, err := os.ReadFile(filepath.Join(e.Dir, "leases"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []line
	for text := range strings.Lines(string(content)) {
		if f := strings.Fields(text); len(f) >= 4 {
			out = append(out, line{file: "leases", mac: strings.ToLower(f[1]), address: f[2], name: f[3]})
		}
	}
	return out, nil
}

func (e Edge) read(folder string, parse func(fields []string) (line, bool)) ([]line, error) {
	entries, err := os.ReadDir(filepath.Join(e.Dir, folder))
	if err != nil {
		return nil, err
	}
	var out []line
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(e.Dir, folder, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed just now
		}
		if err != nil {
			return nil, err
		}
		for text := range strings.Lines(string(content)) {
			if fields := strings.Fields(text); len(fields) > 0 {
				if l, ok := parse(fields); ok {
					l.file = folder + "/" + entry.Name()
					out = append(out, l)
				}
			}
		}
	}
	return out, nil
}

// Address asks for the addresses of a name.
func (e Edge) Address(ctx context.Context, name string) ([]string, error) {
	var out []string
	answers, err := e.ask(ctx, name, dns.TypeA)
	for _, rr := range answers {
		if a, ok := rr.(*dns.A); ok {
			out = append(out, a.A.String())
		}
	}
	return out, err
}

// Names asks for the names of an address.
func (e Edge) Names(ctx context.Context, address string) ([]string, error) {
	reverse, err := dns.ReverseAddr(address)
	if err != nil {
		return nil, err
	}
	var out []string
	answers, err := e.ask(ctx, reverse, dns.TypePTR)
	for _, rr := range answers {
		if p, ok := rr.(*dns.PTR); ok {
			out = append(out, strings.TrimSuffix(p.Ptr, "."))
		}
	}
	return out, err
}

func (e Edge) ask(ctx context.Context, name string, what uint16) ([]dns.RR, error) {
	question := new(dns.Msg)
	question.SetQuestion(dns.Fqdn(name), what)
	answer, _, err := (&dns.Client{Timeout: 2 * time.Second}).ExchangeContext(ctx, question, e.DNS)
	if err != nil {
		return nil, fmt.Errorf("dnsmasq at %s: %w", e.DNS, err)
	}
	return answer.Answer, nil
}
