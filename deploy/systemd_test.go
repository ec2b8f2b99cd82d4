package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/config"
)

// TestUnitsStartTheRoles checks what systemd would only find out at start: the command and the names of the variables.
func TestUnitsStartTheRoles(t *testing.T) {
	known := map[string]bool{}
	for _, key := range config.Keys() {
		known[key.Env] = true
	}
	for role, command := range map[string]string{"api": "api", "worker": "worker", "edge": "edge run"} {
		t.Run(role, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("systemd", "berth-"+role+".service"))
			if err != nil {
				t.Fatal(err)
			}
			started := false
			for line := range strings.Lines(string(text)) {
				key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				switch key {
				case "ExecStart":
					started = true
					if want := "/usr/local/bin/berth " + command; value != want {
						t.Errorf("ExecStart = %q, want %q", value, want)
					}
				case "Environment":
					if variable, _, _ := strings.Cut(value, "="); !known[variable] {
						t.Errorf("sets %s, which is no configuration key", variable)
					}
				case "EnvironmentFile":
					if want := "/etc/berth/" + role + ".env"; value != want {
						t.Errorf("EnvironmentFile = %q, want %q", value, want)
					}
				}
			}
			if !started {
				t.Error("the unit starts nothing")
			}
		})
	}
}
