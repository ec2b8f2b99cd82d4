package app_test

import (
	"strings"
	"testing"

	"berth/app"
	"berth/domain"
)

func TestNodeFindsItsClusterStoragesAndAddress(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if w.node.TemplateStorage != "local" || w.node.RootStorage != "data" || w.node.Bridge != "vmbr0" || w.node.Slots != domain.DefaultSlots {
		t.Errorf("the node is %+v, want the largest active storages and the defaults", w.node)
	}
	if w.node.Address != "10.20.10.2" {
		t.Errorf("the node's address is %q, want the one in the site's network", w.node.Address)
	}
	if len(w.flows.observed) != 1 || w.flows.observed[0] != w.node.ClusterID {
		t.Errorf("watched clusters are %v", w.flows.observed)
	}
	second, _, err := w.Nodes.Create(ctx, root, app.NodeInput{
		Site: "demo", Name: "pve2", URL: "https://PVE2:8006/", TokenID: "berth@pve!berth", Token: "hush",
	})
	must(t, err)
	if second.ClusterID != w.node.ClusterID || second.Address != "" {
		t.Errorf("the second node is %+v, want it in the cluster that lists it", second)
	}
	c, err := w.Clusters.Get(ctx, root, "lab")
	must(t, err)
	if len(c.Endpoints) != 2 || c.Endpoints[1] != "https://pve2:8006" || c.PVE != "9.2.4" {
		t.Errorf("the cluster is %+v, want both endpoints", c)
	}
}

func TestNodesThatCannotBeUsed(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	good := app.NodeInput{Site: "demo", Name: "pve2", URL: "https://pve1:8006"}
	for name, c := range map[string]struct {
		change func(*app.NodeInput)
		want   domain.Kind
		says   string
	}{
		"unknown node":          {func(in *app.NodeInput) { in.Name = "pve9" }, domain.Invalid, "pve1, pve2"},
		"no URL":                {func(in *app.NodeInput) { in.URL = "" }, domain.Invalid, "url"},
		"unknown cluster":       {func(in *app.NodeInput) { in.URL, in.Cluster = "", "ghost" }, domain.Invalid, "cluster"},
		"unknown site":          {func(in *app.NodeInput) { in.Site = "ghost" }, domain.Invalid, "site"},
		"plain HTTP":            {func(in *app.NodeInput) { in.URL = "http://pve2:8006" }, domain.Invalid, "endpoints[0]"},
		"twice":                 {func(in *app.NodeInput) { in.Name = "pve1" }, domain.Conflict, "already"},
		"address of a stranger": {func(in *app.NodeInput) { in.Address = "192.0.2.1" }, domain.Invalid, "address"},
		"another cluster of the same name": {func(in *app.NodeInput) {
			in.Name, in.URL, in.TokenID, in.Token = "px", "https://px:8006", "berth@pve!berth", "x"
		}, domain.Conflict, "cluster"},
	} {
		in := good
		c.change(&in)
		_, _, err := w.Nodes.Create(ctx, root, in)
		if !domain.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error is %v, want %s with %q", name, err, c.want, c.says)
		}
	}
	w.pve.findings = []domain.Finding{{Severity: "error", What: "Storage data is full.", Fix: "Make room."}}
	_, findings, err := w.Nodes.Create(ctx, root, good)
	wantKind(t, err, domain.Conflict)
	if len(findings) != 1 || !strings.Contains(err.Error(), "Make room.") {
		t.Errorf("findings %v with error %v", findings, err)
	}
	w.pve.findings[0].Severity = "warning"
	_, findings, err = w.Nodes.Create(ctx, root, good)
	must(t, err)
	if len(findings) != 1 {
		t.Errorf("the warning got lost: %v", findings)
	}
}

