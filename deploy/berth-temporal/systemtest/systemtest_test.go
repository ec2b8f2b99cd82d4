package systemtest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	_ "modernc.org/sqlite"
)

var (
	site = temporal.NewSearchAttributeKeyKeyword("BerthSite")
	node = temporal.NewSearchAttributeKeyKeyword("BerthNode")
)

const attributes = "BerthSite,BerthNode"

// greet waits to be told a name. Before, it sets an attribute from inside, which takes the history service to know it.
func greet(ctx workflow.Context) (string, error) {
	if err := workflow.UpsertTypedSearchAttributes(ctx, node.ValueSet("pve1")); err != nil {
		return "", err
	}
	var name string
	workflow.GetSignalChannel(ctx, "name").Receive(ctx, &name)
	return "hello " + name, nil
}

// TestAWorkflowSurvivesKill runs a workflow half-way, kills the server, and finishes it under the next one.
func TestAWorkflowSurvivesKill(t *testing.T) {
	storages := map[string]func(t *testing.T) []string{
		"sqlite":   func(t *testing.T) []string { return []string{"--data", filepath.Join(t.TempDir(), "new")} },
		"postgres": func(t *testing.T) []string { return []string{"--postgres", startPostgres(t)} },
	}
	for kind, storage := range storages {
		t.Run(kind, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
			defer cancel()
			arguments := append(storage(t), "--listen", freeAddress(t), "--ui", "", "--search-attributes", attributes)
			first := start(t, arguments...)
			if first.Storage != kind {
				t.Errorf("storage = %q, want %q", first.Storage, kind)
			}
			c := dial(t, first.Address)
			checkRetention(ctx, t, c)
			stop := work(t, c)
			run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
				ID: "greeting", TaskQueue: "greet", TypedSearchAttributes: temporal.NewSearchAttributes(site.ValueSet("lab")),
			}, greet)
			if err != nil {
				t.Fatal(err)
			}
			await(t, "the workflow to be found by both attributes", func() error {
				found, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
					Query: "BerthSite = 'lab' AND BerthNode = 'pve1'",
				})
				if err == nil && len(found.GetExecutions()) != 1 {
					err = fmt.Errorf("found %d", len(found.GetExecutions()))
				}
				return err
			})
			stop()
			first.kill(t)

			second := start(t, arguments...)
			c = dial(t, second.Address)
			defer work(t, c)()
			if err := c.SignalWorkflow(ctx, "greeting", run.GetRunID(), "name", "Ada"); err != nil {
				t.Fatal(err)
			}
			var greeting string
			if err := c.GetWorkflow(ctx, "greeting", run.GetRunID()).Get(ctx, &greeting); err != nil || greeting != "hello Ada" {
				t.Errorf("result = %q, %v", greeting, err)
			}
		})
	}
}

func dial(t *testing.T, address string) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// work runs a worker until the returned function is called.
func work(t *testing.T, c client.Client) (stop func()) {
	t.Helper()
	w := worker.New(c, "greet", worker.Options{})
	w.RegisterWorkflow(greet)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	return w.Stop
}

func checkRetention(ctx context.Context, t *testing.T, c client.Client) {
	t.Helper()
	namespace, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
	if err != nil {
		t.Fatal(err)
	}
	if got := namespace.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(); got != 30*24*time.Hour {
		t.Errorf("retention = %s, want 720h", got)
	}
}

func TestUIIsServedFromTheBinary(t *testing.T) {
	s := start(t, "--data", t.TempDir(), "--listen", freeAddress(t), "--ui", freeAddress(t),
		"--codec-endpoint", "https://berth.example/codec")
	page := get(t, s.UI+"/")
	if !strings.Contains(strings.ToLower(page), "<html") {
		t.Errorf("the page is no HTML: %.200s", page)
	}
	if settings := get(t, s.UI+"/api/v1/settings"); !strings.Contains(settings, "https://berth.example/codec") {
		t.Errorf("the UI does not know the codec endpoint: %s", settings)
	}
	if answer := get(t, s.UI+"/api/v1/namespaces/default"); !strings.Contains(answer, "NAMESPACE_STATE_REGISTERED") {
		t.Errorf("the UI does not reach the server: %s", answer)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v\n%s", url, response.Status, err, body)
	}
	return string(body)
}

func TestADataFolderServesOneProcess(t *testing.T) {
	data := t.TempDir()
	start(t, "--data", data, "--listen", freeAddress(t), "--ui", "")
	second, _ := launch(t, "--data", data, "--listen", freeAddress(t), "--ui", "")
	if said := second.mustFail(t); !strings.Contains(said, "another berth-temporal uses the data folder "+data) {
		t.Errorf("said %q", said)
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	for _, flag := range []string{"--listen", "--ui"} {
		arguments := map[string]string{"--listen": freeAddress(t), "--ui": freeAddress(t)}
		arguments[flag] = listener.Addr().String()
		s, _ := launch(t, "--data", t.TempDir(), "--listen", arguments["--listen"], "--ui", arguments["--ui"])
		if said := s.mustFail(t); !strings.Contains(said, "cannot listen on "+listener.Addr().String()) {
			t.Errorf("%s taken: said %q", flag, said)
		}
	}
}

func TestItEndsWithItsParent(t *testing.T) {
	parent := exec.Command("sleep", "300")
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = parent.Wait() }()
	s := start(t, "--data", t.TempDir(), "--listen", freeAddress(t), "--ui", "", "--parent-pid", fmt.Sprint(parent.Process.Pid))
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.exited:
		if s.err != nil {
			t.Errorf("ended with %v\n%s", s.err, s.stderr)
		}
	case <-time.After(patience):
		t.Fatal("outlives its parent")
	}
}

func TestFilesItCannotUseAreRefused(t *testing.T) {
	cases := map[string]struct{ statement, want string }{
		"foreign database": {`CREATE TABLE letters (body TEXT)`, "is a database that berth-temporal did not make"},
		"another schema's": {`UPDATE berth_schema SET digest = 'old', server = '1.20.0'`, "was made by Temporal server 1.20.0"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if name != "foreign database" {
				start(t, "--data", folder, "--listen", freeAddress(t), "--ui", "").kill(t)
			}
			execute(t, filepath.Join(folder, "temporal.db"), c.statement)
			s, _ := launch(t, "--data", folder, "--listen", freeAddress(t), "--ui", "")
			if said := s.mustFail(t); !strings.Contains(said, c.want) {
				t.Errorf("said %q, want %q in it", said, c.want)
			}
		})
	}
}

func TestTheDatabaseIsPrivate(t *testing.T) {
	folder := t.TempDir()
	start(t, "--data", folder, "--listen", freeAddress(t), "--ui", "")
	for _, name := range []string{"temporal.db", "temporal.db-wal", "temporal.db-shm"} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o, want 600", name, info.Mode().Perm())
		}
	}
}

func execute(t *testing.T, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), statement)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
