//go:build e2e

// Package e2e tests the whole platform on real processes: the built binaries, a real dnsmasq, and guests that really boot.
package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"berth/e2e/checker"
	"berth/e2e/harness"
)

// settle is how long the world may take to be as it should after an operation has ended: the edges' next report and one
// interval of the reconciler.
const settle = 20 * time.Second

// clean demands that the checker finds nothing wrong.
func clean(t *testing.T, p *harness.Platform) {
	t.Helper()
	harness.Await(t, settle, "all agrees and nothing is left over", p.World.Clean)
}

// fetch returns what a web server answers.
func fetch(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	res, err := (&http.Client{Timeout: 3 * time.Second}).Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// shows waits until the page of a container's guest says words.
func shows(t *testing.T, c checker.Container, words string) {
	t.Helper()
	// The address may have been another guest's a moment ago, and this host believes in the former MAC for up to 45 s.
	harness.Await(t, time.Minute, "the page of "+c.Name+" answers at "+c.Address, func(ctx context.Context) error {
		page, err := fetch(ctx, "http://"+c.Address+"/")
		if err == nil && !strings.Contains(page, words) {
			err = fmt.Errorf("it says %q", page)
		}
		return err
	})
}

func get(t *testing.T, p *harness.Platform, name string) checker.Container {
	t.Helper()
	var c checker.Container
	p.BerthJSON(&c, "container", "get", name)
	return c
}

// TestWalkThrough is what a new user does, on both images.
func TestWalkThrough(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	t.Run("tiny", func(t *testing.T) { walkTiny(t, p.In(t)) })
	t.Run("debian", func(t *testing.T) { walkDebian(t, p.In(t)) })
	t.Run("import", func(t *testing.T) { walkImport(t, p.In(t)) })
}

func walkTiny(t *testing.T, p *harness.Platform) {
	p.BerthJSON(nil, "container", "create", "web01", "--image", p.Image("tiny:1"), "--wait")
	c := get(t, p, "web01")
	if c.State != "ready" || c.Power != "running" {
		t.Fatalf("web01 is %s and %s", c.State, c.Power)
	}
	shows(t, c, "hello from web01 (tiny:1)")
	clean(t, p)
	temporalListsIt(t, p, c)

	power(t, p, "web01")
	reconfigure(t, p, "web01")
	p.BerthJSON(nil, "container", "delete", "web02", "--yes", "--wait")
	clean(t, p)
	forgotten(t, p, "web02", c.Address)
}

// power goes through all power actions and ends with a container that runs.
func power(t *testing.T, p *harness.Platform, name string) {
	t.Helper()
	for _, step := range []struct{ action, power string }{
		{"shutdown", "stopped"}, {"start", "running"}, {"reboot", "running"}, {"stop", "stopped"}, {"start", "running"},
	} {
		p.BerthJSON(nil, "container", step.action, name, "--wait")
		if c := get(t, p, name); c.Power != step.power {
			t.Fatalf("after %s %s is %s, not %s", step.action, name, c.Power, step.power)
		}
		clean(t, p)
	}
}

// reconfigure changes everything that can be changed; web01 becomes web02.
func reconfigure(t *testing.T, p *harness.Platform, name string) {
	t.Helper()
	before := get(t, p, name)
	p.BerthJSON(nil, "container", "update", name, "--cores", "2", "--memory", "256M", "--wait")
	p.BerthJSON(nil, "container", "update", name, "--disk", "6G", "--wait")
	p.BerthJSON(nil, "container", "update", name, "--env", "GREETING=good day", "--restart", "--wait")
	p.BerthJSON(nil, "container", "update", name, "--name", "web02", "--wait")
	after := get(t, p, "web02")
	if after.Address != before.Address || after.VMID != before.VMID || after.MAC != before.MAC {
		t.Errorf("reconfiguring changed address, VMID or MAC: %+v, was %+v", after, before)
	}
	shows(t, after, "good day")
	config := ctConfig(t, p, after)
	for option, want := range map[string]string{"cores": "2", "memory": "256", "hostname": "web02"} {
		if got := fmt.Sprint(config[option]); got != want {
			t.Errorf("the CT's %s is %s, not %s", option, got, want)
		}
	}
	if rootfs := fmt.Sprint(config["rootfs"]); !strings.Contains(rootfs, "size=6G") {
		t.Errorf("the disk did not grow to 6G: %s", rootfs)
	}
	clean(t, p)
	forgotten(t, p, name, "")
}

func ctConfig(t *testing.T, p *harness.Platform, c checker.Container) map[string]any {
	t.Helper()
	var config map[string]any
	path := fmt.Sprintf("/nodes/%s/lxc/%d/config", c.Node.Name, c.VMID)
	if err := p.World.PVE.Call(t.Context(), http.MethodGet, path, nil, &config); err != nil {
		t.Fatal(err)
	}
	return config
}

// forgotten demands that neither name nor address is known to dnsmasq.
func forgotten(t *testing.T, p *harness.Platform, name, address string) {
	t.Helper()
	for _, e := range p.World.Edges {
		if found, err := e.Address(t.Context(), name+"."+harness.Domain); err != nil || len(found) > 0 {
			t.Errorf("dnsmasq still knows %s: %v %v", name, found, err)
		}
		if address == "" {
			continue
		}
		if found, err := e.Names(t.Context(), address); err != nil || len(found) > 0 {
			t.Errorf("dnsmasq still has a name for %s: %v %v", address, found, err)
		}
	}
}

// asAdministrator fetches a page of Temporal's UI with the administrator's token, once it was refused without.
func asAdministrator(ctx context.Context, p *harness.Platform, address string) (string, error) {
	for _, token := range []string{"", p.Token} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return "", err
		}
		want := http.StatusUnauthorized
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
			want = http.StatusOK
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != want {
			return "", fmt.Errorf("Temporal's UI answers %s, want %d: %s %w", res.Status, want, text, err)
		}
		if token != "" {
			return string(text), nil
		}
	}
	return "", errors.New("the platform has no administrator's token")
}

// temporalListsIt finds the run in the Temporal UI by its search attributes.
func temporalListsIt(t *testing.T, p *harness.Platform, c checker.Container) {
	t.Helper()
	query := fmt.Sprintf(`BerthContainer = %q AND BerthSite = %q AND BerthOwner = %q AND BerthNode = %q AND WorkflowType = "Provision"`,
		c.Name, harness.Site, c.Owner, c.Node.Name)
	harness.Await(t, 10*time.Second, "Temporal lists the run as "+query, func(ctx context.Context) error {
		text, err := asAdministrator(ctx, p, p.UI+"/api/v1/namespaces/default/workflows?query="+url.QueryEscape(query))
		if err != nil {
			return err
		}
		var list struct {
			Executions []struct {
				Execution struct{ WorkflowID string }
				Status    string
			}
		}
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
		if len(list.Executions) != 1 || list.Executions[0].Execution.WorkflowID != "container/"+c.ID ||
			!strings.HasSuffix(list.Executions[0].Status, "COMPLETED") {
			return fmt.Errorf("it lists %+v", list.Executions)
		}
		return nil
	})
}
