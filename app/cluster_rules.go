package app

import (
	"crypto/x509"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"berth/domain"
)

var (
	proxmoxToken = regexp.MustCompile(`^[^\s@!=/]+@[A-Za-z][A-Za-z0-9._-]+![A-Za-z][A-Za-z0-9._-]+$`)
	proxmoxRealm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]+$`)
)

// The VMIDs that Proxmox VE knows (PVE::JSONSchema, "pve-vmid").
const (
	lowestVMID  = 100
	highestVMID = 999_999_999
)

// validCluster returns every field that breaks a rule. A cluster that is to be asked for its name has none yet.
func validCluster(c domain.Cluster, unnamed bool) error {
	var f fields
	if !unnamed && !domain.ValidHostname(c.Name) {
		f.fail("name", "must be 1 to 63 of a-z, 0-9 and -, and start and end with a letter or digit")
	}
	if len(c.Endpoints) == 0 {
		f.fail("endpoints", "must name at least one URL such as https://pve1:8006")
	}
	for i, e := range c.Endpoints {
		if !validEndpoint(e) {
			f.fail("endpoints["+strconv.Itoa(i)+"]", "must be a URL such as https://pve1:8006, without user, path and query")
		}
	}
	if !proxmoxToken.MatchString(c.TokenID) {
		f.fail("tokenId", "must be the ID of an API token, such as berth@pve!berth")
	}
	if c.Token == "" {
		f.fail("token", "must be the secret of the API token")
	}
	if c.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(c.CA)) {
		f.fail("ca", "must be certificates in PEM")
	}
	if c.VMIDFirst < lowestVMID || c.VMIDFirst > highestVMID {
		f.fail("vmidFirst", "must be between %d and %d", lowestVMID, highestVMID)
	}
	if c.VMIDLast < c.VMIDFirst || c.VMIDLast > highestVMID {
		f.fail("vmidLast", "must be between vmidFirst and %d", highestVMID)
	}
	if c.Realm != "" && !proxmoxRealm.MatchString(c.Realm) {
		f.fail("realm", "must be the name of a realm of Proxmox VE, such as ldap")
	}
	return f.err("the cluster")
}

// validEndpoint takes HTTPS, and plain HTTP on loopback.
func validEndpoint(e string) bool {
	u, err := url.Parse(e)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	if u.Scheme == "http" {
		ip, err := netip.ParseAddr(u.Hostname())
		return err == nil && ip.IsLoopback()
	}
	return u.Scheme == "https"
}

// endpoints writes URLs in one way, so that the same one is known again.
func endpoints(urls []string) []string {
	out := make([]string, len(urls))
	for i, u := range urls {
		out[i] = strings.TrimRight(strings.TrimSpace(u), "/")
		if parsed, err := url.Parse(out[i]); err == nil && parsed.Host != "" {
			parsed.Host = strings.ToLower(parsed.Host)
			out[i] = parsed.String()
		}
	}
	return out
}

// usable is nil unless there are findings that are errors.
func usable(what string, findings []domain.Finding) error {
	var reasons []string
	for _, f := range findings {
		if f.Severity == "error" {
			reasons = append(reasons, f.What+" "+f.Fix)
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return domain.Errorf(domain.Conflict, "%s cannot be used as it is: %s", what, strings.Join(reasons, " "))
}
