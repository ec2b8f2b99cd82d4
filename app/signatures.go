package app

import (
	"context"
	"errors"
	"time"

	"berth/domain"
)

// errPending marks what is not written yet on this branch.
var errPending = errors.New("app: not written yet")

type Clusters struct{ *App }

func (s *Clusters) Create(ctx context.Context, actor domain.Actor, in ClusterInput) (_ domain.Cluster, _ []domain.Finding, err error) {
	err = errPending
	return
}

func (s *Clusters) Get(ctx context.Context, actor domain.Actor, ref string) (_ domain.Cluster, err error) {
	err = errPending
	return
}

func (s *Clusters) List(ctx context.Context, actor domain.Actor, page Page) (_ List[domain.Cluster], err error) {
	err = errPending
	return
}

func (s *Clusters) Update(ctx context.Context, actor domain.Actor, ref string, patch ClusterPatch, ifMatch int64) (_ domain.Cluster, err error) {
	err = errPending
	return
}

func (s *Clusters) Delete(ctx context.Context, actor domain.Actor, ref string, ifMatch int64) (err error) {
	err = errPending
	return
}

func (s *Clusters) Guests(ctx context.Context, actor domain.Actor, ref string) (_ []RemoteGuest, err error) {
	err = errPending
	return
}

type Sites struct{ *App }

func (s *Sites) Create(ctx context.Context, actor domain.Actor, in SiteInput) (_ domain.Site, err error) {
	err = errPending
	return
}

func (s *Sites) Get(ctx context.Context, actor domain.Actor, ref string) (_ domain.Site, err error) {
	err = errPending
	return
}

func (s *Sites) List(ctx context.Context, actor domain.Actor, page Page) (_ List[domain.Site], err error) {
	err = errPending
	return
}

func (s *Sites) Update(ctx context.Context, actor domain.Actor, ref string, patch SitePatch, ifMatch int64) (_ domain.Site, err error) {
	err = errPending
	return
}

func (s *Sites) Delete(ctx context.Context, actor domain.Actor, ref string, ifMatch int64) (err error) {
	err = errPending
	return
}

func (s *Sites) Network(ctx context.Context, actor domain.Actor, ref string) (_ SiteNetwork, err error) {
	err = errPending
	return
}

type Nodes struct{ *App }

func (s *Nodes) Create(ctx context.Context, actor domain.Actor, in NodeInput) (_ domain.Node, _ []domain.Finding, err error) {
	err = errPending
	return
}

func (s *Nodes) Get(ctx context.Context, actor domain.Actor, ref string) (_ domain.Node, err error) {
	err = errPending
	return
}

func (s *Nodes) List(ctx context.Context, actor domain.Actor, filter NodeFilter, page Page) (_ List[domain.Node], err error) {
	err = errPending
	return
}

func (s *Nodes) Update(ctx context.Context, actor domain.Actor, ref string, patch NodePatch, ifMatch int64) (_ domain.Node, err error) {
	err = errPending
	return
}

func (s *Nodes) Delete(ctx context.Context, actor domain.Actor, ref string, ifMatch int64) (err error) {
	err = errPending
	return
}

func (s *Nodes) Check(ctx context.Context, actor domain.Actor, ref string) (_ []domain.Finding, err error) {
	err = errPending
	return
}

func (s *Nodes) Storages(ctx context.Context, actor domain.Actor, ref string) (_ []RemoteStorage, err error) {
	err = errPending
	return
}

type Edges struct{ *App }

func (s *Edges) Enroll(ctx context.Context, actor domain.Actor, site, name string) (_ domain.Edge, _ domain.Secret, err error) {
	err = errPending
	return
}

func (s *Edges) Get(ctx context.Context, actor domain.Actor, ref string) (_ domain.Edge, err error) {
	err = errPending
	return
}

func (s *Edges) List(ctx context.Context, actor domain.Actor, site string, page Page) (_ List[domain.Edge], err error) {
	err = errPending
	return
}

func (s *Edges) Retire(ctx context.Context, actor domain.Actor, ref string) (_ domain.Edge, err error) {
	err = errPending
	return
}

func (s *Edges) Delete(ctx context.Context, actor domain.Actor, ref string, ifMatch int64) (err error) {
	err = errPending
	return
}

func (s *Edges) Snapshot(ctx context.Context, actor domain.Actor, etag string, wait time.Duration) (snapshot domain.Snapshot, newETag string, changed bool, err error) {
	err = errPending
	return
}

func (s *Edges) Report(ctx context.Context, actor domain.Actor, report domain.EdgeReport) (err error) {
	err = errPending
	return
}

type Containers struct{ *App }

func (s *Containers) Create(ctx context.Context, actor domain.Actor, in ContainerInput, key string) (_ domain.Container, _ domain.Operation, err error) {
	err = errPending
	return
}

