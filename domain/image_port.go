package domain

import (
	"fmt"
	"strconv"
	"strings"
)

// LabelHTTPPort is the label by which an image says which port its web server listens on.
const LabelHTTPPort = "org.mieweb.opensource-server.services.http.default-port"

// PortFor returns the port that a service of a kind leads to when nobody says: what the image is labelled with, or the only port of the
// kind's protocol that it exposes. The error is the rule that a port must be given.
func (i ImageInfo) PortFor(kind ServiceKind) (int, error) {
	if kind == ServiceHTTP {
		if port, err := strconv.Atoi(i.Labels[LabelHTTPPort]); err == nil && port > 0 && port <= 65535 {
			return port, nil
		}
	}
	protocol := string(ServiceTCP)
	if kind == ServiceUDP {
		protocol = string(ServiceUDP)
	}
	var found []string
	for _, exposed := range i.Ports {
		if number, of, _ := strings.Cut(exposed, "/"); of == protocol || of == "" && protocol == string(ServiceTCP) {
			found = append(found, number)
		}
	}
	if len(found) == 1 {
		if port, err := strconv.Atoi(found[0]); err == nil {
			return port, nil
		}
	}
	if len(found) == 0 {
		return 0, fmt.Errorf("must be given: the image exposes no %s port", protocol)
	}
	return 0, fmt.Errorf("must be given: the image exposes the %s ports %s", protocol, strings.Join(found, ", "))
}
