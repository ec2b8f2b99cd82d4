package domain_test

import (
	"testing"

	"berth/domain"
)

func TestPortFor(t *testing.T) {
	label := func(port string) map[string]string { return map[string]string{domain.LabelHTTPPort: port} }
	for name, c := range map[string]struct {
		image domain.ImageInfo
		kind  domain.ServiceKind
		want  int
		rule  string
	}{
		"labelled":            {domain.ImageInfo{Labels: label("8080"), Ports: []string{"22/tcp", "80/tcp"}}, domain.ServiceHTTP, 8080, ""},
		"labelled, for tcp":   {domain.ImageInfo{Labels: label("8080"), Ports: []string{"22/tcp"}}, domain.ServiceTCP, 22, ""},
		"labelled with words": {domain.ImageInfo{Labels: label("web"), Ports: []string{"80/tcp"}}, domain.ServiceHTTP, 80, ""},
		"labelled too high":   {domain.ImageInfo{Labels: label("70000")}, domain.ServiceHTTP, 0, "must be given: the image exposes no tcp port"},
		"the only one":        {domain.ImageInfo{Ports: []string{"53/udp", "80/tcp"}}, domain.ServiceHTTP, 80, ""},
		"the only udp one":    {domain.ImageInfo{Ports: []string{"53/udp", "80/tcp"}}, domain.ServiceUDP, 53, ""},
		"without protocol":    {domain.ImageInfo{Ports: []string{"80"}}, domain.ServiceTCP, 80, ""},
		"several":             {domain.ImageInfo{Ports: []string{"443/tcp", "80/tcp"}}, domain.ServiceHTTP, 0, "must be given: the image exposes the tcp ports 443, 80"},
		"none":                {domain.ImageInfo{}, domain.ServiceUDP, 0, "must be given: the image exposes no udp port"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.image.PortFor(c.kind)
			if got != c.want || (err == nil) != (c.rule == "") || err != nil && err.Error() != c.rule {
				t.Errorf("got %d, %v; want %d, %q", got, err, c.want, c.rule)
			}
		})
	}
}
