//go:build e2e

package checker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// service is what a container exposes, as the database has it.
type service struct {
	container, kind, state string
	Host                   string
	ExternalPort           int
}

// place is what a service is reached by at the edges; empty for one that nginx has nothing to do with.
func (s service) place() string {
	switch s.kind {
	case "http":
		return s.Host
	case "tcp", "udp":
		return fmt.Sprintf("%s/%d", map[string]string{"tcp": "TCP", "udp": "UDP"}[s.kind], s.ExternalPort)
	}
	return ""
}

// In the maps of nginx's configuration.
var (
	publicName = regexp.MustCompile(`(?m)^ +"([a-z0-9.-]+)" "[a-z0-9.-]+:[0-9]+";$`)
	publicPort = regexp.MustCompile(`(?m)^ +(TCP|UDP):([0-9]+) "[a-z0-9.-]+:[0-9]+";$`)
)

// published lists the public names and ports of the configuration that nginx runs with.
func (e Edge) published() ([]string, error) {
	conf, err := os.ReadFile(filepath.Join(e.Dir, "..", "nginx", "current", "nginx.conf"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []string
	for _, m := range publicName.FindAllStringSubmatch(string(conf), -1) {
		all = append(all, m[1])
	}
	for _, m := range publicPort.FindAllStringSubmatch(string(conf), -1) {
		all = append(all, m[1]+"/"+m[2])
	}
	return all, nil
}

// services holds what is published against what is wanted, and what is claimed against both.
func (j *judgement) services() {
	claims := 0
	var wanted []string
	for _, s := range j.books.services {
		if s.state != "held" {
			j.say("service %s of container %s is %s", s.place(), s.container, s.state)
			continue
		}
		claims++
		if s.kind == "tcp" && s.Host != "" {
			claims++
		}
		if place := s.place(); place != "" {
			wanted = append(wanted, place)
		}
	}
	slices.Sort(wanted)
	for _, e := range j.edges {
		slices.Sort(e.published)
		if !slices.Equal(e.published, wanted) {
			j.say("an edge publishes %v, wanted is %v", e.published, wanted)
		}
	}
	if len(j.books.claims) > claims {
		j.say("there are %d claims for what needs %d: %v", len(j.books.claims), claims, j.books.claims)
	}
}
