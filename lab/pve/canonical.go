package pve

import (
	"crypto/rand"
	"fmt"
	"sort"
	"strings"
)

// canonical writes an option's value as the configuration file holds it; rules have checked it.
func (c *Cluster) canonical(option, text string) (string, error) {
	switch {
	case isNet(option):
		return c.canonicalNet(option, text)
	case isMount(option):
		p, err := mountParts(option, text)
		if err != nil {
			return "", err
		}
		return printMount(option, p), nil
	case option == "features":
		p, err := featureRules().parse(option, text)
		if err != nil {
			return "", err
		}
		return featureRules().print(p), nil
	case option == "tags":
		tags := map[string]bool{}
		for _, tag := range splitList(text) {
			tags[strings.ToLower(tag)] = true
		}
		sorted := make([]string, 0, len(tags))
		for tag := range tags {
			sorted = append(sorted, tag)
		}
		sort.Strings(sorted)
		return strings.Join(sorted, ";"), nil
	case option == "nameserver" || option == "searchdomain":
		return strings.Join(splitList(text), " "), nil
	}
	return text, nil
}

func (c *Cluster) canonicalNet(option, text string) (string, error) {
	p, err := netRules().parse(option, text)
	if err != nil {
		return "", err
	}
	if p["host-managed"] == "1" && p["ip6"] == "auto" {
		return "", die("%s: SLAAC is not supported for host-managed network configuration.", option)
	}
	p["type"] = "veth"
	if p["hwaddr"] == "" {
		p["hwaddr"] = newMAC()
	}
	p["hwaddr"] = strings.ToUpper(p["hwaddr"])
	return netRules().print(p), nil
}

// newMAC makes an address below Proxmox's prefix.
func newMAC() string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("BC:24:11:%02X:%02X:%02X", b[0], b[1], b[2])
}
