package activities_test

import (
	"strings"
	"testing"
	"time"

	"berth/domain"
	"berth/lab/pve"
)

// images lists the images on a node.
func (w *world) images(node string) (volumes []string) {
	w.t.Helper()
	content, err := w.client.Content(w.t.Context(), node, "local", "vztmpl")
	w.must(err)
	for _, v := range content {
		volumes = append(volumes, v.VolID)
	}
	return volumes
}

// TestUnusedImagesGo makes a container, and lets its image grow old beside one that somebody else put there.
func TestUnusedImagesGo(t *testing.T) {
	w := newWorld(t)
	in := w.ready("web01")
	node := w.container(in).Placement.Node
	foreign, err := w.client.Pull(t.Context(), node, "local", w.image, "by-hand")
	w.must(err)
	_, err = w.client.Wait(t.Context(), foreign, time.Minute, nil)
	w.must(err)
	if n := len(w.images(node)); n != 2 {
		t.Fatalf("the node has %d images, want Berth's and the one put there by hand", n)
	}
	w.set.Reconciler.ImageMaxAge = time.Hour
	w.reconcile(false) // a minute later
	if n := len(w.images(node)); n != 2 {
		t.Fatalf("an image that was just used is gone; %d are left", n)
	}
	w.set.Reconciler.ImageMaxAge = time.Second
	if would := repair(t, w.reconcile(true), "image unused"); would.Action != "would delete it" || len(w.images(node)) != 2 {
		t.Fatalf("a dry run did %+v", would)
	}
	w.fault(pve.Fault{Operation: "storage.delete", Effect: pve.EffectError, Status: 500, Text: "out of luck", Count: 1})
	if could := repair(t, w.reconcile(false), "image unused"); !strings.HasPrefix(could.Action, "could not") {
		t.Errorf("a deletion that failed is told as %+v", could)
	}
	if done := repair(t, w.reconcile(false), "image unused"); done.Action != "delete it" {
		t.Errorf("the second try is told as %+v", done)
	}
	if left := w.images(node); len(left) != 1 || !strings.Contains(left[0], "by-hand") {
		t.Errorf("the node has %v, want the image put there by hand alone", left)
	}
	again := w.request("web02", nil)
	step(t, w.set.Proxmox.Create, w.placed(again)) // brings it again
	if c := w.container(again); c.Digest == "" || c.State == domain.ContainerFailed {
		t.Errorf("the next container is %+v", c)
	}
}
