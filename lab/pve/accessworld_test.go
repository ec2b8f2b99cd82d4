package pve

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// names makes or removes what the request names in user.cfg.
func (w *world) names(r *recording, op *operation, p params) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	s, ok := w.c.state, r.status() == 200
	errs := fmt.Sprint(r.body()["errors"])
	owner, id := p.get("userid"), p.get("tokenid")
	switch op.name {
	case "ticket":
		name := p.get("username")
		if !strings.Contains(name, "@") {
			name += "@" + p.get("realm")
		}
		if ok && !strings.HasPrefix(p.get("password"), "PVE:") {
			_, realmName, _ := strings.Cut(name, "@")
			if s.Realms[realmName] == nil {
				s.Realms[realmName] = &realm{Type: "pve"}
			}
			w.user(name).Digest = w.c.digest(p.get("password"))
			w.directory.password = p.get("password")
		}
	case "permissions":
		w.rights(r, p)
	case "users.create":
		if ok {
			delete(s.Users, owner)
		} else if strings.Contains(r.reason(), "already exists") {
			w.user(owner)
		}
	case "tokens.list":
		if ok {
			w.details(owner, map[string]any{"tokens": r.body()["data"]})
		}
	case "users.get", "users.update", "users.delete":
		if ok {
			w.user(owner)
		}
		data, _ := r.body()["data"].(map[string]any)
		w.details(owner, data)
	case "groups.list":
		if rows, _ := r.body()["data"].([]any); len(rows) > 0 && len(s.Groups) == 0 {
			s.Groups["seeded"] = &group{Comment: "seeded", Members: []string{rootUser}}
		}
	case "tokens.create":
		switch {
		case ok:
			delete(w.user(owner).Tokens, id)
		case strings.Contains(errs, "already exists"):
			if w.user(owner).Tokens[id] == nil {
				w.user(owner).Tokens[id] = &token{}
			}
		}
	case "tokens.get", "tokens.update", "tokens.delete":
		if ok && w.user(owner).Tokens[id] == nil {
			w.user(owner).Tokens[id] = &token{Privsep: true, Comment: "seeded"}
		} else if !ok && strings.Contains(r.reason(), "no such token") {
			delete(w.user(owner).Tokens, id)
		}
	case "groups.create":
		if ok {
			delete(s.Groups, p.get("groupid"))
		}
	case "groups.get", "groups.delete":
		if ok && s.Groups[p.get("groupid")] == nil {
			s.Groups[p.get("groupid")] = &group{Comment: "seeded"}
		}
	case "acl.put":
		for _, name := range p.list("users") {
			if ok {
				w.user(name)
			}
		}
		for _, name := range p.list("groups") {
			if ok && s.Groups[name] == nil {
				s.Groups[name] = &group{}
			}
		}
		for _, full := range p.list("tokens") {
			name, id, _ := strings.Cut(full, "!")
			if ok && w.user(name).Tokens[id] == nil {
				w.user(name).Tokens[id] = &token{Privsep: true}
			}
		}
		for _, name := range p.list("roles") {
			if ok && !s.hasRole(name) {
				s.Roles[name] = []string{"VM.Audit"}
			}
		}
	case "realms.create":
		if ok || strings.Contains(r.reason(), "missing") {
			delete(s.Realms, p.get("realm"))
		} else if strings.Contains(r.reason(), "already exists") && s.Realms[p.get("realm")] == nil {
			s.Realms[p.get("realm")] = &realm{Type: "ldap", Settings: map[string]string{}}
		}
	case "realms.sync", "realms.get", "realms.delete":
		if realm := s.Realms[p.get("realm")]; ok && (realm == nil || realm.synced()) {
			w.realm(p.get("realm"), r)
		}
		if strings.Contains(r.reason(), "does not exist") {
			delete(s.Realms, p.get("realm"))
		}
	case "roles.delete":
		if ok && !s.hasRole(p.get("roleid")) {
			s.Roles[p.get("roleid")] = []string{"VM.Audit"}
		}
	case "pools.create":
		if ok {
			delete(s.Pools, p.get("poolid"))
		} else if strings.Contains(r.reason(), "already exists") && s.Pools[p.get("poolid")] == nil {
			s.Pools[p.get("poolid")] = &pool{}
		}
	case "pools.delete":
		if ok {
			s.Pools[p.get("poolid")] = &pool{}
		} else if m := regexp.MustCompile(`contains VM (\d+)`).FindStringSubmatch(r.reason()); m != nil {
			vmid, _ := strconv.Atoi(m[1])
			s.Pools[p.get("poolid")] = &pool{Guests: []int{vmid}}
		} else if strings.Contains(r.reason(), "does not exist") {
			delete(s.Pools, p.get("poolid"))
		}
	case "users.list":
		rows, _ := r.body()["data"].([]any)
		for _, row := range rows {
			o, _ := row.(map[string]any)
			name, _ := o["userid"].(string)
			w.details(name, o)
			if _, realmName, _ := strings.Cut(name, "@"); o["realm-type"] != nil && s.Realms[realmName] == nil {
				s.Realms[realmName] = &realm{Type: "ldap", Settings: map[string]string{}}
			}
		}
	case "acl.get":
		if rows, _ := r.body()["data"].([]any); len(rows) == 0 {
			break
		} else if len(s.ACL) == 0 {
			s.grant(aclEntry{Path: "/vms", Type: "user", ID: rootUser, Role: "PVEVMAdmin", Propagate: true})
		}
	}
	if op.name == "lxc.create" && r.status() == 403 && strings.Contains(r.reason(), "(/storage/") {
		w.allocator(r) // the check of the storage comes behind that of the guest
	}
	if pool := p.get("pool"); op.name == "lxc.create" && ok && pool != "" && s.Pools[pool] == nil {
		s.Pools[pool] = &poolWithNothing
	}
}

