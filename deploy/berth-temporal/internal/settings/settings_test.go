package settings_test

import (
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"berth/deploy/berth-temporal/internal/settings"
)

func none(string) string { return "" }

func TestPostgresIsReadFromTheEnvironmentUnlessDataIsGiven(t *testing.T) {
	getenv := func(key string) string { return map[string]string{settings.PostgresKey: "postgres://h/d"}[key] }
	got, err := settings.Parse(nil, getenv, io.Discard)
	if err != nil || got.Postgres != "postgres://h/d" {
		t.Errorf("Postgres = %q, %v", got.Postgres, err)
	}
	if got, err = settings.Parse([]string{"--data", "/x"}, getenv, io.Discard); err != nil || got.Postgres != "" {
		t.Errorf("with --data: Postgres = %q, %v", got.Postgres, err)
	}
}

func TestDefaultsAreLoopbackAndThirtyDays(t *testing.T) {
	got, err := settings.Parse([]string{"--data", "/x", "--search-attributes", "BerthSite, BerthNode,"}, none, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("defaults are invalid: %v", err)
	}
	if got.Listen != "127.0.0.1:7233" || got.UI != "127.0.0.1:8233" || got.Namespace != "default" {
		t.Errorf("listen %q, ui %q, namespace %q", got.Listen, got.UI, got.Namespace)
	}
	if got.Retention != 30*24*time.Hour {
		t.Errorf("retention = %s, want 720h", got.Retention)
	}
	if len(got.SearchAttributes) != 2 || got.SearchAttributes[1] != "BerthNode" {
		t.Errorf("search attributes = %q", got.SearchAttributes)
	}
}

func TestValidateNamesEveryBrokenRule(t *testing.T) {
	cases := map[string]struct {
		arguments []string
		want      string
	}{
		"no storage":          {nil, "either --data FOLDER or --postgres DSN"},
		"two storages":        {[]string{"--data", "/x", "--postgres", "postgres://h/d"}, "either --data"},
		"all interfaces":      {[]string{"--data", "/x", "--listen", "0.0.0.0:7233"}, "--listen 0.0.0.0:7233 is not on loopback"},
		"remote UI":           {[]string{"--data", "/x", "--ui", "192.0.2.1:8233"}, "--ui 192.0.2.1:8233 is not on loopback"},
		"host name":           {[]string{"--data", "/x", "--listen", "localhost:7233"}, "want an IP address and a port"},
		"no listener":         {[]string{"--data", "/x", "--listen", ""}, `--listen ""`},
		"short retention":     {[]string{"--data", "/x", "--retention", "1h"}, "at least 24h"},
		"bad attribute":       {[]string{"--data", "/x", "--search-attributes", "a b"}, `"a b" is not a name`},
		"too many attributes": {[]string{"--data", "/x", "--search-attributes", "a,b,c,d,e,f,g,h,i,j,k"}, "11 given"},
		"codec without host":  {[]string{"--data", "/x", "--codec-endpoint", "codec"}, "--codec-endpoint"},
		"relative UI path":    {[]string{"--data", "/x", "--ui-path", "temporal"}, "--ui-path"},
		"log level":           {[]string{"--data", "/x", "--log-level", "loud"}, "--log-level"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := settings.Parse(c.arguments, none, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if err = got.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Validate() = %v, want it to contain %q", err, c.want)
			}
		})
	}
}

func TestAllowRemotePermitsAnyAddress(t *testing.T) {
	got, err := settings.Parse([]string{"--data", "/x", "--listen", "0.0.0.0:7233", "--ui", "", "--allow-remote"}, none, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

func TestParseRefusesStrayArgumentsAndOffersHelp(t *testing.T) {
	if _, err := settings.Parse([]string{"start"}, none, io.Discard); err == nil || !strings.Contains(err.Error(), `"start"`) {
		t.Errorf("stray argument: %v", err)
	}
	if _, err := settings.Parse([]string{"--help"}, none, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("help: %v, want flag.ErrHelp", err)
	}
}

func TestFreePortsAreDistinct(t *testing.T) {
	ports, err := settings.FreePorts("127.0.0.1", 8)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range ports {
		if port == 0 || seen[port] {
			t.Errorf("port %d is zero or given twice in %v", port, ports)
		}
		seen[port] = true
	}
}
