//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	temporal "go.temporal.io/sdk/client"

	"berth/client"
	"berth/e2e/checker"
	"berth/e2e/harness"
)

const (
	// interval is that of the reconciler in these tests.
	interval = 3 * time.Second
	// noticed is within what drift has to be healed or reported: one interval, the time that a look takes, what the
	// cluster's overview lags behind, and the 5 s for which a young operation is left alone.
	noticed = interval + 10*time.Second
)

// TestDrift changes the world behind Berth's back.
func TestDrift(t *testing.T) {
	p := harness.Start(t, harness.Options{ReconcileInterval: interval})
	p.Apart()
	for i, d := range []struct {
		name  string
		drift func(*testing.T, *harness.Platform, checker.Container)
	}{
		{"stopped by hand", driftStopped},
		{"edited by hand", driftEdited},
		{"dnsmasq file lost", driftFileLost},
		{"stray", driftStray},
		{"run lost", driftRunLost},
		{"deleted by hand", driftDeleted},
		{"Temporal's store lost", driftTemporalLost},
	} {
		t.Run(d.name, func(t *testing.T) {
			p := p.In(t)
			name := fmt.Sprintf("drift%d", i)
			p.BerthJSON(nil, "container", "create", name, "--image", p.Image("tiny:1"), "--memory", "64M", "--wait")
			d.drift(t, p, get(t, p, name))
			p.BerthJSON(nil, "container", "delete", name, "--yes", "--wait")
			clean(t, p)
		})
	}
}

func ctPath(c checker.Container) string { return fmt.Sprintf("/nodes/%s/lxc/%d", c.Node.Name, c.VMID) }

func driftStopped(t *testing.T, p *harness.Platform, c checker.Container) {
	if err := p.World.PVE.Task(t.Context(), http.MethodPost, ctPath(c)+"/status/stop", nil); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, noticed, "the guest is started again", func(ctx context.Context) error {
		_, err := fetch(ctx, "http://"+c.Address+"/")
		return err
	})
	reported(t, p, "stopped, should run", c.Name)
	clean(t, p)
}

