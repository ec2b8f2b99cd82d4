package pve

import (
	"regexp"
	"sort"
	"strings"
)

// privileges of Proxmox VE 9.2, by what they are about.
var privilegesOf = map[string][]string{
	"Datastore":   {"Allocate", "AllocateSpace", "AllocateTemplate", "Audit"},
	"Group":       {"Allocate"},
	"Mapping":     {"Audit", "Modify", "Use"},
	"Permissions": {"Modify"},
	"Pool":        {"Allocate", "Audit"},
	"Realm":       {"Allocate", "AllocateUser"},
	"SDN":         {"Allocate", "Audit", "Use"},
	"Sys":         {"AccessNetwork", "Audit", "Console", "Incoming", "Modify", "PowerMgmt", "Syslog"},
	"User":        {"Modify"},
	"VM": {
		"Allocate", "Audit", "Backup", "Clone", "Config.CDROM", "Config.CPU", "Config.Cloudinit", "Config.Disk",
		"Config.HWType", "Config.Memory", "Config.Network", "Config.Options", "Console", "GuestAgent.Audit",
		"GuestAgent.FileRead", "GuestAgent.FileSystemMgmt", "GuestAgent.FileWrite", "GuestAgent.Unrestricted",
		"Migrate", "PowerMgmt", "Replicate", "Snapshot", "Snapshot.Rollback",
	},
}

// privileges lists those of some subjects, all without any.
func privileges(subjects ...string) []string {
	var out []string
	if len(subjects) == 0 {
		for subject := range privilegesOf {
			subjects = append(subjects, subject)
		}
	}
	for _, subject := range subjects {
		for _, verb := range privilegesOf[subject] {
			out = append(out, subject+"."+verb)
		}
	}
	sort.Strings(out)
	return out
}

func knownPrivilege(name string) bool {
	subject, verb, _ := strings.Cut(name, ".")
	for _, v := range privilegesOf[subject] {
		if v == verb {
			return true
		}
	}
	return false
}

// builtinRoles are the roles every installation has.
func builtinRoles() map[string][]string {
	without := func(all []string, dropped ...string) []string {
		var out []string
		for _, p := range all {
			if !contains(dropped, p) {
				out = append(out, p)
			}
		}
		return out
	}
	return map[string][]string{
		"NoAccess":      {},
		"Administrator": privileges(),
		"PVEAdmin": without(privileges(), "Mapping.Modify", "Permissions.Modify", "Realm.Allocate",
			"Sys.AccessNetwork", "Sys.Incoming", "Sys.Modify", "Sys.PowerMgmt"),
		"PVEAuditor": {
			"Datastore.Audit", "Mapping.Audit", "Pool.Audit", "SDN.Audit", "Sys.Audit", "VM.Audit", "VM.GuestAgent.Audit",
		},
		"PVEDatastoreAdmin": privileges("Datastore"),
		"PVEDatastoreUser":  {"Datastore.AllocateSpace", "Datastore.Audit"},
		"PVEMappingAdmin":   privileges("Mapping"),
		"PVEMappingUser":    {"Mapping.Audit", "Mapping.Use"},
		"PVEPoolAdmin":      privileges("Pool"),
		"PVEPoolUser":       {"Pool.Audit"},
		"PVESDNAdmin":       privileges("SDN"),
		"PVESDNUser":        {"SDN.Audit", "SDN.Use"},
		"PVESysAdmin":       {"Sys.Audit", "Sys.Console", "Sys.Syslog"},
		"PVETemplateUser":   {"VM.Audit", "VM.Clone"},
		"PVEUserAdmin":      {"Group.Allocate", "Realm.AllocateUser", "User.Modify"},
		"PVEVMAdmin":        privileges("VM"),
		"PVEVMUser": {
			"VM.Audit", "VM.Backup", "VM.Config.CDROM", "VM.Config.Cloudinit", "VM.Console", "VM.GuestAgent.Audit",
			"VM.GuestAgent.FileRead", "VM.GuestAgent.FileSystemMgmt", "VM.GuestAgent.FileWrite", "VM.PowerMgmt",
		},
	}
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

var aclPath = regexp.MustCompile(`^/(access(/groups(/[\w.\-]+)?|/realm(/[\w.\-]+)?)?|nodes(/[\w.\-]+)?` +
	`|pool(/[\w.\-]+){0,3}|sdn(/\w+(/[\w.\-]+){0,3})?|storage(/[\w.\-]+)?|vms(/[1-9][0-9]{2,})?|mapping(/\w+(/[\w.\-]+)?)?)?$`)

var pathCharacters = regexp.MustCompile(`^[[:alnum:]._/-]+$`)

// normalizePath cleans an ACL path; "" when it is not one.
func normalizePath(path string) string {
	clean := "/" + strings.Join(strings.FieldsFunc(path, func(r rune) bool { return r == '/' }), "/")
	if path == "" || !pathCharacters.MatchString(clean) {
		return ""
	}
	return clean
}

// roles resolves the ACL for a user or token along path: entries of a deeper level replace what was inherited, at one
// level token beats user beats group, entries that do not propagate count on the last level alone. The value tells
// whether a role propagates. c.mu is held.
func (c *Cluster) roles(who identity, path string) map[string]bool {
	if who.token != "" {
		u := c.state.Users[who.user]
		if u == nil || u.Tokens[who.token] == nil {
			return nil
		}
		if !u.Tokens[who.token].Privsep {
			return c.roles(identity{user: who.user}, path)
		}
	}
	if who == (identity{user: rootUser}) {
		return map[string]bool{"Administrator": true}
	}
	var found map[string]bool
	for _, level := range levels(path) {
		if here := c.rolesAt(who, level, level == path); here != nil {
			found = here
		}
	}
	if propagate, no := found["NoAccess"]; no {
		return map[string]bool{"NoAccess": propagate}
	}
	return found
}

func levels(path string) []string {
	out := []string{"/"}
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			out = append(out, path[:i])
		}
	}
	if path != "/" {
		out = append(out, path)
	}
	return out
}

