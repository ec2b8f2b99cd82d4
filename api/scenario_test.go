package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/client"
	"berth/domain"
)

func TestWhoMayDoWhat(t *testing.T) {
	h := newHouse(t)
	h.site("demo", "198.18.0")
	enrolled, err := h.admin.EnrollEdgeWithResponse(t.Context(), client.EdgeEnroll{Site: "demo", Name: "edge1"})
	if err != nil {
		t.Fatal(err)
	}
	edge := h.with(enrolled.JSON201.Token)
	reader, stranger := h.as("anna", false, domain.ScopeRead), h.with("berth_no_such")
	ctx := t.Context()
	for _, c := range []struct {
		what string
		ask  func() error
		want int // status of the problem; 0 = allowed
	}{
		{"a stranger lists containers", func() error { _, err := stranger.ListContainersWithResponse(ctx, nil); return err }, 401},
		{"a reader lists containers", func() error { _, err := reader.ListContainersWithResponse(ctx, nil); return err }, 0},
		{"a reader reads the audit trail", func() error { _, err := reader.ListAuditWithResponse(ctx, nil); return err }, 403},
		{"a reader lists registries", func() error { _, err := reader.ListRegistriesWithResponse(ctx, nil); return err }, 403},
		{"a reader creates a container", func() error {
			_, err := reader.CreateContainerWithResponse(ctx, nil, client.ContainerCreate{Name: "web01", Image: "nginx"})
			return err
		}, 403},
		{"a reader deletes a site", func() error { _, err := reader.DeleteSiteWithResponse(ctx, "demo", nil); return err }, 403},
		{"an edge lists containers", func() error { _, err := edge.ListContainersWithResponse(ctx, nil); return err }, 403},
		{"an edge lists edges", func() error { _, err := edge.ListEdgesWithResponse(ctx, nil); return err }, 403},
		{"an edge makes a token", func() error {
			_, err := edge.CreateTokenWithResponse(ctx, client.TokenCreate{Name: "x", Scopes: []client.TokenCreateScopes{"admin"}})
			return err
		}, 403},
		{"an edge reports", func() error {
			_, err := edge.PostEdgeReportWithResponse(ctx, client.EdgeReport{Leases: &[]client.Lease{}})
			return err
		}, 0},
		{"an administrator reports as an edge", func() error {
			_, err := h.admin.PostEdgeReportWithResponse(ctx, client.EdgeReport{Leases: &[]client.Lease{}})
			return err
		}, 403},
		{"a reader reconciles", func() error { _, err := reader.ReconcileWithResponse(ctx, client.ReconcileRequest{}); return err }, 403},
		{"an administrator reconciles", func() error { _, err := h.admin.ReconcileWithResponse(ctx, client.ReconcileRequest{}); return err }, 0},
	} {
		err := c.ask()
		if err != nil && status(err) == 0 || status(err) != c.want {
			t.Errorf("%s: %v, want status %d", c.what, err, c.want)
		}
	}
}

