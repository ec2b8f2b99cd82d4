package templates_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/domain"
	"berth/templates"
)

var update = flag.Bool("update", false, "write the golden files anew")

const dashes = "\n----------\n"

// TestDnsmasqGolden renders the input above the dashes of each file in testdata/dnsmasq, compares with what stands below
// them, and gives each configuration to the real dnsmasq.
func TestDnsmasqGolden(t *testing.T) {
	golden(t, "testdata/dnsmasq", func(s domain.Snapshot, o templates.DnsmasqOptions) (templates.Files, []templates.Problem, error) {
		files, left, err := templates.Dnsmasq(s, o)
		if err == nil {
			testWithDnsmasq(t, files[templates.DnsmasqConf])
		}
		return files, left, err
	})
}

// golden renders the input above the dashes of each file in a folder and compares with what stands below them.
func golden[O any](t *testing.T, folder string, render func(domain.Snapshot, O) (templates.Files, []templates.Problem, error)) {
	t.Helper()
	paths, err := filepath.Glob(folder + "/*.golden")
	if err != nil || len(paths) < 10 {
		t.Fatalf("found %d golden files: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".golden"), func(t *testing.T) {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(content), dashes)
			var in struct {
				Snapshot domain.Snapshot
				Options  O
			}
			if err := json.Unmarshal([]byte(input), &in); err != nil {
				t.Fatal(err)
			}
			got := shown(render(in.Snapshot, in.Options))
			if *update {
				if err := os.WriteFile(path, []byte(input+dashes+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func shown(files templates.Files, left []templates.Problem, err error) string {
	if err != nil {
		return fmt.Sprintf("error: %v (%v)\n", err, domain.KindOf(err))
	}
	var out strings.Builder
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&out, "== %s\n%s", path, files[path])
	}
	for _, p := range left {
		fmt.Fprintf(&out, "== left out: %s\n%s\n", p.ID, p)
	}
	return out.String()
}

func testWithDnsmasq(t *testing.T, conf string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dnsmasq.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("dnsmasq", "--test", "--conf-file="+path).CombinedOutput(); err != nil {
		t.Errorf("dnsmasq --test: %v\n%s", err, out)
	}
}

// TestConfDigest holds the digest in the file against the one computed from it, and sees that a change changes it.
func TestConfDigest(t *testing.T) {
	render := func(lease int64) string {
		s := domain.Snapshot{
			Site: "demo", Domain: "demo.internal", CIDR: "198.18.0.0/24", Gateway: "198.18.0.1",
			RangeFirst: "198.18.0.10", RangeLast: "198.18.0.250", LeaseSeconds: lease,
		}
		files, _, err := templates.Dnsmasq(s, templates.DnsmasqOptions{Dir: "/var/lib/berth", ListenAddress: "198.18.0.2"})
		if err != nil {
			t.Fatal(err)
		}
		return files[templates.DnsmasqConf]
	}
	one, two := render(600), render(1200)
	if line := "txt-record=conf.berth.demo.internal," + templates.ConfDigest(one); !strings.Contains(one, line+"\n") {
		t.Errorf("no line %q in\n%s", line, one)
	}
	if templates.ConfDigest(one) == templates.ConfDigest(two) {
		t.Error("two configurations have one digest")
	}
}
