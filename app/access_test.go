package app_test

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"berth/acme/acmetest"
	"berth/app"
	"berth/domain"
	"berth/templates/nginxtest"
)

// who may use a use case, by the names of the actors below. Whoever is in neither list is Forbidden, nobody Unauthenticated.
type audience struct{ may, blind []string }

var (
	readers    = audience{may: []string{"reader", "anna", "bob", "demoted", "root", "rootRead"}}
	changers   = audience{may: []string{"changer", "anna", "bob", "demoted", "root"}}
	admins     = audience{may: []string{"root"}}
	edges      = audience{may: []string{"edge"}}
	ownReaders = audience{may: []string{"reader", "anna", "root"}, blind: []string{"bob", "demoted", "rootRead"}}
	owners     = audience{may: []string{"changer", "anna", "root"}, blind: []string{"bob", "demoted"}}
)

// TestAccess calls every use case as everybody. What belongs to anna, others do not know of.
func TestAccess(t *testing.T) {
	w := newWorld(t)
	web := w.ready(t, anna, "web01")
	op, err := w.Operations.List(t.Context(), anna, app.OperationFilter{Container: web.ID}, app.Page{})
	must(t, err)
	opID := op.Items[0].ID
	_, err = w.Registries.Create(t.Context(), root, app.RegistryInput{Host: "ghcr.io", Username: "robot", Password: "x"})
	must(t, err)
	_, err = w.ExternalDomains.Create(t.Context(), root, app.ExternalDomainInput{Name: "example.org"})
	must(t, err)
	chain, key := nginxtest.Certificate(t, "www.example.org")
	certificate, err := w.Certificates.Upload(t.Context(), root, chain, domain.Secret(key))
	must(t, err)
	ca := acmetest.Start(t)
	enrolled, err := w.ACMEAccounts.Create(t.Context(), root, acmeAccount(ca, "first"))
	must(t, err)
	ordered := domain.Certificate{Names: []string{"app.example.org"}, Source: domain.CertificateACME, SiteID: w.site.ID}
	must(t, w.db.CreateCertificate(t.Context(), &ordered))
	actors := map[string]domain.Actor{
		"nobody": nobody, "reader": reader, "changer": changer, "anna": anna, "bob": bob, "demoted": demoted, "root": root,
		"rootRead": rootRead, "edge": w.edgeActor(t, "edge1"),
	}
	type call func(ctx context.Context, a domain.Actor) error
	table := map[string]struct {
		who  audience
		call call
	}{
		"Clusters.Create": {admins, func(ctx context.Context, a domain.Actor) error {
			_, _, err := w.Clusters.Create(ctx, a, app.ClusterInput{
				Name: "other", Endpoints: []string{"https://other:8006"}, TokenID: "berth@pve!berth", Token: "x",
			})
			return err
		}},
		"Clusters.Get": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Clusters.Get(ctx, a, "lab")
			return err
		}},
		"Clusters.List": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Clusters.List(ctx, a, app.Page{})
			return err
		}},
		"Clusters.Update": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Clusters.Update(ctx, a, "lab", app.ClusterPatch{}, 0)
			return err
		}},
		"Clusters.Delete": {admins, func(ctx context.Context, a domain.Actor) error { return w.Clusters.Delete(ctx, a, "other", 0) }},
		"Clusters.Guests": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Clusters.Guests(ctx, a, "lab")
			return err
		}},
		"Sites.Create": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Sites.Create(ctx, a, demo("spare", 99))
			return err
		}},
		"Sites.Get": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Sites.Get(ctx, a, "demo")
			return err
		}},
		"Sites.List": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Sites.List(ctx, a, app.Page{})
			return err
		}},
		"Sites.Update": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Sites.Update(ctx, a, "demo", app.SitePatch{}, 0)
			return err
		}},
		"Sites.Delete": {admins, func(ctx context.Context, a domain.Actor) error { return w.Sites.Delete(ctx, a, "spare", 0) }},
		"Sites.Network": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Sites.Network(ctx, a, "demo")
			return err
		}},
		"Nodes.Create": {admins, func(ctx context.Context, a domain.Actor) error {
			_, _, err := w.Nodes.Create(ctx, a, app.NodeInput{Site: "demo", Name: "pve2", Cluster: "lab"})
			return err
		}},
		"Nodes.Get": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Nodes.Get(ctx, a, "pve1")
			return err
		}},
		"Nodes.List": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Nodes.List(ctx, a, app.NodeFilter{Site: "demo", Cluster: "lab"}, app.Page{})
			return err
		}},
		"Nodes.Update": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Nodes.Update(ctx, a, "pve1", app.NodePatch{}, 0)
			return err
		}},
		"Nodes.Delete": {admins, func(ctx context.Context, a domain.Actor) error { return w.Nodes.Delete(ctx, a, "pve2", 0) }},
		"Nodes.Check": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Nodes.Check(ctx, a, "pve1")
			return err
		}},
		"Nodes.Storages": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Nodes.Storages(ctx, a, "pve1")
			return err
		}},
		"Edges.Enroll": {admins, func(ctx context.Context, a domain.Actor) error {
			_, _, err := w.Edges.Enroll(ctx, a, "demo", "edge2")
			return err
		}},
		"Edges.Get": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Edges.Get(ctx, a, "edge1")
			return err
		}},
		"Edges.List": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Edges.List(ctx, a, "demo", app.Page{})
			return err
		}},
		"Edges.Retire": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Edges.Retire(ctx, a, "edge2")
			return err
		}},
		"Edges.Delete": {admins, func(ctx context.Context, a domain.Actor) error { return w.Edges.Delete(ctx, a, "edge2", 0) }},
		"Edges.Snapshot": {edges, func(ctx context.Context, a domain.Actor) error {
			_, _, _, err := w.Edges.Snapshot(ctx, a, "", 0)
			return err
		}},
		"Edges.Report": {edges, func(ctx context.Context, a domain.Actor) error {
			return w.Edges.Report(ctx, a, domain.EdgeReport{})
		}},
		"Containers.Create": {changers, func(ctx context.Context, a domain.Actor) error {
			_, _, err := w.Containers.Create(ctx, a, wants("c"+domain.NewID()[24:]), "")
			return err
		}},
		"Containers.Get": {ownReaders, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Containers.Get(ctx, a, "web01", "")
			return err
		}},
		"Containers.List": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Containers.List(ctx, a, app.ContainerFilter{Site: "demo", Node: "pve1"}, app.Page{})
			return err
		}},
		"Containers.Update": {owners, func(ctx context.Context, a domain.Actor) error {
			_, _, err := w.Containers.Update(ctx, a, web.ID, "", app.ContainerPatch{}, 0, "")
			return err
		}},
		"Containers.Power": {owners, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Containers.Power(ctx, a, "web01", "demo", app.PowerInput{Action: domain.ActionStart}, "")
			return err
		}},
		"Containers.Retry": {owners, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Containers.Retry(ctx, a, "web01", "", "")
			return err
		}},
		"Containers.Services": {ownReaders, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Containers.Services(ctx, a, "web01", "")
			return err
		}},
		"Containers.ChangeServices": {owners, func(ctx context.Context, a domain.Actor) error {
			_, _, err := w.Containers.ChangeServices(ctx, a, "web01", "", app.ServicesChange{
				Add: []domain.ServiceSpec{{Kind: domain.ServiceTCP, Port: 22}},
			}, "")
			return err
		}},
		"Containers.Delete": {owners, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Containers.Delete(ctx, a, "web01", "", false, "")
			return err
		}},
		"Containers.Import": {admins, func(ctx context.Context, a domain.Actor) error {
			_, _, err := w.Containers.Import(ctx, a, app.ImportInput{Node: "pve1", VMID: 105}, "")
			return err
		}},
		"Operations.Get": {ownReaders, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Operations.Get(ctx, a, opID)
			return err
		}},
		"Operations.List": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Operations.List(ctx, a, app.OperationFilter{}, app.Page{})
			return err
		}},
		"Operations.Cancel": {owners, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Operations.Cancel(ctx, a, opID)
			return err
		}},
		"Operations.Retry": {owners, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Operations.Retry(ctx, a, opID)
			return err
		}},
		"Operations.Events": {ownReaders, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Operations.Events(ctx, a, opID, 0)
			return err
		}},
		"Operations.Watch": {ownReaders, func(ctx context.Context, a domain.Actor) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			_, err := w.Operations.Watch(ctx, a, opID, 0)
			return err
		}},
		"Operations.Reconcile": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Operations.Reconcile(ctx, a, true)
			return err
		}},
		"Images.Inspect": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Images.Inspect(ctx, a, "debian:12")
			return err
		}},
		"Images.List": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Images.List(ctx, a)
			return err
		}},
		"Images.Add": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Images.Add(ctx, a, app.ImageInput{Name: "Debian", Reference: "debian:12"})
			return err
		}},
		"Images.Remove": {admins, func(ctx context.Context, a domain.Actor) error {
			images, err := w.Images.List(ctx, root)
			must(t, err)
			id := "none"
			if len(images) > 0 {
				id = images[0].ID
			}
			return w.Images.Remove(ctx, a, id)
		}},
		"Registries.Create": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Registries.Create(ctx, a, app.RegistryInput{Host: "quay.io", Username: "robot", Password: "x"})
			return err
		}},
		"Registries.Get": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Registries.Get(ctx, a, "ghcr.io")
			return err
		}},
		"Registries.List": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Registries.List(ctx, a, app.Page{})
			return err
		}},
		"Registries.Update": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Registries.Update(ctx, a, "ghcr.io", app.RegistryPatch{}, 0)
			return err
		}},
		"Registries.Delete": {admins, func(ctx context.Context, a domain.Actor) error { return w.Registries.Delete(ctx, a, "ghcr.io", 0) }},
		"Certificates.Upload": {admins, func(ctx context.Context, a domain.Actor) error {
			chain, key := nginxtest.Certificate(t, "app.example.org")
			_, err := w.Certificates.Upload(ctx, a, chain, domain.Secret(key))
			return err
		}},
		"Certificates.Get": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Certificates.Get(ctx, a, certificate.ID)
			return err
		}},
		"Certificates.List": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Certificates.List(ctx, a, app.Page{})
			return err
		}},
		"Certificates.Delete": {admins, func(ctx context.Context, a domain.Actor) error { return w.Certificates.Delete(ctx, a, certificate.ID) }},
		"Certificates.Renew": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Certificates.Renew(ctx, a, ordered.ID)
			return err
		}},
		"Certificates.Revoke": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Certificates.Revoke(ctx, a, ordered.ID)
			return err
		}},
		"ACMEAccounts.Create": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.ACMEAccounts.Create(ctx, a, acmeAccount(ca, "second"))
			return err
		}},
		"ACMEAccounts.Get": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.ACMEAccounts.Get(ctx, a, "first")
			return err
		}},
		"ACMEAccounts.List": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.ACMEAccounts.List(ctx, a, app.Page{})
			return err
		}},
		"ACMEAccounts.Delete": {admins, func(ctx context.Context, a domain.Actor) error { return w.ACMEAccounts.Delete(ctx, a, enrolled.ID) }},
		"ExternalDomains.Create": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.ExternalDomains.Create(ctx, a, app.ExternalDomainInput{Name: "example.net", Site: "demo"})
			return err
		}},
		"ExternalDomains.Get": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.ExternalDomains.Get(ctx, a, "example.org")
			return err
		}},
		"ExternalDomains.List": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.ExternalDomains.List(ctx, a, app.Page{})
			return err
		}},
		"ExternalDomains.Update": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.ExternalDomains.Update(ctx, a, "example.org", app.ExternalDomainPatch{}, 0)
			return err
		}},
		"ExternalDomains.Delete": {admins, func(ctx context.Context, a domain.Actor) error {
			return w.ExternalDomains.Delete(ctx, a, "example.org", 0)
		}},
		"Quotas.Get": {ownReaders, func(ctx context.Context, a domain.Actor) error {
			_, _, err := w.Quotas.Get(ctx, a, "anna")
			return err
		}},
		"Quarantines.List": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Quarantines.List(ctx, a)
			return err
		}},
		"Quarantines.Release": {admins, func(ctx context.Context, a domain.Actor) error {
			id := domain.NewID()
			must(t, w.db.QuarantineAddress(ctx, w.create(t, anna, "q"+id).ID, id, "for a test"))
			_, err := w.Quarantines.Release(ctx, a, id, false)
			return err
		}},
		"Quotas.List": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Quotas.List(ctx, a)
			return err
		}},
		"Quotas.Set": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Quotas.Set(ctx, a, "", app.QuotaInput{})
			return err
		}},
		"Quotas.Delete": {admins, func(ctx context.Context, a domain.Actor) error { return w.Quotas.Delete(ctx, a, "") }},
		"Tokens.Create": {changers, func(ctx context.Context, a domain.Actor) error {
			_, _, err := w.Tokens.Create(ctx, a, app.TokenInput{Name: "ci", Scopes: []domain.Scope{domain.ScopeContainers}})
			return err
		}},
		"Tokens.List": {readers, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Tokens.List(ctx, a, "", app.Page{})
			return err
		}},
		"Tokens.Delete": {owners, func(ctx context.Context, a domain.Actor) error {
			made, _, err := w.Tokens.Create(ctx, anna, app.TokenInput{Name: "short", Scopes: []domain.Scope{domain.ScopeRead}})
			must(t, err)
			return w.Tokens.Delete(ctx, a, made.ID)
		}},
		"Users.List": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Users.List(ctx, a, app.Page{})
			return err
		}},
		"Users.Get": {ownReaders, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Users.Get(ctx, a, "anna")
			return err
		}},
		"Users.Create": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Users.Create(ctx, a, app.UserInput{Name: "carl"})
			return err
		}},
		"Audit.List": {admins, func(ctx context.Context, a domain.Actor) error {
			_, err := w.Audit.List(ctx, a, app.AuditFilter{}, app.Page{})
			return err
		}},
	}
	// What deletes goes last, so that it has something to refuse.
	order := []string{
		"Containers.Power", "Operations.Retry", "Containers.Delete", "Nodes.Delete", "Edges.Retire", "Edges.Delete", "Sites.Delete",
		"Clusters.Delete", "Images.Remove", "Registries.Delete", "Certificates.Delete", "ACMEAccounts.Delete", "ExternalDomains.Delete", "Quotas.Delete",
	}
	for _, name := range methods(w.App) {
		if !slices.Contains(order, name) {
			order = append([]string{name}, order...)
		}
	}
	for _, name := range order {
		row, ok := table[name]
		if !ok {
			t.Errorf("%s is not in the table of this test", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			for _, who := range byOutcome(actors, row.who) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				err := row.call(ctx, actors[who])
				cancel()
				got := domain.KindOf(err)
				switch {
				case who == "nobody":
					wantKind(t, err, domain.Unauthenticated)
				case slices.Contains(row.who.may, who):
					if err != nil && (got == domain.Unauthenticated || got == domain.Forbidden || got == domain.NotFound || got == domain.Invalid) {
						t.Errorf("%s was refused: %v", who, err)
					}
				case slices.Contains(row.who.blind, who):
					if err == nil || got != domain.NotFound {
						t.Errorf("%s got %v, want NotFound", who, err)
					}
				default:
					if err == nil || got != domain.Forbidden {
						t.Errorf("%s got %v, want Forbidden", who, err)
					}
				}
			}
		})
	}
	if n := len(w.trail(t, "site.update")); n < 8 { // seven refusals and a success
		t.Errorf("the audit trail has %d attempts to update a site, want them all", n)
	}
}

// byOutcome names the actors, those first who are to be refused.
func byOutcome(actors map[string]domain.Actor, who audience) []string {
	var names []string
	for name := range actors {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		x, y := slices.Index(who.may, a), slices.Index(who.may, b)
		return x - y
	})
	return names
}

// methods lists the use cases, as "Noun.Method", but for those that have no actor yet.
func methods(a *app.App) []string {
	var names []string
	v := reflect.ValueOf(a).Elem()
	for i := range v.NumField() {
		noun := v.Type().Field(i).Name
		if noun == "Auth" || noun == "Health" {
			continue
		}
		for m := range v.Field(i).NumMethod() {
			names = append(names, noun+"."+v.Field(i).Type().Method(m).Name)
		}
	}
	return names
}