func (s *Containers) Get(ctx context.Context, actor domain.Actor, ref, site string) (_ domain.Container, err error) {
	err = errPending
	return
}

func (s *Containers) List(ctx context.Context, actor domain.Actor, filter ContainerFilter, page Page) (_ List[domain.Container], err error) {
	err = errPending
	return
}

func (s *Containers) Update(ctx context.Context, actor domain.Actor, ref, site string, patch ContainerPatch, ifMatch int64, key string) (_ domain.Container, _ *domain.Operation, err error) {
	err = errPending
	return
}

func (s *Containers) Power(ctx context.Context, actor domain.Actor, ref, site string, in PowerInput, key string) (_ domain.Operation, err error) {
	err = errPending
	return
}

func (s *Containers) Retry(ctx context.Context, actor domain.Actor, ref, site, key string) (_ domain.Operation, err error) {
	err = errPending
	return
}

func (s *Containers) Delete(ctx context.Context, actor domain.Actor, ref, site string, forget bool, key string) (_ domain.Operation, err error) {
	err = errPending
	return
}

func (s *Containers) Import(ctx context.Context, actor domain.Actor, in ImportInput, key string) (_ domain.Container, _ domain.Operation, err error) {
	err = errPending
	return
}

type Operations struct{ *App }

func (s *Operations) Get(ctx context.Context, actor domain.Actor, id string) (_ domain.Operation, err error) {
	err = errPending
	return
}

func (s *Operations) List(ctx context.Context, actor domain.Actor, filter OperationFilter, page Page) (_ List[domain.Operation], err error) {
	err = errPending
	return
}

func (s *Operations) Cancel(ctx context.Context, actor domain.Actor, id string) (_ domain.Operation, err error) {
	err = errPending
	return
}

func (s *Operations) Retry(ctx context.Context, actor domain.Actor, id string) (_ domain.Operation, err error) {
	err = errPending
	return
}

func (s *Operations) Events(ctx context.Context, actor domain.Actor, id string, afterSeq int64) (_ []domain.OperationEvent, err error) {
	err = errPending
	return
}

func (s *Operations) Watch(ctx context.Context, actor domain.Actor, id string, afterSeq int64) (_ <-chan OperationUpdate, err error) {
	err = errPending
	return
}

func (s *Operations) Reconcile(ctx context.Context, actor domain.Actor, dryRun bool) (_ string, err error) {
	err = errPending
	return
}

type Images struct{ *App }

func (s *Images) Inspect(ctx context.Context, actor domain.Actor, reference string) (_ domain.ImageInfo, err error) {
	err = errPending
	return
}

func (s *Images) List(ctx context.Context, actor domain.Actor) (_ []domain.CatalogueImage, err error) {
	err = errPending
	return
}

func (s *Images) Add(ctx context.Context, actor domain.Actor, in ImageInput) (_ domain.CatalogueImage, err error) {
	err = errPending
	return
}

func (s *Images) Remove(ctx context.Context, actor domain.Actor, id string) (err error) {
	err = errPending
	return
}

type Quotas struct{ *App }

func (s *Quotas) Get(ctx context.Context, actor domain.Actor, user string) (_ domain.Quota, _ domain.Usage, err error) {
	err = errPending
	return
}

func (s *Quotas) List(ctx context.Context, actor domain.Actor) (_ []domain.Quota, err error) {
	err = errPending
	return
}

func (s *Quotas) Set(ctx context.Context, actor domain.Actor, user string, in QuotaInput) (_ domain.Quota, err error) {
	err = errPending
	return
}

func (s *Quotas) Delete(ctx context.Context, actor domain.Actor, user string) (err error) {
	err = errPending
	return
}

type Tokens struct{ *App }

func (s *Tokens) Create(ctx context.Context, actor domain.Actor, in TokenInput) (_ domain.Token, _ domain.Secret, err error) {
	err = errPending
	return
}

func (s *Tokens) List(ctx context.Context, actor domain.Actor, owner string, page Page) (_ List[domain.Token], err error) {
	err = errPending
	return
}

func (s *Tokens) Delete(ctx context.Context, actor domain.Actor, id string) (err error) {
	err = errPending
	return
}

type Users struct{ *App }

func (s *Users) List(ctx context.Context, actor domain.Actor, page Page) (_ List[domain.User], err error) {
	err = errPending
	return
}

func (s *Users) Get(ctx context.Context, actor domain.Actor, name string) (_ domain.User, err error) {
	err = errPending
	return
}

func (s *Users) Create(ctx context.Context, actor domain.Actor, in UserInput) (_ domain.User, err error) {
	err = errPending
	return
}

type Audit struct{ *App }

func (s *Audit) List(ctx context.Context, actor domain.Actor, filter AuditFilter, page Page) (_ List[domain.AuditEntry], err error) {
	err = errPending
	return
}
