package pve

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// state is what a cluster keeps in /etc/pve; it survives a restart. Cluster.mu guards it.
type state struct {
	Key        []byte              // signs tickets and hides secrets
	Users      map[string]*user    // by user@realm
	Groups     map[string]*group   // by name
	Roles      map[string][]string // those made by administrators
	ACL        []aclEntry          //
	Realms     map[string]*realm   // by name
	Pools      map[string]*pool    // by name
	Containers map[int]*container  // by VMID
	builtin    map[string][]string // roles
}

type user struct {
	Enable                              bool
	Expire                              int64
	Comment, Email, FirstName, LastName string
	Digest                              string // of the password
	Tokens                              map[string]*token
}

func (u *user) usable(now time.Time) bool {
	return u.Enable && (u.Expire == 0 || u.Expire > now.Unix())
}

type token struct {
	Digest  string
	Privsep bool
	Expire  int64
	Comment string
}

type group struct {
	Comment string
	Members []string
}

type aclEntry struct {
	Path, Type, ID, Role string // Type is user, group or token
	Propagate            bool
}

type realm struct {
	Type     string
	Comment  string
	Settings map[string]string // parameters of its creation
}

// synced tells whether users of the realm come from a directory.
func (r *realm) synced() bool { return r.Type == "ldap" || r.Type == "ad" }

type pool struct {
	Comment  string
	Guests   []int
	Storages []string
}

// covers tells whether the pool's rights hold on path.
func (p *pool) covers(path string) bool {
	for _, vmid := range p.Guests {
		if path == fmt.Sprintf("/vms/%d", vmid) {
			return true
		}
	}
	for _, s := range p.Storages {
		if path == "/storage/"+s {
			return true
		}
	}
	return false
}

func (s *state) role(name string) []string {
	if privileges, ok := s.builtin[name]; ok {
		return privileges
	}
	return s.Roles[name]
}

func (s *state) hasRole(name string) bool {
	_, special := s.builtin[name]
	_, own := s.Roles[name]
	return special || own
}

// loadState reads the state in folder, or makes that of a new cluster.
func loadState(folder string) (*state, error) {
	s := &state{
		Users:      map[string]*user{},
		Groups:     map[string]*group{},
		Roles:      map[string][]string{},
		Realms:     map[string]*realm{},
		Pools:      map[string]*pool{},
		Containers: map[int]*container{},
		builtin:    builtinRoles(),
	}
	raw, err := os.ReadFile(filepath.Join(folder, "state.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.Key = make([]byte, 32)
		_, _ = rand.Read(s.Key) // never fails
		s.Users[rootUser] = &user{Enable: true}
		s.Realms["pam"] = &realm{Type: "pam", Comment: "Linux PAM standard authentication"}
		s.Realms["pve"] = &realm{Type: "pve", Comment: "Proxmox VE authentication server"}
		return s, nil
	case err != nil:
		return nil, fmt.Errorf("read the cluster's state: %w", err)
	}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("read the cluster's state: %w", err)
	}
	return s, nil
}

// save writes the state; c.mu is held. There is no fsync: the lab must survive the death of its process, not of the host.
func (c *Cluster) save() {
	raw, err := json.Marshal(c.state)
	if err == nil {
		temporary := filepath.Join(c.folder, "state.json.tmp")
		if err = os.WriteFile(temporary, raw, 0o600); err == nil {
			err = os.Rename(temporary, filepath.Join(c.folder, "state.json"))
		}
	}
	if err != nil {
		c.log.Error("the lab cannot save its state", "error", err)
	}
}
