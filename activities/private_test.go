package activities_test

import (
	"slices"
	"strings"
	"testing"

	"berth/domain"
	"berth/lab/registry"
	"berth/proxmox"
)

// did reports whether a node ran a task of a type.
func (w *world) did(node, kind string) bool {
	w.t.Helper()
	all, err := w.client.Tasks(w.t.Context(), node, proxmox.TaskFilter{})
	w.must(err)
	return slices.ContainsFunc(all, func(t proxmox.Task) bool { return t.Type == kind })
}

// TestPrivateImagesGoByUpload asks a registry that wants a login for an image: without one, with a wrong one, with the right one.
func TestPrivateImagesGoByUpload(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	host := w.startRegistry(registry.Config{Username: "robot", Password: "hush-right"})
	in := w.request("web01", func(c *domain.Container) { c.Spec.Image = host + "/app:1" })
	step(t, w.set.Records.Begin, in)
	place := step(t, w.set.Records.Place, domain.PlaceInput{OperationInput: in})

	login := domain.Registry{Host: host, Username: "robot", Password: "hush-wrong"}
	refused := func(words ...string) {
		t.Helper()
		_, err := perform(t, w.set.Proxmox.PullImage, in)
		if !domain.Is(err, domain.Permanent) {
			t.Fatalf("ends with %v (%v), want permanent", err, domain.KindOf(err))
		}
		for _, word := range words {
			if !strings.Contains(domain.Words(err), word) {
				t.Errorf("%q does not say %q", domain.Words(err), word)
			}
		}
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("the password is in %v", err)
		}
	}
	refused("asks for a login", "berth registry create "+host)
	w.must(w.store.CreateRegistry(ctx, &login))
	refused("Registry "+host+" refuses the login", "berth registry update "+host)

	login.Password = "hush-right"
	w.must(w.store.UpdateRegistry(ctx, &login))
	pulled := step(t, w.set.Proxmox.PullImage, in)
	step(t, w.set.Proxmox.Create, domain.CreateInput{OperationInput: in, Image: pulled})
	if config, err := w.client.Config(ctx, place.Node, w.container(in).Placement.VMID); err != nil || config.Hostname != "web01" {
		t.Errorf("no CT comes of the uploaded image: %+v, %v", config, err)
	}
	if w.did(place.Node, "ociregistrypull") || !w.did(place.Node, "imgcopy") {
		t.Error("the image was pulled or not uploaded, want it uploaded alone")
	}
	events, err := w.store.Events(ctx, in.OperationID, 0)
	w.must(err)
	tells := func(e domain.OperationEvent) bool { return strings.Contains(e.Message, "Berth uploads "+host+"/app:1") }
	if !slices.ContainsFunc(events, tells) {
		t.Errorf("the log does not tell who brought the image: %+v", events)
	}
}

// TestPublicImagesArePulled is the other half: a login for one registry changes nothing for another.
func TestPublicImagesArePulled(t *testing.T) {
	w := newWorld(t)
	w.must(w.store.CreateRegistry(t.Context(), &domain.Registry{Host: "registry.example.net", Username: "robot", Password: "hush"}))
	in := w.request("web01", nil)
	w.placed(in)
	if node := w.container(in).Placement.NodeID; w.did(w.nodeName(node), "imgcopy") || !w.did(w.nodeName(node), "ociregistrypull") {
		t.Error("the image was uploaded or not pulled, want it pulled alone")
	}
}

func (w *world) nodeName(id string) string {
	w.t.Helper()
	n, err := w.store.Node(w.t.Context(), id)
	w.must(err)
	return n.Name
}
