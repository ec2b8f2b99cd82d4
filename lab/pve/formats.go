package pve

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones are checked the same on hosts without them
)

var (
	vmidPattern    = regexp.MustCompile(`^[1-9][0-9]{2,8}$`)
	namePattern    = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$`)
	storagePattern = regexp.MustCompile(`^(?i)[a-z][a-z0-9\-_.]*[a-z0-9]$`)
	configPattern  = regexp.MustCompile(`^(?i)[a-z][a-z0-9_-]+$`)
	tagPattern     = regexp.MustCompile(`^(?i)[a-z0-9_][a-z0-9_\-+.]*$`)
	macPattern     = regexp.MustCompile(`^(?i)[a-f0-9][02468ace](:[a-f0-9]{2}){5}$`)
	sizePattern    = regexp.MustCompile(`^(\d+(\.\d+)?)([KMGT])?$`)
	realmPattern   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.\-_]+$`)
	rolePattern    = regexp.MustCompile(`^[A-Za-z0-9.\-_]+$`)
	tokenIDPattern = regexp.MustCompile(`^([^\s:/]+)@([A-Za-z][A-Za-z0-9.\-_]+)!([A-Za-z][A-Za-z0-9.\-_]+)$`)
	volumePattern  = regexp.MustCompile(`^(?i)([a-z][a-z0-9\-_.]*[a-z0-9]):(.+)$`)
	poolPattern    = regexp.MustCompile(`^[A-Za-z0-9.\-_]+(/[A-Za-z0-9.\-_]+){0,2}$`)
	startupPattern = regexp.MustCompile(`^(order=)?\d+$|^(up|down)=\d+$`)
)

func matching(p *regexp.Regexp, text string) format {
	return func(s string) error {
		if !p.MatchString(s) {
			return errors.New(text + "\n")
		}
		return nil
	}
}

// The formats that need no more than a pattern.
var (
	vmidFormat   = matching(vmidPattern, "value does not look like a valid VM ID")
	nodeFormat   = matching(namePattern, "value does not look like a valid node name")
	configFormat = func(s string) error { return named(configPattern, "invalid configuration ID '%s'", s) }
	macFormat    = matching(macPattern, "value does not look like a valid unicast MAC address")
	volumeFormat = func(s string) error { return named(volumePattern, "unable to parse volume ID '%s'", s) }
	poolFormat   = func(s string) error { return named(poolPattern, "pool name '%s' contains invalid characters", s) }
	tagFormat    = matching(tagPattern, "invalid characters in tag")
	sizeFormat   = func(s string) error { return named(sizePattern, "value does not look like a valid disk size: %s", s) }
	realmFormat  = matching(realmPattern, "value does not look like a valid realm")
	tokenFormat  = func(s string) error {
		return named(tokenIDPattern, "value '%s' does not look like a valid token ID", s)
	}
	groupFormat = func(s string) error { return named(rolePattern, "group name '%s' contains invalid characters", s) }
	roleFormat  = func(s string) error { return named(rolePattern, "role name '%s' contains invalid characters", s) }
)

func named(p *regexp.Regexp, text, s string) error {
	if !p.MatchString(s) {
		return fmt.Errorf(text+"\n", s)
	}
	return nil
}

func storageFormat(s string) error {
	return named(storagePattern, "storage ID '%s' contains illegal characters", s)
}

// contentFormat checks a content type of storages.
func contentFormat(s string) error {
	switch s {
	case "images", "rootdir", "vztmpl", "iso", "backup", "snippets", "import", "none":
		return nil
	}
	return fmt.Errorf("invalid content type '%s'\n", s)
}

// userFormat checks user@realm.
func userFormat(s string) error {
	switch {
	case len(s) < 3:
		return fmt.Errorf("user name '%s' is too short\n", s)
	case len(s) > 64:
		return fmt.Errorf("user name '%s' is too long (%d > 64)\n", s, len(s))
	}
	// The last '@' counts, as user names may hold one.
	at := strings.LastIndexByte(s, '@')
	if at < 1 || strings.ContainsAny(s[:at], " \t\n:/") || !realmPattern.MatchString(s[at+1:]) {
		return fmt.Errorf("value '%s' does not look like a valid user name\n", s)
	}
	return nil
}

