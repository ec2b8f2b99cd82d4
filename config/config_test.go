package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"berth/config"
	"berth/domain"
)

func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "berth.yaml")
	if err := os.WriteFile(file, []byte("listen: 127.0.0.1:1\nlog_level: debug\nobserve_interval: 7s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.Flags(fs)
	if err := fs.Parse([]string{"--log-level=error", "--lab"}); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(fs, []string{"BERTH_LISTEN=127.0.0.1:2", "BERTH_LOG_LEVEL=warn", "BERTH_LAB_NODES=a,b", "HOME=/x"}, file)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:2" || c.LogLevel != "error" || c.ObserveInterval != 7*time.Second || !c.Lab {
		t.Errorf("flags > environment > file does not hold: %+v", c)
	}
	if strings.Join(c.LabNodes, " ") != "a b" {
		t.Errorf("LabNodes = %q, want a and b", c.LabNodes)
	}
	if c.TemporalNamespace != "default" || !strings.HasSuffix(c.Database, "/data/berth.db") {
		t.Errorf("defaults are not filled in: %+v", c)
	}
}

func TestUnknownKeysAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "berth.yaml")
	if err := os.WriteFile(file, []byte("lisen: 127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(nil, nil, file); !domain.Is(err, domain.Invalid) || !strings.Contains(err.Error(), "lisen") {
		t.Errorf("Load of a file with an unknown key: %v, want an Invalid error that names it", err)
	}
	if _, err := config.Load(nil, []string{"BERTH_LISEN=x"}, ""); !domain.Is(err, domain.Invalid) || !strings.Contains(err.Error(), "BERTH_LISEN") {
		t.Errorf("Load of an unknown variable: %v, want an Invalid error that names it", err)
	}
	if _, err := config.Load(nil, []string{"BERTH_OBSERVE_INTERVAL=soon"}, ""); !domain.Is(err, domain.Invalid) || !strings.Contains(err.Error(), "observe_interval") {
		t.Errorf("Load of a wrong duration: %v, want an Invalid error that names it", err)
	}
}

// TestDocumented holds docs/configuration.md against the keys: each one is in it, and it names none that is not there.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := config.Markdown(); string(doc) != want {
		t.Errorf("docs/configuration.md is not what `make generate` writes; it has to be regenerated")
	}
	for _, k := range config.Keys() {
		if k.Help == "" || !strings.Contains(string(doc), "`"+k.Env+"`") {
			t.Errorf("key %s is not documented", k.Name)
		}
	}
}

func TestImagesStayLongEnough(t *testing.T) {
	for given, ok := range map[string]bool{"0": true, "1h": true, "59m": false, "-1h": false} {
		if _, err := config.Load(nil, []string{"BERTH_IMAGE_MAX_AGE=" + given}, ""); (err == nil) != ok {
			t.Errorf("image_max_age %s is taken: %v, want %v", given, err, ok)
		}
	}
}
