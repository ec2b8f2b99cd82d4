package deploy_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"berth/config"
)

// load reads docker-compose.yml as `docker compose --profile edge` would. compose-go is the parser of Docker Compose
// itself, so what it accepts, an engine does.
func load(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"},
		cli.WithEnv([]string{"POSTGRES_PASSWORD=secret", "EDGE_1_TOKEN=token"}), cli.WithProfiles([]string{"edge"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func service(t *testing.T, project *types.Project, name string) types.ServiceConfig {
	t.Helper()
	s, err := project.GetService(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestComposeRunsTheRolesApart(t *testing.T) {
	project := load(t)
	commands := map[string]string{
		"migrate": "berth migrate", "temporal-setup": "berth temporal setup",
		"api-1": "berth api", "api-2": "berth api", "worker-1": "berth worker", "worker-2": "berth worker",
		"edge-1": "berth edge run", "edge-2": "berth edge run",
	}
	for name, want := range commands {
		if got := strings.Join(service(t, project, name).Command, " "); got != want {
			t.Errorf("%s runs %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"postgres", "temporal"} {
		if service(t, project, name).HealthCheck == nil {
			t.Errorf("%s has no health check for others to wait on", name)
		}
	}
}

// TestComposeVariablesAreKnown holds the environment of every role against the one list of keys: the roles refuse a
// variable that is not in it.
func TestComposeVariablesAreKnown(t *testing.T) {
	// berth-temporal is a program of its own, with one variable.
	known := map[string]bool{"TEMPORAL_POSTGRES": true}
	for _, key := range config.Keys() {
		known[key.Env] = true
	}
	checked := 0
	for name, s := range load(t).Services {
		for variable := range s.Environment {
			if !strings.HasPrefix(variable, "BERTH_") && !strings.HasPrefix(variable, "TEMPORAL_") {
				continue
			}
			checked++
			if !known[variable] {
				t.Errorf("service %s sets %s, which is no configuration key", name, variable)
			}
		}
	}
	if checked == 0 {
		t.Error("no variable was checked")
	}
}

func TestComposeStartsInOrder(t *testing.T) {
	project := load(t)
	for _, name := range []string{"api-1", "api-2", "worker-1", "worker-2"} {
		needs := service(t, project, name).DependsOn
		for _, first := range []string{"migrate", "temporal-setup"} {
			if needs[first].Condition != types.ServiceConditionCompletedSuccessfully {
				t.Errorf("%s starts without waiting for %s", name, first)
			}
		}
	}
	if service(t, project, "migrate").DependsOn["postgres"].Condition != types.ServiceConditionHealthy {
		t.Error("migrate does not wait for PostgreSQL")
	}
	if service(t, project, "temporal-setup").DependsOn["temporal"].Condition != types.ServiceConditionHealthy {
		t.Error("temporal-setup does not wait for Temporal")
	}
}

// TestComposePublishesNothingUnprotected: PostgreSQL and Temporal know no login worth the name, so no port of theirs may
// be reached from outside this machine.
func TestComposePublishesNothingUnprotected(t *testing.T) {
	for name, s := range load(t).Services {
		for _, port := range s.Ports {
			if !strings.HasPrefix(name, "api-") && port.HostIP != "127.0.0.1" {
				t.Errorf("service %s publishes port %s on %q", name, port.Published, port.HostIP)
			}
		}
		if listen := s.Environment["BERTH_LISTEN"]; listen != nil && s.Environment["BERTH_TLS_CERT"] == nil {
			t.Errorf("service %s listens on %s without TLS", name, *listen)
		}
	}
}

func TestDockerfileHasEveryTarget(t *testing.T) {
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 4 && words[0] == "FROM" && words[2] == "AS" {
			targets = append(targets, words[3])
		}
	}
	for name, s := range load(t).Services {
		if s.Build != nil && !slices.Contains(targets, s.Build.Target) {
			t.Errorf("service %s builds target %q; the Dockerfile has %q", name, s.Build.Target, targets)
		}
	}
	goMod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(goMod)) {
		if version, isGo := strings.CutPrefix(strings.TrimSpace(line), "go "); isGo &&
			!strings.Contains(string(text), "FROM golang:"+version+"-") {
			t.Errorf("go.mod asks for Go %s, the Dockerfile builds with another", version)
		}
	}
}