func dnsFormat(s string) error {
	for _, label := range strings.Split(s, ".") {
		if !namePattern.MatchString(label) {
			return errors.New("value does not look like a valid DNS name\n")
		}
	}
	return nil
}

func ipv4Format(s string) error {
	if a, err := netip.ParseAddr(s); err != nil || !a.Is4() {
		return errors.New("value does not look like a valid IPv4 address\n")
	}
	return nil
}

func ipv6Format(s string) error {
	if a, err := netip.ParseAddr(s); err != nil || !a.Is6() || a.Zone() != "" {
		return errors.New("value does not look like a valid IPv6 address\n")
	}
	return nil
}

func ipv4ConfigFormat(s string) error {
	if s == "dhcp" || s == "manual" {
		return nil
	}
	if p, err := netip.ParsePrefix(s); err != nil || !p.Addr().Is4() || p.Bits() < 8 {
		return errors.New("value does not look like a valid ipv4 network configuration\n")
	}
	return nil
}

func ipv6ConfigFormat(s string) error {
	if s == "auto" || s == "dhcp" || s == "manual" {
		return nil
	}
	if p, err := netip.ParsePrefix(s); err != nil || !p.Addr().Is6() || p.Bits() < 8 {
		return errors.New("value does not look like a valid ipv6 network configuration\n")
	}
	return nil
}

// nameserverFormat accepts addresses, IPv6 ones with a scope too.
func nameserverFormat(s string) error {
	if _, err := netip.ParseAddr(s); err != nil {
		return errors.New("value does not look like a valid IP address\n")
	}
	return nil
}

var upwards = regexp.MustCompile(`/\.\.?/|/\.\.?$|^\.\./`)

// mountFormat checks paths and volumes of mount points.
func mountFormat(s string) error {
	if upwards.MatchString(s) {
		return fmt.Errorf("%s contains illegal character sequences\n", s)
	}
	return nil
}

func deviceFormat(s string) error {
	if !strings.HasPrefix(s, "/dev/") || strings.Contains(s, "..") {
		return fmt.Errorf("%s is not a valid device path\n", s)
	}
	return nil
}

func startupFormat(s string) error {
	for _, part := range strings.Split(s, ",") {
		if !startupPattern.MatchString(part) {
			return errors.New("unable to parse startup options\n")
		}
	}
	return nil
}

func timezoneFormat(s string) error {
	if s == "host" {
		return nil
	}
	if _, err := time.LoadLocation(s); err != nil || s == "" || s == "Local" {
		return fmt.Errorf("invalid time zone '%s'\n", s)
	}
	return nil
}

func privilegeFormat(s string) error {
	if !knownPrivilege(s) {
		return fmt.Errorf("invalid privilege '%s'\n", s)
	}
	return nil
}

func taskStatusFormat(s string) error {
	switch strings.ToLower(s) {
	case "ok", "error", "warning", "unknown":
		return nil
	}
	return fmt.Errorf("invalid status '%s'\n", s)
}

// parseSize reads a size such as "4G"; a bare number has the given unit in bytes.
func parseSize(s string, unit float64) (int64, bool) {
	m := sizePattern.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, false
	}
	switch m[3] {
	case "K":
		unit = 1 << 10
	case "M":
		unit = 1 << 20
	case "G":
		unit = 1 << 30
	case "T":
		unit = 1 << 40
	}
	return int64(n * unit), true
}

// formatSize writes bytes in the largest unit that divides them, as configuration files hold them.
func formatSize(n int64) string {
	for _, unit := range []string{"", "K", "M", "G"} {
		if n%1024 != 0 {
			return strconv.FormatInt(n, 10) + unit
		}
		n /= 1024
	}
	return strconv.FormatInt(n, 10) + "T"
}
