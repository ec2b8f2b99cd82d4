package domain

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"
)

// Certificate is a certificate for public names, with its key.
type Certificate struct {
	ID        string
	Names     []string // DNS names that it is valid for, wildcards included, as the leaf has them
	Source    CertificateSource
	State     CertificateState
	DomainID  string        // external domain that it was ordered for; empty for one of an administrator's own
	SiteID    string        // site that it was ordered for
	Challenge ChallengeType // how control of the names is shown
	AccountID string        // ACME account that it is from
	Message   string        // why the last try failed, in the words of who refused
	Failures  int           // tries in a row that failed
	RetryAt   time.Time     // next try after a failure
	RenewAt   time.Time     // zero for one of an administrator's own
	Chain     string        // PEM, leaf first
	Key       Secret        // PEM
	Issuer    string        // common name, or organisation, of who signed the leaf
	Serial    string        // hexadecimal
	NotBefore time.Time
	NotAfter  time.Time
	CreatedAt time.Time
	Version   int64
}

// CertificateSource is where a certificate comes from.
type CertificateSource string

// The sources of certificates.
const (
	CertificateUploaded CertificateSource = "uploaded" // brought, and renewed, by an administrator
	CertificateACME     CertificateSource = "acme"     // ordered, and renewed, by Berth
)

// ParseCertificate reads a chain, leaf first, and its key, both PEM. The error says which of the two is wrong, and how; it never
// has the key in it.
func ParseCertificate(chain string, key Secret) (Certificate, error) {
	pair, err := tls.X509KeyPair([]byte(chain), []byte(key.Reveal()))
	if err != nil {
		return Certificate{}, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	leaf := pair.Leaf
	if leaf == nil {
		if leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return Certificate{}, errors.New("the first certificate cannot be read")
		}
	}
	c := Certificate{
		Chain: chain, Key: key, Serial: leaf.SerialNumber.Text(16), NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(),
		Issuer: cmp.Or(leaf.Issuer.CommonName, strings.Join(leaf.Issuer.Organization, ", "), leaf.Issuer.String()),
	}
	for _, name := range leaf.DNSNames {
		c.Names = append(c.Names, strings.ToLower(name))
	}
	return c, nil
}

// Covers reports whether the certificate is valid for a public name, and whether by a wildcard.
func (c Certificate) Covers(host string) (yes, wildcard bool) {
	for _, name := range c.Names {
		if name == host {
			return true, false
		}
		if parent, ok := strings.CutPrefix(name, "*."); ok {
			if _, rest, _ := strings.Cut(host, "."); rest == parent {
				yes, wildcard = true, true
			}
		}
	}
	return yes, wildcard
}

// CertificatesByName finds certificates by the names that they are valid for.
type CertificatesByName map[string][]Certificate

// ByName sorts certificates by their names.
func ByName(all []Certificate) CertificatesByName {
	sorted := CertificatesByName{}
	for _, c := range all {
		for _, name := range c.Names {
			sorted[name] = append(sorted[name], c)
		}
	}
	return sorted
}

// Covering returns the certificates for a public name, those of wildcards included.
func (b CertificatesByName) Covering(host string) []Certificate {
	_, parent, _ := strings.Cut(host, ".")
	return slices.Concat(b[host], b["*."+parent])
}

// CertificateFor chooses the certificate that the edges of a site serve a public name with: one for the name itself before a
// wildcard, one that an administrator brought before one that Berth ordered, then the one that is valid for the longest time. A key that is good for a wildcard goes to the default site of its domain
// alone, and what has expired is of no use. The zero value means that there is none.
func CertificateFor(all []Certificate, domains []ExternalDomain, host, siteID string, now time.Time) (best Certificate) {
	exact := false
	for _, c := range all {
		yes, wildcard := c.Covers(host)
		switch {
		case !yes, now.After(c.NotAfter), wildcard && exact, !c.mayGoTo(domains, siteID):
			continue
		case best.ID != "" && wildcard != exact && !c.before(best):
			continue // the same kind, and no better than the one we have
		}
		best, exact = c, !wildcard
	}
	return best
}

// before reports whether a certificate is rather served than another that is as good for the name.
func (c Certificate) before(other Certificate) bool {
	if brought := c.Source == CertificateUploaded; brought != (other.Source == CertificateUploaded) {
		return brought
	}
	return c.NotAfter.After(other.NotAfter)
}

// mayGoTo reports whether the edges of a site may have the key.
func (c Certificate) mayGoTo(domains []ExternalDomain, siteID string) bool {
	for _, name := range c.Names {
		if parent, wildcard := strings.CutPrefix(name, "*."); wildcard && DomainOf(domains, parent).SiteID != siteID {
			return false
		}
	}
	return true
}

// Due reports whether a certificate is to be ordered or renewed now.
func (c Certificate) Due(now time.Time) bool {
	switch {
	case c.Source != CertificateACME:
		return false
	case c.State == CertificateFailing:
		return !now.Before(c.RetryAt)
	case c.State == CertificatePending:
		return true
	}
	return !now.Before(c.RenewAt)
}

// CertificateWanted returns the certificate to order for a public name that a site serves: where Berth may change the zone and the name
// is the domain's own or directly below it, and the site is the default one, a wildcard for all of them, shown by DNS; else one for this
// name alone, shown by HTTP. ok is false when the domain orders none, an administrator brought one, or have has one that was ordered for
// the name and site already, be it issued or on its way.
func CertificateWanted(have []Certificate, domains []ExternalDomain, host, siteID string, now time.Time) (c Certificate, ok bool) {
	d := DomainOf(domains, host)
	if d.ID == "" || len(d.ACMEAccounts) == 0 || CertificateFor(have, domains, host, siteID, now).Source == CertificateUploaded {
		return c, false
	}
	if slices.ContainsFunc(have, func(c Certificate) bool { return c.orderedFor(d, domains, host, siteID) }) {
		return c, false
	}
	c = Certificate{
		Names: []string{host}, Source: CertificateACME, State: CertificatePending, DomainID: d.ID, SiteID: siteID, Challenge: HTTP01,
	}
	if _, parent, _ := strings.Cut(host, "."); d.DNS.Writes() && d.SiteID == siteID && (host == d.Name || parent == d.Name) {
		c.Names, c.Challenge = []string{"*." + d.Name, d.Name}, DNS01
	}
	return c, true
}

// orderedFor reports whether a certificate was ordered for a name of the domain at a site, and can still be renewed and used there.
func (c Certificate) orderedFor(d ExternalDomain, domains []ExternalDomain, host, siteID string) bool {
	covers, _ := c.Covers(host)
	return covers && c.Source == CertificateACME && c.SiteID == siteID && c.mayGoTo(domains, siteID) && (c.Challenge != DNS01 || d.DNS.Writes())
}

// CertificateNeeded reports whether a certificate that was ordered is worth renewing for a public name that its site serves: no other of
// have serves the name as a wildcard that is renewed anyway.
func CertificateNeeded(c Certificate, have []Certificate, domains []ExternalDomain, host string) bool {
	d := DomainOf(domains, host)
	if !c.orderedFor(d, domains, host, c.SiteID) {
		return false
	}
	return c.Challenge == DNS01 || !slices.ContainsFunc(have, func(other Certificate) bool {
		return other.Challenge == DNS01 && !other.NotAfter.IsZero() && other.orderedFor(d, domains, host, c.SiteID)
	})
}