func (c *Cluster) rolesAt(who identity, level string, last bool) map[string]bool {
	collect := func(match func(aclEntry) bool) map[string]bool {
		var out map[string]bool
		for _, e := range c.state.ACL {
			if e.Path == level && (last || e.Propagate) && match(e) {
				if out == nil {
					out = map[string]bool{}
				}
				out[e.Role] = e.Propagate
			}
		}
		return out
	}
	if who.token != "" {
		return collect(func(e aclEntry) bool { return e.Type == "token" && e.ID == who.String() })
	}
	if out := collect(func(e aclEntry) bool { return e.Type == "user" && e.ID == who.user }); out != nil {
		return out
	}
	return collect(func(e aclEntry) bool {
		g := c.state.Groups[e.ID]
		return e.Type == "group" && g != nil && contains(g.Members, who.user)
	})
}

// permissions returns the privileges on path; the value tells whether they propagate. c.mu is held.
func (c *Cluster) permissions(who identity, path string) map[string]bool {
	out := c.privilegesOfRoles(c.roles(who, path))
	for name, p := range c.state.Pools {
		if p.covers(path) {
			for privilege, propagate := range c.privilegesOfRoles(c.roles(who, "/pool/"+name)) {
				out[privilege] = propagate
			}
		}
	}
	if who.token != "" {
		if u := c.state.Users[who.user]; u != nil && u.Tokens[who.token] != nil && u.Tokens[who.token].Privsep {
			of := c.permissions(identity{user: who.user}, path)
			for privilege := range out {
				if _, has := of[privilege]; !has {
					delete(out, privilege)
				}
			}
		}
	}
	return out
}

func (c *Cluster) privilegesOfRoles(roles map[string]bool) map[string]bool {
	out := map[string]bool{}
	for role, propagate := range roles {
		for _, privilege := range c.state.role(role) {
			out[privilege] = out[privilege] || propagate
		}
	}
	return out
}

// may tells whether who has all of the privileges on path, or one of them when anyOf is set.
func (c *Cluster) may(who identity, path string, anyOf bool, privileges ...string) bool {
	return c.allow(who, path, anyOf, privileges...) == nil
}

// allow is may with the refusal's text.
func (c *Cluster) allow(who identity, path string, anyOf bool, privileges ...string) error {
	if path == "" {
		return deniedOn(path, privileges...)
	}
	c.mu.Lock()
	has := c.permissions(who, path)
	c.mu.Unlock()
	if anyOf {
		for _, p := range privileges {
			if _, ok := has[p]; ok {
				return nil
			}
		}
		return deniedOn(path, privileges...)
	}
	for _, p := range privileges {
		if _, ok := has[p]; !ok {
			return deniedOn(path, p)
		}
	}
	return nil
}

// allowGuest checks privileges on a guest, or on the pool it is being made in.
func (c *Cluster) allowGuest(who identity, vmid, pool string, privileges ...string) error {
	if pool != "" && c.may(who, "/pool/"+pool, false, privileges...) {
		return nil
	}
	return c.allow(who, "/vms/"+vmid, false, privileges...)
}

// permission is what an operation asks before its code runs.
type permission func(c *Cluster, k *call) error

// everyone is any authenticated caller.
func everyone(*Cluster, *call) error { return nil }

// on asks for privileges on a path with {parameters}; anyOf makes one of them enough.
func on(template string, anyOf bool, privileges ...string) permission {
	return func(c *Cluster, k *call) error {
		return c.allow(k.auth, normalizePath(k.fill(template)), anyOf, privileges...)
	}
}

// all asks for several permissions.
func all(checks ...permission) permission {
	return func(c *Cluster, k *call) error {
		for _, check := range checks {
			if err := check(c, k); err != nil {
				return err
			}
		}
		return nil
	}
}

// fill replaces {name} by parameters.
func (k *call) fill(template string) string {
	for name, v := range k.params {
		template = strings.ReplaceAll(template, "{"+name+"}", v.text)
	}
	return template
}