func TestClusters(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, _, err := w.Clusters.Create(ctx, root, app.ClusterInput{
		Name: "Bad Name", Endpoints: []string{"https://user@x:8006", "ftp://x"}, TokenID: "x", CA: "x", VMIDFirst: 5, VMIDLast: 1, Realm: "?",
	})
	wantKind(t, err, domain.Invalid)
	for _, field := range []string{"name", "endpoints[0]", "endpoints[1]", "tokenId", "token", "ca", "vmidFirst", "vmidLast", "realm"} {
		if !strings.Contains(err.Error(), field+" must") {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
	in := app.ClusterInput{Endpoints: []string{"https://pve1:8006"}, TokenID: "berth@pve!berth", Token: "hush"}
	_, _, err = w.Clusters.Create(ctx, root, in)
	wantKind(t, err, domain.Conflict) // its endpoint is known
	w.pve.name, in.Endpoints = "", []string{"https://single:8006"}
	w.pve.findings = []domain.Finding{{Severity: "error", What: "No bridge.", Fix: "Make one."}}
	made, findings, err := w.Clusters.Create(ctx, root, in)
	must(t, err)
	if made.Name != "pve1" || made.Token != "" || len(findings) != 1 || findings[0].Severity != "warning" {
		t.Errorf("the cluster is %+v with %v; one without a name is called as its node", made, findings)
	}
	seen, err := w.Clusters.Get(ctx, anna, "lab")
	must(t, err)
	if seen.Name != "lab" || len(seen.Endpoints) != 0 || seen.TokenID != "" {
		t.Errorf("anna sees %+v, want name and state alone", seen)
	}
	guests, err := w.Clusters.Guests(ctx, root, "lab")
	must(t, err)
	if len(guests) != 1 || guests[0].VMID != 105 {
		t.Errorf("guests to import are %+v", guests)
	}
	_, err = w.Clusters.Update(ctx, root, "lab", app.ClusterPatch{Endpoints: &in.Endpoints}, 0)
	wantKind(t, err, domain.Conflict)
	wantKind(t, w.Clusters.Delete(ctx, root, "lab", 0), domain.Conflict)
	wantKind(t, w.Clusters.Delete(ctx, root, "pve1", 99), domain.Precondition)
	must(t, w.Clusters.Delete(ctx, root, "pve1", made.Version))
}

func TestHealth(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	lacks := func(what string) {
		t.Helper()
		err := w.Health.Ready(ctx)
		if !domain.Is(err, domain.Unavailable) || !strings.Contains(err.Error(), what) {
			t.Errorf("not ready is %v, want it to name %q", err, what)
		}
	}
	lacks("an online node of a ready cluster and an online edge")
	must(t, w.db.ObserveNode(ctx, w.node.ID, nodeOnline()))
	must(t, w.db.ObserveCluster(ctx, w.node.ClusterID, clusterReady()))
	lacks("an online edge")
	must(t, w.Edges.Report(ctx, w.edgeActor(t, "edge1"), domain.EdgeReport{Address: "10.20.10.3"}))
	must(t, w.Health.Ready(ctx))
	w.flows.unhealthy = domain.Errorf(domain.Unavailable, "no worker polls")
	lacks("no worker polls")
}

func TestUpdateOfANode(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.Nodes.Update(ctx, root, "pve1", app.NodePatch{Slots: ptr(0), Bridge: ptr(""), Address: ptr("192.0.2.1")}, 0)
	wantKind(t, err, domain.Invalid)
	for _, field := range []string{"slots", "bridge", "address"} {
		if !strings.Contains(err.Error(), field+" must") {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
	_, err = w.Nodes.Update(ctx, root, "pve1", app.NodePatch{Maintenance: ptr(true)}, w.node.Version+1)
	wantKind(t, err, domain.Precondition)
	n, err := w.Nodes.Update(ctx, root, "pve1", app.NodePatch{Maintenance: ptr(true)}, w.node.Version)
	must(t, err)
	if !n.Maintenance {
		t.Error("the node is not in maintenance")
	}
}
