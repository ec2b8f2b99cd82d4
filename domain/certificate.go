package domain

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"time"
)

// Certificate is a certificate for public names, with its key.
type Certificate struct {
	ID        string
	Names     []string // DNS names that it is valid for, wildcards included, as the leaf has them
	Source    CertificateSource
	Chain     string // PEM, leaf first
	Key       Secret // PEM
	Issuer    string // common name, or organisation, of who signed the leaf
	Serial    string // hexadecimal
	NotBefore time.Time
	NotAfter  time.Time
	CreatedAt time.Time
	Version   int64
}

// CertificateSource is where a certificate comes from.
type CertificateSource string

// CertificateUploaded is brought, and renewed, by an administrator.
const CertificateUploaded CertificateSource = "uploaded"

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

// CertificateFor chooses the certificate that the edges of a site serve a public name with: one for the name itself before a
// wildcard, then the one that is valid for the longest time. A key that is good for a wildcard goes to the default site of its domain
// alone, and what has expired is of no use. The zero value means that there is none.
func CertificateFor(all []Certificate, domains []ExternalDomain, host, siteID string, now time.Time) (best Certificate) {
	exact := false
	for _, c := range all {
		yes, wildcard := c.Covers(host)
		switch {
		case !yes, now.After(c.NotAfter), wildcard && exact, !c.mayGoTo(domains, siteID):
			continue
		case best.ID != "" && wildcard != exact && !c.NotAfter.After(best.NotAfter):
			continue // the same kind, and no longer valid than the one we have
		}
		best, exact = c, !wildcard
	}
	return best
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
