package workflows_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"berth/domain"
	"berth/workflows"
)

// fixtures is where recorded histories are, one file per scenario.
const fixtures = "testdata/replay"

// TestReplay replays histories that earlier code made: a workflow that asks for something else now would break every run
// that is open while Berth is upgraded. When a change is meant and guarded by workflow.GetVersion, or no run can be open,
// record them again:
//
//	make bin/berth-temporal && go test ./workflows -run TestReplay -record
func TestReplay(t *testing.T) {
	if flag.Lookup("record").Value.String() == "true" {
		recordAll(t)
	}
	replayed := map[string]bool{}
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			replayed[s.workflow] = true
			replayer := worker.NewWorkflowReplayer()
			workflows.Register(replayer)
			if err := replay(t, replayer, s.name); err != nil {
				t.Errorf("a run that is open would break: %v", err)
			}
		})
	}
	for _, name := range []string{
		domain.WorkflowProvision, domain.WorkflowPower, domain.WorkflowReconfigure, domain.WorkflowDelete, domain.WorkflowImport, domain.WorkflowExpose,
		domain.WorkflowNetwork, domain.WorkflowObserve, domain.WorkflowReconcile,
	} {
		if !replayed[name] {
			t.Errorf("no history of %s is replayed", name)
		}
	}
}

// TestReplayNoticesAChange replays a history with a workflow that does something else: what TestReplay relies on.
func TestReplayNoticesAChange(t *testing.T) {
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(workflows.Delete, workflow.RegisterOptions{Name: domain.WorkflowProvision})
	if err := replay(t, replayer, "provision-ready"); err == nil {
		t.Error("the history of a provision was replayed as a delete, and nobody noticed")
	}
}

func replay(t *testing.T, replayer worker.WorkflowReplayer, name string) error {
	t.Helper()
	file, err := os.Open(fixture(name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // it was only read
	history, err := client.HistoryFromJSON(file, client.HistoryJSONOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return replayer.ReplayWorkflowHistory(nil, history)
}

func fixture(name string) string { return filepath.Join(fixtures, name+".json") }

// TestFixturesAreNeutral keeps histories free of what they do not need: the machine they were recorded on, and files of
// scenarios that are gone.
func TestFixturesAreNeutral(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(fixture("*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), "@"+host) || strings.Contains(string(raw), `"`+host+":") {
			t.Errorf("%s names the machine it was recorded on", path)
		}
		known := func(s scenario) bool { return fixture(s.name) == path }
		if !slices.ContainsFunc(scenarios(), known) {
			t.Errorf("%s belongs to no scenario", path)
		}
	}
}