var poolWithNothing pool

// realm gives a realm what the recorded one had; c.mu is held.
func (w *world) realm(name string, r *recording) {
	known := w.c.state.Realms[name]
	if known == nil {
		known = &realm{Type: "ldap", Settings: map[string]string{"port": "389"}}
		w.c.state.Realms[name] = known
	}
	if known.Settings["sync-defaults-options"] == "" {
		known.Settings["sync-defaults-options"] = "scope=both"
	}
	data, _ := r.body()["data"].(map[string]any)
	for key := range data {
		switch {
		case key == "comment":
			known.Comment = "seeded"
		case known.Settings[key] == "" && key != "digest" && key != "type":
			known.Settings[key] = "1"
		}
	}
}

// details gives a user what the recorded one had; c.mu is held.
func (w *world) details(name string, data map[string]any) {
	if data == nil {
		return
	}
	u := w.user(name)
	for key, field := range map[string]*string{
		"comment": &u.Comment, "email": &u.Email, "firstname": &u.FirstName, "lastname": &u.LastName,
	} {
		if data[key] != nil && *field == "" {
			*field = "seeded"
		}
	}
	give := func(id string, info any) {
		o, _ := info.(map[string]any)
		if u.Tokens[id] == nil {
			u.Tokens[id] = &token{Privsep: true}
		}
		if o["comment"] != nil {
			u.Tokens[id].Comment = "seeded"
		}
	}
	if tokens, ok := data["tokens"].(map[string]any); ok {
		for id, info := range tokens {
			give(id, info)
		}
	}
	if tokens, ok := data["tokens"].([]any); ok {
		for _, info := range tokens {
			id, _ := info.(map[string]any)["tokenid"].(string)
			give(id, info)
		}
	}
}

// allocator lets the caller make guests; c.mu is held.
func (w *world) allocator(r *recording) {
	id, _, _ := strings.Cut(strings.TrimPrefix(header(r.Request.Headers, "Authorization"), "PVEAPIToken="), "=")
	owner, _, _ := strings.Cut(id, "!")
	w.c.state.grant(aclEntry{Path: "/vms", Type: "user", ID: owner, Role: "PVEVMAdmin", Propagate: true})
	w.c.state.grant(aclEntry{Path: "/vms", Type: "token", ID: id, Role: "PVEVMAdmin", Propagate: true})
}

// rights gives a user or token the privileges that the recorded one had; c.mu is held.
func (w *world) rights(r *recording, p params) {
	id := p.get("userid")
	if id == "" {
		id, _, _ = strings.Cut(strings.TrimPrefix(header(r.Request.Headers, "Authorization"), "PVEAPIToken="), "=")
	}
	name, tokenName, isToken := strings.Cut(id, "!")
	who := identity{user: name, token: tokenName}
	data, _ := r.body()["data"].(map[string]any)
	for path, list := range data {
		privileges, _ := list.(map[string]any)
		has := w.c.permissions(who, path)
		role := "Seeded" + strings.ReplaceAll(path, "/", "-")
		for privilege := range privileges {
			if _, ok := has[privilege]; !ok {
				w.c.state.Roles[role] = append(w.c.state.Roles[role], privilege)
			}
		}
		if w.c.state.Roles[role] == nil {
			continue
		}
		w.c.state.grant(aclEntry{Path: path, Type: "user", ID: name, Role: role, Propagate: true})
		if isToken {
			w.c.state.grant(aclEntry{Path: path, Type: "token", ID: id, Role: role, Propagate: true})
		}
	}
}

// alsoRefused tells whether a recorded refusal of a guest's options is one of several that the request has earned:
// Proxmox looks at the options in the random order of a Perl hash, the simulator in that of their names.
func (w *world) alsoRefused(r *recording) bool {
	path, query, _ := strings.Cut(strings.TrimPrefix(r.Request.Target, "/api2/json"), "?")
	op, inPath := w.c.router.find(r.Request.Method, strings.FieldsFunc(path, func(r rune) bool { return r == '/' }))
	if op == nil || op.name != "lxc.create" && op.name != "lxc.configure" {
		return false
	}
	p := decodeForm(query + "&" + r.Request.Body)
	for name, v := range inPath {
		p[name] = v
	}
	check := optionCheck{
		c: w.c, who: caller(r), node: p.get("node"), vmid: p.get("vmid"), pool: p.get("pool"),
		unprivileged: !p.has("unprivileged") || p.bool("unprivileged"),
	}
	for _, option := range p.names() {
		if _, known := guestOptions().find(option); !known {
			continue
		}
		if err := check.option(option, p.get(option), false); err != nil && asError(err).reason() == r.reason() {
			return true
		}
	}
	return false
}

// caller is who made a recorded request.
func caller(r *recording) identity {
	id, _, _ := strings.Cut(strings.TrimPrefix(header(r.Request.Headers, "Authorization"), "PVEAPIToken="), "=")
	if m := tokenIDPattern.FindStringSubmatch(id); m != nil {
		return identity{user: m[1] + "@" + m[2], token: m[3]}
	}
	if m := ticketText.FindStringSubmatch(header(r.Request.Headers, "Cookie")); m != nil {
		name, _ := url.PathUnescape(m[2])
		return identity{user: name}
	}
	return identity{}
}