func TestVersionsGuardChanges(t *testing.T) {
	h := newHouse(t)
	made := h.site("demo", "198.18.0")
	got, err := h.admin.GetSiteWithResponse(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	tag := got.HTTPResponse.Header.Get("ETag")
	forwarders := []string{"9.9.9.9"}
	patch := client.SiteUpdate{Forwarders: &forwarders}
	changed, err := h.admin.UpdateSiteWithResponse(t.Context(), made.ID, &client.UpdateSiteParams{IfMatch: &tag}, patch)
	if err != nil {
		t.Fatalf("a change of the version that was read is refused: %v", err)
	}
	if changed.HTTPResponse.Header.Get("ETag") == tag || cmp.Diff(forwarders, changed.JSON200.Forwarders) != "" {
		t.Errorf("the change answers %+v with ETag %s", changed.JSON200, changed.HTTPResponse.Header.Get("ETag"))
	}
	_, err = h.admin.UpdateSiteWithResponse(t.Context(), made.ID, &client.UpdateSiteParams{IfMatch: &tag}, patch)
	_ = refused(t, "a change of an older version", err, http.StatusPreconditionFailed)
	_, err = h.admin.DeleteSiteWithResponse(t.Context(), made.ID, &client.DeleteSiteParams{IfMatch: &tag})
	_ = refused(t, "deleting an older version", err, http.StatusPreconditionFailed)
	if _, err := h.admin.DeleteSiteWithResponse(t.Context(), "demo", nil); err != nil {
		t.Errorf("an empty site cannot be deleted: %v", err)
	}
	_, err = h.admin.GetSiteWithResponse(t.Context(), "demo")
	_ = refused(t, "getting a deleted site", err, http.StatusNotFound)
}

func TestListsGoOnFromTheirCursor(t *testing.T) {
	h := newHouse(t)
	want := []string{"anna", "bert", "cleo", "dora", "root"}
	for _, name := range want[:4] {
		if _, err := h.admin.CreateUserWithResponse(t.Context(), client.UserCreate{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	limit := 2
	var pages int
	var cursor *string
	for pages = 1; ; pages++ {
		page, err := h.admin.ListUsersWithResponse(t.Context(), &client.ListUsersParams{Limit: &limit, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.JSON200.Items {
			seen[u.Name]++
		}
		if cursor = page.JSON200.Next; cursor == nil {
			break
		}
	}
	if pages != 3 || len(seen) != len(want) {
		t.Errorf("%d pages with %v, want 3 with each of %v once", pages, seen, want)
	}
	for _, name := range want {
		if seen[name] != 1 {
			t.Errorf("%s is listed %d times", name, seen[name])
		}
	}
	nonsense := "!"
	_, err := h.admin.ListUsersWithResponse(t.Context(), &client.ListUsersParams{Cursor: &nonsense})
	_ = refused(t, "a cursor of the caller's own making", err, http.StatusUnprocessableEntity)
}

func TestContainerIsAcceptedOnce(t *testing.T) {
	h := newHouse(t)
	h.site("demo", "198.18.0")
	anna := h.as("anna", false, domain.ScopeContainers, domain.ScopeRead)
	key := "key-1"
	body := client.ContainerCreate{Name: "web01", Image: "docker.io/library/nginx:1.29", Env: &map[string]string{"PASSWORD": "hunter2"}}
	first, err := anna.CreateContainerWithResponse(t.Context(), &client.CreateContainerParams{IdempotencyKey: &key}, body)
	if err != nil {
		t.Fatal(err)
	}
	c, o := first.JSON202.Container, first.JSON202.Operation
	if c.State != client.ContainerStateProvisioning || c.Address == nil || c.FQDN == nil || *c.FQDN != "web01.demo.internal" || c.Site.Name != "demo" {
		t.Errorf("the container is %+v", c)
	}
	if o == nil || first.HTTPResponse.Header.Get("Location") != "/api/v1/operations/"+o.ID || o.Name != "provision web01" {
		t.Errorf("the operation is %+v at %q", o, first.HTTPResponse.Header.Get("Location"))
	}
	again, err := anna.CreateContainerWithResponse(t.Context(), &client.CreateContainerParams{IdempotencyKey: &key}, body)
	if err != nil {
		t.Fatalf("the repeated request: %v", err)
	}
	if again.JSON202.Container.ID != c.ID || again.JSON202.Operation == nil || again.JSON202.Operation.ID != o.ID {
		t.Error("the repeated request made another container or operation")
	}
	_, err = anna.PowerContainerWithResponse(t.Context(), "web01", nil, client.PowerRequest{Action: "stop"})
	if p := refused(t, "a second operation", err, http.StatusConflict); p.Kind() != "busy" || p.Busy() != o.ID {
		t.Errorf("the problem is %s and names operation %q, want busy and %q", p.Kind(), p.Busy(), o.ID)
	}
	got, err := anna.GetContainerWithResponse(t.Context(), "web01", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []string{string(first.Body), string(again.Body), string(got.Body)} {
		if strings.Contains(answer, "hunter2") || !strings.Contains(answer, `"PASSWORD"`) {
			t.Errorf("environment variables must be named without their values: %s", answer)
		}
	}
	_, err = h.as("bert", false, domain.ScopeRead).GetContainerWithResponse(t.Context(), c.ID, nil)
	_ = refused(t, "somebody else's container", err, http.StatusNotFound)
}

func TestAmbiguousNamesListTheMatches(t *testing.T) {
	h := newHouse(t)
	for site, cidr := range map[string]string{"east": "198.18.0", "west": "198.18.1"} {
		h.site(site, cidr)
		_, err := h.admin.CreateContainerWithResponse(t.Context(), nil, client.ContainerCreate{Name: "web01", Image: "nginx", Site: &site})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.admin.GetContainerWithResponse(t.Context(), "web01", nil)
	p := refused(t, "a name in two sites", err, http.StatusConflict)
	if !strings.Contains(p.Error(), "east") || !strings.Contains(p.Error(), "west") {
		t.Errorf("%q does not list the matches", p.Error())
	}
	west := "west"
	got, err := h.admin.GetContainerWithResponse(t.Context(), "web01", &client.GetContainerParams{Site: &west})
	if err != nil || got.JSON200.Site.Name != "west" {
		t.Errorf("web01 of site west: %v", err)
	}
}

func TestFollowingAnOperation(t *testing.T) {
	h := newHouse(t)
	h.site("demo", "198.18.0")
	made, err := h.admin.CreateContainerWithResponse(t.Context(), nil, client.ContainerCreate{Name: "web01", Image: "nginx"})
	if err != nil {
		t.Fatal(err)
	}
	id := made.JSON202.Operation.ID
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, line := range []string{"one", "two"} {
		if err := h.store.AddEvent(ctx, id, "create", "info", line); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	var once bool
	ended, err := h.admin.FollowOperation(ctx, id, func(e client.OperationEvent) {
		lines = append(lines, e.Message)
		if e.Message != "two" || once {
			return
		}
		once = true // the stream is open: what happens from here on must arrive by it
		if err := h.store.AddEvent(ctx, id, "verify", "warning", "three"); err != nil {
			t.Error(err)
		}
		if err := h.store.ModifyOperation(ctx, id, func(o *domain.Operation) error {
			o.State, o.Message, o.EndedAt = domain.OpSucceeded, "web01 is ready", time.Now()
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if ended.State != client.OperationStateSucceeded || len(lines) < 3 || cmp.Diff([]string{"one", "two", "three"}, lines[len(lines)-3:]) != "" {
		t.Errorf("the operation ended as %s with %q", ended.State, lines)
	}
	after := int64(2)
	rest, err := h.admin.ListOperationEventsWithResponse(ctx, id, &client.ListOperationEventsParams{LastEventID: &after})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range rest.JSON200.Items {
		if e.Seq <= after {
			t.Errorf("event %d comes again after %d", e.Seq, after)
		}
	}
	_, err = h.admin.FollowOperation(ctx, domain.NewID(), nil)
	_ = refused(t, "following what is not there", err, http.StatusNotFound)
}

func TestEdgesPollForSnapshots(t *testing.T) {
	h := newHouse(t)
	site := h.site("demo", "198.18.0")
	enrolled, err := h.admin.EnrollEdgeWithResponse(t.Context(), client.EdgeEnroll{Site: "demo", Name: "edge1"})
	if err != nil {
		t.Fatal(err)
	}
	edge := h.with(enrolled.JSON201.Token)
	if _, err := h.store.PublishSite(t.Context(), site.ID); err != nil {
		t.Fatal(err)
	}
	first, err := edge.GetEdgeSnapshotWithResponse(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tag := first.HTTPResponse.Header.Get("ETag")
	if first.JSON200 == nil || first.JSON200.Domain != "demo.internal" || tag == "" {
		t.Fatalf("the snapshot is %s with ETag %q", first.Body, tag)
	}
	same, err := edge.GetEdgeSnapshotWithResponse(t.Context(), &client.GetEdgeSnapshotParams{IfNoneMatch: &tag})
	if err != nil || same.StatusCode() != http.StatusNotModified {
		t.Fatalf("an unchanged snapshot answers %v %v, want 304", same, err)
	}
	answers := make(chan *client.GetEdgeSnapshotResponse, 1)
	wait := 20
	go func() {
		answer, err := edge.GetEdgeSnapshotWithResponse(t.Context(), &client.GetEdgeSnapshotParams{IfNoneMatch: &tag, Wait: &wait})
		if err != nil {
			t.Error(err)
		}
		answers <- answer
	}()
	if _, err := h.admin.CreateContainerWithResponse(t.Context(), nil, client.ContainerCreate{Name: "web01", Image: "nginx"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.store.PublishSite(t.Context(), site.ID); err != nil {
		t.Fatal(err)
	}
	select {
	case answer := <-answers:
		if answer == nil || answer.JSON200 == nil || answer.JSON200.Hosts == nil || len(*answer.JSON200.Hosts) != 1 {
			t.Errorf("the long poll answers %+v, want the new container", answer)
		}
	case <-time.After(25 * time.Second):
		t.Error("the long poll does not answer")
	}
}

func TestReadinessSaysWhatIsMissing(t *testing.T) {
	h := newHouse(t)
	_, err := h.with("").GetReadinessWithResponse(t.Context())
	if p := refused(t, "readiness of an empty house", err, http.StatusServiceUnavailable); !strings.Contains(p.Error(), "site") {
		t.Errorf("%q does not say that there is no site", p.Error())
	}
}
