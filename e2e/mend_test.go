//go:build e2e

package e2e

import (
	"net/http"
	"net/url"
	"testing"

	"berth/client"
	"berth/e2e/harness"
)

// TestWhatNeedsAttentionIsMended has a node refuse to remove a CT until Berth gives up, and then does what an administrator does.
func TestWhatNeedsAttentionIsMended(t *testing.T) {
	p := harness.Start(t, harness.Options{DeadlineScale: 0.01})
	p.Apart()
	p.BerthJSON(nil, "container", "create", "stuck", "--image", p.Image("tiny:1"), "--memory", "64M", "--wait")
	made := get(t, p, "stuck")
	if _, err := p.Lab.AddFault(t.Context(), harness.Fault{Operation: "lxc.delete", Effect: "error", Status: 500, Text: "out of luck"}); err != nil {
		t.Fatal(err)
	}
	if _, code := p.Berth("container", "delete", "stuck", "--yes", "--wait"); code == 0 {
		t.Fatal("the delete is told as done, though the node refuses it")
	}
	if c := get(t, p, "stuck"); c.State != "needs_attention" {
		t.Fatalf("it is %s", c.State)
	}
	clean(t, p)
	var held struct{ Items []client.Quarantine }
	p.BerthJSON(&held, "quarantine", "list")
	if len(held.Items) != 1 {
		t.Fatalf("quarantined is %+v, want what is left of the container", held.Items)
	}
	if _, code := p.Berth("quarantine", "release", held.Items[0].ID, "--yes"); code == 0 {
		t.Error("the quarantine was released, though the CT is still on its node")
	}
	if err := p.Lab.ClearFaults(t.Context()); err != nil {
		t.Fatal(err)
	}
	// As the message says: remove what is left on the node, release what it held, and delete the container.
	if err := p.World.PVE.Task(t.Context(), http.MethodDelete, ctPath(made), url.Values{"force": {"1"}, "purge": {"1"}}); err != nil {
		t.Fatal(err)
	}
	p.BerthJSON(nil, "quarantine", "release", held.Items[0].ID, "--yes")
	p.BerthJSON(nil, "container", "delete", "stuck", "--yes", "--wait")
	clean(t, p)
	p.BerthJSON(nil, "container", "create", "stuck", "--image", p.Image("tiny:1"), "--memory", "64M", "--wait")
	clean(t, p)
}
