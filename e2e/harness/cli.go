//go:build e2e

package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Berth runs the command line client as a user does, and returns what it prints and its exit code.
func (p *Platform) Berth(arguments ...string) (out string, code int) {
	p.t.Helper()
	return p.berth("", arguments...)
}

// BerthInput runs a command that reads a secret from standard input, and fails the test when it fails.
func (p *Platform) BerthInput(input string, arguments ...string) {
	p.t.Helper()
	if _, code := p.berth(input, arguments...); code != 0 {
		p.t.Fatalf("berth %v ends with exit code %d", arguments, code)
	}
}

func (p *Platform) berth(input string, arguments ...string) (out string, code int) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), p.binary("berth"), arguments...)
	cmd.Stdin = strings.NewReader(input)
	// A user's shell has these two and none of the server's settings.
	cmd.Env = p.bare(map[string]string{"BERTH_URL": p.API, "BERTH_TOKEN": p.Token})
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		p.t.Logf("berth %v: exit code %d\n%s", arguments, exit.ExitCode(), stderr.String())
		return stdout.String(), exit.ExitCode()
	case err != nil:
		p.t.Fatalf("berth %v: %v", arguments, err)
	}
	return stdout.String(), 0
}

// Console runs a command of berth that works on the database, in the environment of the roles, and returns what it prints.
func (p *Platform) Console(arguments ...string) string {
	p.t.Helper()
	return p.once(p.environment(nil), append([]string{p.binary("berth")}, arguments...)...)
}

// once runs a command to its end, which must be good, in exactly this environment, and returns what it prints.
func (p *Platform) once(env []string, argv ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), argv[0], argv[1:]...)
	var complaints bytes.Buffer
	cmd.Env, cmd.Stderr = env, &complaints
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("%v: %v: %s", argv, err, complaints.String())
	}
	return strings.TrimSpace(string(out))
}

// BerthJSON runs a command that has to succeed, with -o json, and decodes what it prints.
func (p *Platform) BerthJSON(into any, arguments ...string) {
	p.t.Helper()
	out, code := p.Berth(append(arguments, "-o", "json")...)
	if code != 0 {
		p.t.Fatalf("berth %v ends with exit code %d", arguments, code)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		p.t.Fatal(fmt.Errorf("berth %v prints no JSON: %w\n%s", arguments, err, out))
	}
}
