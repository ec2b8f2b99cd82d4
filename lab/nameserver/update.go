package nameserver

import (
	"context"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// Client changes what a name server of the lab answers.
type Client struct{ Address string }

// Update removes and adds records, given as zone files have them, in one update.
func (c Client) Update(ctx context.Context, zone string, remove, add []string) error {
	m := new(dns.Msg).SetUpdate(dns.Fqdn(zone))
	for _, part := range []struct {
		lines  []string
		change func([]dns.RR)
	}{{remove, m.Remove}, {add, m.Insert}} {
		for _, line := range part.lines {
			rr, err := dns.NewRR(line)
			if err != nil {
				return fmt.Errorf("record %q: %w", line, err)
			}
			part.change([]dns.RR{rr})
		}
	}
	const skew = 300
	m.SetTsig(KeyName, KeyAlgorithm, skew, time.Now().Unix())
	client := dns.Client{Net: "tcp", TsigSecret: map[string]string{KeyName: KeySecret}}
	answer, _, err := client.ExchangeContext(ctx, m, c.Address)
	if err == nil && answer.Rcode != dns.RcodeSuccess {
		err = fmt.Errorf("the name server answers %s", dns.RcodeToString[answer.Rcode])
	}
	return err
}
