package proxmox_test

import (
	"strings"
	"testing"
)

func TestLeftover(t *testing.T) {
	const id = "0192f0c4-0000-7000-8000-000000000001"
	missing := refuse(gone)
	for name, tc := range map[string]struct {
		status, config, next answer
		want                 string
		err                  bool
	}{
		"gone":               {status: missing, next: ok(`"101"`)},
		"leftover lock":      {status: ok(`{"status":"stopped"}`), config: ok(`{"lock":"create","digest":"d"}`), want: "has the lock create"},
		"ours":               {status: ok(`{"status":"running"}`), config: ok(`{"tags":"berth;berth-` + id + `","digest":"d"}`), want: "still is that of container " + id},
		"somebody else's":    {status: ok(`{"status":"running"}`), config: ok(`{"tags":"mine","digest":"d"}`)},
		"node does not tell": {status: answer{status: "595 No route to host"}, config: answer{status: "595 No route to host"}, err: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t, map[string][]answer{
				"GET /cluster/resources":                 {ok(`[{"type":"lxc","vmid":101,"node":"pve1"}]`)},
				"GET /cluster/nextid":                    {tc.next},
				"GET /nodes/pve1/lxc/101/status/current": {tc.status},
				"GET /nodes/pve1/lxc/101/config":         {tc.config},
			})
			got, err := client(t, config(d.URL)).Leftover(t.Context(), "pve1", 101, id)
			if (err != nil) != tc.err || !strings.Contains(got, tc.want) || tc.want == "" && got != "" {
				t.Errorf("got %q and %v, want %q", got, err, tc.want)
			}
		})
	}
}
