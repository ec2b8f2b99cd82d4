package edge

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/domain"
)

func TestLeases(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases")
	if none, err := readLeases(path); err != nil || len(none) != 0 {
		t.Fatalf("no file: %v %v", none, err)
	}
	content := `1795513790 bc:24:11:00:00:01 198.18.0.10 web1 *
0 BC:24:11:00:00:02 198.18.0.11 * 01:bc:24:11:00:00:02
1795513790 bc:24:11:00:00:03 198.18.0.200 phone *
17955
duid 00:01:00:01:2e:3f
1795513790 1234 fd00::5 six 00:01:02
`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readLeases(path)
	if err != nil {
		t.Fatal(err)
	}
	expires := time.Unix(1795513790, 0).UTC()
	want := []lease{
		{Lease: domain.Lease{Address: "198.18.0.10", MAC: "bc:24:11:00:00:01", Hostname: "web1", Expires: expires}},
		{Lease: domain.Lease{Address: "198.18.0.11", MAC: "bc:24:11:00:00:02"}, clientID: "01:bc:24:11:00:00:02"},
		{Lease: domain.Lease{Address: "198.18.0.200", MAC: "bc:24:11:00:00:03", Hostname: "phone", Expires: expires}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(lease{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	site := domain.Snapshot{
		RangeFirst: "198.18.0.10", RangeLast: "198.18.0.99", DynamicFirst: "198.18.0.200", DynamicLast: "198.18.0.220",
		Hosts: []domain.Host{{MAC: "BC:24:11:00:00:01", Address: "198.18.0.10"}, {MAC: "BC:24:11:00:00:07", Address: "198.18.0.11"}},
	}
	if gone := stale(got, site); len(gone) != 1 || gone[0].Address != "198.18.0.11" {
		t.Errorf("stale: %v, want the lease of .11, which is reserved for another MAC", gone)
	}
	site.DynamicFirst, site.DynamicLast = "", ""
	if gone := stale(got, site); len(gone) != 2 {
		t.Errorf("stale without a dynamic sub-range: %v, want .11 and .200", gone)
	}
}
