package edge

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/domain"
	"berth/templates"
)

// verdicts are the services that nginx refused, by ID, so that what it refused is not tried at every interval.
type verdicts map[string]verdict

type verdict struct {
	service domain.ServedService // as it was refused: another one is not
	words   string
	wait    time.Duration
	until   time.Time
}

// apply takes out of a snapshot what was refused, except what is to be tried again now, and returns why.
func (v verdicts) apply(s domain.Snapshot) (domain.Snapshot, []templates.Problem) {
	var allowed []domain.ServedService
	var left []templates.Problem
	for _, service := range s.Services {
		was, refused := v[service.ID]
		if refused && time.Now().Before(was.until) && reflect.DeepEqual(was.service, service) {
			left = append(left, templates.Problem{ID: service.ID, Name: service.Title(), Reason: was.words})
			continue
		}
		allowed = append(allowed, service)
	}
	s.Services = allowed
	return s, left
}

func (v verdicts) add(service domain.ServedService, words string) {
	wait := firstRetry
	if was, again := v[service.ID]; again && reflect.DeepEqual(was.service, service) {
		wait = min(2*was.wait, lastRetry)
	}
	v[service.ID] = verdict{service, words, wait, time.Now().Add(wait)}
}

// judge finds the services that an objection is about, and reports whether there is any to leave out.
func (n *Nginx) judge(ctx context.Context, s domain.Snapshot, err error) bool {
	var no *objection
	if !errors.As(err, &no) || len(s.Services) == 0 {
		return false
	}
	guilty := n.bound(s.Services, no.words)
	if len(guilty) == 0 && !no.reload {
		guilty = n.bisect(ctx, s, s.Services)
	}
	for _, g := range guilty {
		n.verdicts.add(g.service, g.words)
	}
	return len(guilty) > 0
}

type guilt struct {
	service domain.ServedService
	words   string
}

// nginx says so both in a test and in a reload; the address may be IPv6 in brackets.
var bindFailed = regexp.MustCompile(`bind\(\) to \S*?:(\d+) failed`)

// bound finds the services whose port nginx cannot have.
func (n *Nginx) bound(all []domain.ServedService, words string) (guilty []guilt) {
	m := bindFailed.FindStringSubmatch(words)
	if m == nil {
		return nil
	}
	for _, s := range all {
		if strconv.Itoa(s.ExternalPort) == m[1] {
			guilty = append(guilty, guilt{s, words})
		}
	}
	return guilty
}

// bisect finds the services that nginx refuses, each by itself, among some of a snapshot.
func (n *Nginx) bisect(ctx context.Context, s domain.Snapshot, among []domain.ServedService) []guilt {
	no := n.refuses(ctx, s, among)
	switch {
	case no == nil || len(among) == 0:
		return nil
	case len(among) == 1:
		return []guilt{{among[0], no.words}}
	}
	half := len(among) / 2
	return append(n.bisect(ctx, s, among[:half]), n.bisect(ctx, s, among[half:])...)
}

// refuses asks nginx about some services of a snapshot alone.
func (n *Nginx) refuses(ctx context.Context, s domain.Snapshot, some []domain.ServedService) *objection {
	s.Services = slices.Clone(some)
	files, _, err := templates.Nginx(s, n.Options)
	if err != nil {
		return nil
	}
	name := generation + "trial"
	defer func() { _ = n.discard(name) }() // swept with the next change in any case
	if err := n.write(name, files); err != nil {
		return nil
	}
	var no *objection
	if errors.As(n.test(ctx, name, files), &no) {
		no.words = strings.ReplaceAll(no.words, fmt.Sprintf("%s/", n.run(name)), "")
		return no
	}
	return nil
}
