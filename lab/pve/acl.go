package pve

import (
	"strings"
)

// topPaths are those whose rights logins and GET permissions tell even without an ACL entry.
func topPaths() []string {
	return []string{"/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"}
}

// effective lists the rights of who on all paths that matter; c.mu is held.
func (c *Cluster) effective(who identity) map[string]map[string]bool {
	paths := topPaths()
	for _, e := range c.state.ACL {
		paths = append(paths, e.Path)
	}
	out := map[string]map[string]bool{}
	for _, path := range paths {
		if has := c.permissions(who, path); len(has) > 0 {
			out[path] = has
		}
	}
	return out
}

// getPermissions tells the caller's rights, or those of another for who may audit.
func (c *Cluster) getPermissions(k *call) (answer, error) {
	who := k.auth
	if id := k.params.get("userid"); id != "" {
		user, token, _ := strings.Cut(id, "!")
		who = identity{user: user, token: token}
		if who != k.auth && (k.auth.token != "" || who.user != k.auth.user) {
			if err := c.allow(k.auth, "/access", false, "Sys.Audit"); err != nil {
				return answer{}, err
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]map[string]bool{}
	if path := k.params.get("path"); path != "" {
		clean := normalizePath(path)
		if !aclPath.MatchString(clean) {
			return answer{}, die("invalid ACL path '%s'", path)
		}
		all[clean] = c.permissions(who, clean)
	} else {
		all = c.effective(who)
	}
	data := map[string]map[string]int{}
	for path, has := range all {
		data[path] = map[string]int{}
		for privilege, propagate := range has {
			data[path][privilege] = flag(propagate)
		}
	}
	return answer{data: data}, nil
}

// capabilities are what a login tells the web UI about the user's rights.
func (c *Cluster) capabilities(user string) map[string]map[string]int {
	interesting := map[string][]string{
		"vms":     {"VM.", "Permissions.Modify"},
		"storage": {"Datastore.", "Permissions.Modify"},
		"access":  {"User.", "Group.", "Permissions.Modify"},
		"nodes":   {"Sys.", "Permissions.Modify"},
		"sdn":     {"SDN.", "Permissions.Modify"},
		"dc":      {"Sys.Audit", "Sys.Modify", "SDN."},
		"mapping": {"Mapping.", "Permissions.Modify"},
	}
	out := map[string]map[string]int{}
	for area := range interesting {
		out[area] = map[string]int{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	add := func(area, path string) {
		for privilege, propagate := range c.permissions(identity{user: user}, path) {
			for _, prefix := range interesting[area] {
				if strings.HasPrefix(privilege, prefix) {
					out[area][privilege] = flag(propagate)
				}
			}
		}
	}
	for path := range c.effective(identity{user: user}) {
		area, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		switch area {
		case "":
			add("dc", path)
			add("mapping", path)
		case "pool":
			add("vms", path)
			add("storage", path)
		default:
			add(area, path)
		}
	}
	return out
}

// mayModify is the permission to change ACLs on {path}.
func mayModify(c *Cluster, k *call) error {
	path := normalizePath(k.params.get("path"))
	if path == "" {
		return c.allow(k.auth, "/access", false, "Permissions.Modify")
	}
	return c.allow(k.auth, path, true, modifiers(path)...)
}

// modifiers are the privileges that let one hand out rights on path.
func modifiers(path string) []string {
	out := []string{"Permissions.Modify"}
	for prefix, privilege := range map[string]string{
		"/storage/": "Datastore.Allocate", "/vms/": "VM.Allocate", "/pool/": "Pool.Allocate",
	} {
		if strings.HasPrefix(path, prefix) {
			out = append(out, privilege)
		}
	}
	return out
}

func (c *Cluster) getACL(k *call) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := []any{}
	for _, e := range c.state.ACL {
		has := c.permissions(k.auth, e.Path)
		for _, privilege := range modifiers(e.Path) {
			if _, ok := has[privilege]; ok {
				rows = append(rows, map[string]any{
					"path": e.Path, "type": e.Type, "ugid": e.ID, "roleid": e.Role, "propagate": flag(e.Propagate),
				})
				break
			}
		}
	}
	return answer{data: rows}, nil
}

// putACL gives or takes roles on a path.
func (c *Cluster) putACL(k *call) (answer, error) {
	const doing = "ACL update failed"
	p := k.params
	if !p.has("users") && !p.has("groups") && !p.has("tokens") {
		text := "either 'users', 'groups' or 'tokens' is required."
		return answer{}, paramErrors(map[string]string{"users": text, "groups": text, "tokens": text})
	}
	path := normalizePath(p.get("path"))
	if !aclPath.MatchString(path) {
		return answer{}, paramError("path", "invalid ACL path '%s'", p.get("path"))
	}
	if err := c.userConfigLock(k.ctx, doing); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entries, err := c.aclEntries(k, path)
	if err != nil {
		return answer{}, die("%s: %s", doing, err)
	}
	for _, e := range entries {
		if p.bool("delete") {
			c.state.revoke(e)
		} else {
			c.state.grant(e)
		}
	}
	c.save()
	return answer{}, nil
}

// aclEntries are what a PUT acl names; c.mu is held.
func (c *Cluster) aclEntries(k *call, path string) ([]aclEntry, error) {
	p := k.params
	has := c.permissions(k.auth, path)
	_, free := has["Permissions.Modify"]
	var out []aclEntry
	for _, role := range p.list("roles") {
		if !c.state.hasRole(role) {
			return nil, die("role '%s' does not exist", role)
		}
		for _, privilege := range c.state.role(role) {
			if _, own := has[privilege]; !own && !free {
				return nil, die("Cannot add role '%s' - requires 'Permissions.Modify' or superset of privileges.", role)
			}
		}
		base := aclEntry{Path: path, Role: role, Propagate: !p.has("propagate") || p.bool("propagate")}
		for _, kind := range []string{"group", "user", "token"} {
			for _, id := range p.list(kind + "s") {
				if err := c.mustExist(kind, id); err != nil {
					return nil, err
				}
				e := base
				e.Type, e.ID = kind, id
				out = append(out, e)
			}
		}
	}
	return out, nil
}

// mustExist refuses names that are not in user.cfg; c.mu is held.
func (c *Cluster) mustExist(kind, id string) error {
	switch kind {
	case "group":
		if c.state.Groups[id] == nil {
			return die("group '%s' does not exist", id)
		}
	case "user":
		if c.state.Users[id] == nil {
			return die("user '%s' does not exist", id)
		}
	default:
		owner, name, _ := strings.Cut(id, "!")
		if u := c.state.Users[owner]; u == nil || u.Tokens[name] == nil {
			return die("no such token '%s' for user '%s'", name, owner)
		}
	}
	return nil
}
