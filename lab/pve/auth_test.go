package pve

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// login sends a ticket request.
func (l *lab) login(user, password string) (ticket, csrf string, status int) {
	l.t.Helper()
	form := url.Values{"username": {user}, "password": {password}}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, l.server.URL+"/api2/json/access/ticket",
		strings.NewReader(form.Encode()))
	if err != nil {
		l.t.Fatal(err)
	}
	r, err := l.send(req)
	if err != nil {
		l.t.Fatal(err)
	}
	data, _ := r.data.(map[string]any)
	ticket, _ = data["ticket"].(string)
	csrf, _ = data["CSRFPreventionToken"].(string)
	return ticket, csrf, r.status
}

func (l *lab) withTicket(method, path, ticket, csrf string) reply {
	l.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, l.server.URL+"/api2/json"+path, strings.NewReader(""))
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Cookie", "PVEAuthCookie="+url.QueryEscape(ticket))
	if csrf != "" {
		req.Header.Set("CSRFPreventionToken", csrf)
	}
	r, err := l.send(req)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func TestTickets(t *testing.T) {
	l := newLab(t, nil)
	ticket, csrf, status := l.login("root@pam", "secret")
	if status != 200 {
		t.Fatalf("login answers %d", status)
	}
	if _, _, status := l.login("root@pam", "wrong"); status != 401 {
		t.Errorf("a wrong password answers %d", status)
	}
	if _, _, status := l.login("root@pam", ticket); status != 200 {
		t.Errorf("renewing answers %d", status)
	}
	if r := l.withTicket("GET", "/version", ticket, ""); r.status != 200 {
		t.Errorf("reading answers %d %s", r.status, r.reason)
	}
	if r := l.withTicket("DELETE", "/access/groups/x", ticket, ""); r.reason != csrfInvalid || r.raw != "" {
		t.Errorf("writing without CSRF token answers %d %s %q", r.status, r.reason, r.raw)
	}
	if r := l.withTicket("DELETE", "/access/groups/x", ticket, csrf); r.status != 500 {
		t.Errorf("writing answers %d %s", r.status, r.reason)
	}
	old := l.ticket("root@pam", time.Now().Add(-2*time.Hour-time.Minute))
	if r := l.withTicket("GET", "/version", old, ""); r.reason != authFailed || r.raw != "" {
		t.Errorf("an expired ticket answers %d %s %q", r.status, r.reason, r.raw)
	}
	forged := strings.Replace(ticket, "root@pam", "berth@pve", 1)
	if r := l.withTicket("GET", "/version", forged, ""); r.reason != authFailed {
		t.Errorf("a forged ticket answers %d %s", r.status, r.reason)
	}
}

func TestSeparatedToken(t *testing.T) {
	l := newLab(t, func(c *Config) {
		c.Tokens = append(c.Tokens,
			Token{ID: "ci@pve!small", Secret: testSecret, Separate: true, Grants: []Grant{{Path: "/vms/101", Role: "PVEVMUser"}}},
			Token{ID: "ci@pve!own", Secret: testSecret, Grants: []Grant{{Path: "/vms", Role: "PVEVMAdmin"}}})
	})
	l.create("101")
	l.create("102")
	l.token = "ci@pve!small=" + testSecret
	rows, _ := l.must("GET", "/cluster/resources", "type", "vm").([]any)
	if len(rows) != 1 {
		t.Errorf("the token sees %d guests", len(rows))
	}
	l.must("GET", "/nodes/n1/lxc/101/config")
	l.refused(403, "Permission check failed (/vms/102, VM.Audit)", "GET", "/nodes/n1/lxc/102/config")
	l.refused(403, "Permission check failed (/vms/101, VM.Allocate)", "DELETE", "/nodes/n1/lxc/101")
	l.refused(403, "Permission check failed", "POST", "/access/users/root@pam/token/x")
	l.refused(403, "Permission check failed (URI '/access/ticket' not available with API token, need proper ticket.",
		"POST", "/access/ticket", "username", "root@pam", "password", "secret")
}

func TestACLLevels(t *testing.T) {
	l := newLab(t, nil)
	l.mu.Lock()
	l.state.Users["a@pve"] = &user{Enable: true}
	l.state.Groups["g"] = &group{Members: []string{"a@pve"}}
	for _, e := range []aclEntry{
		{Path: "/", Type: "group", ID: "g", Role: "PVEAdmin", Propagate: true},
		{Path: "/vms", Type: "user", ID: "a@pve", Role: "PVEVMUser", Propagate: true},
		{Path: "/vms", Type: "group", ID: "g", Role: "PVEVMAdmin", Propagate: true},
		{Path: "/vms/100", Type: "user", ID: "a@pve", Role: "NoAccess", Propagate: true},
		{Path: "/storage", Type: "user", ID: "a@pve", Role: "PVEDatastoreAdmin", Propagate: false},
	} {
		l.state.grant(e)
	}
	l.mu.Unlock()
	who := identity{user: "a@pve"}
	for _, c := range []struct {
		path, privilege string
		want            bool
		why             string
	}{
		{"/nodes/n1", "Sys.Audit", true, "a group's right propagates"},
		{"/vms/200", "VM.Allocate", false, "a user's entry beats a group's at the same level"},
		{"/vms/200", "VM.PowerMgmt", true, "the user's own entry propagates"},
		{"/vms/100", "VM.Audit", false, "NoAccess empties the set"},
		{"/storage", "Datastore.Allocate", true, "an entry without propagation counts on its path"},
		{"/storage/local", "Datastore.Allocate", true, "below it the inherited rights stay"},
	} {
		if got := l.may(who, c.path, false, c.privilege); got != c.want {
			t.Errorf("%s on %s is %v: %s", c.privilege, c.path, got, c.why)
		}
	}
}