func driftEdited(t *testing.T, p *harness.Platform, c checker.Container) {
	err := p.World.PVE.Call(t.Context(), http.MethodPut, ctPath(c)+"/config", url.Values{"memory": {"128"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	reported(t, p, "changed by hand", "memory is 128, should be 64")
	clean(t, p)
}

func driftFileLost(t *testing.T, p *harness.Platform, c checker.Container) {
	for _, folder := range []string{"hosts", "dhcp"} {
		if err := os.Remove(filepath.Join(p.World.Edges[0].Dir, folder, c.ID)); err != nil {
			t.Fatal(err)
		}
	}
	harness.Await(t, noticed, "dnsmasq has its files again", p.World.Clean)
}

func driftStray(t *testing.T, p *harness.Platform, c checker.Container) {
	var config map[string]any
	if err := p.World.PVE.Call(t.Context(), http.MethodGet, ctPath(c)+"/config", nil, &config); err != nil {
		t.Fatal(err)
	}
	stranger := "01a00000-0000-7000-8000-000000000000"
	const vmid = 901
	path := "/nodes/" + c.Node.Name + "/lxc"
	var content []struct{ Volid string }
	err := p.World.PVE.Call(t.Context(), http.MethodGet, "/nodes/"+c.Node.Name+"/storage/local/content", url.Values{"content": {"vztmpl"}}, &content)
	if err != nil || len(content) == 0 {
		t.Fatalf("no image on %s: %v", c.Node.Name, err)
	}
	err = p.World.PVE.Task(t.Context(), http.MethodPost, path, url.Values{
		"vmid": {fmt.Sprint(vmid)}, "ostemplate": {content[0].Volid}, "hostname": {"stray"}, "memory": {"64"}, "swap": {"0"},
		"unprivileged": {"1"}, "rootfs": {"local:1"}, "tags": {strings.ReplaceAll(fmt.Sprint(config["tags"]), c.ID, stranger)},
	})
	if err != nil {
		t.Fatal(err)
	}
	reported(t, p, "stray", stranger)
	if err := p.World.PVE.Task(t.Context(), http.MethodDelete, fmt.Sprintf("%s/%d", path, vmid), nil); err != nil {
		t.Fatalf("the stray is gone, which was nobody's to remove: %v", err)
	}
}

// held starts a container whose create is held until the caller is done with what it does to it.
func held(t *testing.T, p *harness.Platform, meanwhile func(operation *client.Operation)) {
	t.Helper()
	id, err := p.Lab.AddFault(t.Context(), harness.Fault{Operation: "lxc.create", Effect: "delay", DelayMS: 3000, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	memory := 64
	answer, err := p.Client.CreateContainerWithResponse(t.Context(), &client.CreateContainerParams{},
		client.ContainerCreate{Name: "held", Image: p.Image("tiny:1"), MemoryMiB: &memory})
	if err != nil {
		t.Fatal(err)
	}
	harness.Await(t, time.Minute, "the container is being created", func(ctx context.Context) error {
		n, err := p.Lab.Struck(ctx, id)
		if err == nil && n == 0 {
			err = errors.New("the call was not made")
		}
		return err
	})
	meanwhile(answer.JSON202.Operation)
	if err := p.Lab.ClearFaults(t.Context()); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, noticed+time.Minute, "the container gets ready all the same", func(ctx context.Context) error {
		c, err := p.Client.GetContainerWithResponse(ctx, "held", &client.GetContainerParams{})
		if err == nil && c.JSON200.State != client.ContainerStateReady {
			err = fmt.Errorf("it is %s", c.JSON200.State)
		}
		return err
	})
	clean(t, p)
	reported(t, p, "operation without a run", "container held")
	p.BerthJSON(nil, "container", "delete", "held", "--yes", "--wait")
}

func driftRunLost(t *testing.T, p *harness.Platform, _ checker.Container) {
	held(t, p, func(op *client.Operation) {
		engine, err := temporal.Dial(temporal.Options{HostPort: p.Temporal})
		if err != nil {
			t.Fatal(err)
		}
		defer engine.Close()
		if err := engine.TerminateWorkflow(t.Context(), op.WorkflowID, "", "a test loses the run"); err != nil {
			t.Fatal(err)
		}
	})
}

func driftTemporalLost(t *testing.T, p *harness.Platform, _ checker.Container) {
	held(t, p, func(*client.Operation) {
		p.Process("temporal").Kill()
		if err := os.RemoveAll(filepath.Join(p.Data, "temporal")); err != nil {
			t.Fatal(err)
		}
		p.Restart("temporal")
		p.Restart("worker")
	})
}

func driftDeleted(t *testing.T, p *harness.Platform, c checker.Container) {
	if err := p.World.PVE.Task(t.Context(), http.MethodPost, ctPath(c)+"/status/stop", nil); err != nil {
		t.Fatal(err)
	}
	if err := p.World.PVE.Task(t.Context(), http.MethodDelete, ctPath(c), url.Values{"force": {"1"}, "purge": {"1"}}); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, noticed, c.Name+" is marked as missing", func(context.Context) error {
		if now := get(t, p, c.Name); now.State != "missing" {
			return fmt.Errorf("it is %s", now.State)
		}
		return nil
	})
	reported(t, p, "CT vanished", c.Name)
	clean(t, p)
}

// reported waits until the audit trail tells of a repair or finding of the reconciler that has all the words.
func reported(t *testing.T, p *harness.Platform, words ...string) {
	t.Helper()
	action := "reconcile.repair"
	harness.Await(t, noticed, fmt.Sprintf("the reconciler reports %q", words), func(ctx context.Context) error {
		answer, err := p.Client.ListAuditWithResponse(ctx, &client.ListAuditParams{Action: &action})
		if err != nil {
			return err
		}
		for _, e := range answer.JSON200.Items {
			line := ""
			for _, part := range []*string{e.Name, e.Detail} {
				if part != nil {
					line += *part + " "
				}
			}
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			if all {
				return nil
			}
		}
		return fmt.Errorf("it does not, in %d entries", len(answer.JSON200.Items))
	})
}
