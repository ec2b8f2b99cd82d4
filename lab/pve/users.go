package pve

import (
	"sort"
	"strings"
)

// overUser is the permission over a user: User.Modify (or another privilege) on a group the user is in, or on all of
// them.
func overUser(privileges ...string) permission {
	return func(c *Cluster, k *call) error {
		// Proxmox takes the name apart to find the groups, before parameters are checked.
		name := k.params.get("userid")
		if err := userFormat(name); err != nil {
			return die("%s", strings.TrimSuffix(err.Error(), "\n"))
		}
		return c.allowUser(k.auth, name, privileges...)
	}
}

func (c *Cluster) allowUser(who identity, user string, privileges ...string) error {
	c.mu.Lock()
	var groups []string
	for name, g := range c.state.Groups {
		if contains(g.Members, user) {
			groups = append(groups, name)
		}
	}
	c.mu.Unlock()
	for _, name := range groups {
		if c.may(who, "/access/groups/"+name, true, privileges...) {
			return nil
		}
	}
	return c.allow(who, "/access/groups", true, privileges...)
}

// selfOr is the permission that users have over themselves.
func selfOr(other permission) permission {
	return func(c *Cluster, k *call) error {
		if k.params.get("userid") == k.auth.user {
			return nil
		}
		if other(c, k) != nil {
			return denied("")
		}
		return nil
	}
}

// userOf returns the user that a call names, or why not; c.mu is held.
func (c *Cluster) userOf(k *call) (*user, error) {
	name := k.params.get("userid")
	if u := c.state.Users[name]; u != nil {
		return u, nil
	}
	return nil, die("no such user ('%s')", name)
}

func (c *Cluster) getUsers(k *call) (answer, error) {
	c.mu.Lock()
	names := make([]string, 0, len(c.state.Users))
	for name := range c.state.Users {
		names = append(names, name)
	}
	c.mu.Unlock()
	sort.Strings(names)
	rows := []any{}
	for _, name := range names {
		if name != k.auth.user && c.allowUser(k.auth, name, "User.Modify", "Sys.Audit") != nil ||
			name == k.auth.user && k.auth.token != "" && c.allowUser(k.auth, name, "User.Modify", "Sys.Audit") != nil {
			continue
		}
		if row := c.userRow(k, name); row != nil {
			rows = append(rows, row)
		}
	}
	return answer{data: rows}, nil
}

func (c *Cluster) userRow(k *call, name string) map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.state.Users[name]
	if u == nil || k.params.has("enabled") && u.Enable != k.params.bool("enabled") {
		return nil
	}
	row := u.row()
	row["userid"] = name
	_, realmName, _ := strings.Cut(name, "@")
	if r := c.state.Realms[realmName]; r != nil {
		row["realm-type"] = r.Type
	}
	if k.params.bool("full") {
		row["groups"] = strings.Join(c.groupsOf(name), ",")
		row["tokens"] = nil
		if len(u.Tokens) > 0 {
			tokens := []any{}
			for id, t := range u.Tokens {
				info := t.row()
				info["tokenid"] = id
				tokens = append(tokens, info)
			}
			row["tokens"] = tokens
		}
	}
	return row
}

func (u *user) row() map[string]any {
	row := map[string]any{"enable": flag(u.Enable), "expire": u.Expire}
	for name, text := range map[string]string{
		"comment": u.Comment, "email": u.Email, "firstname": u.FirstName, "lastname": u.LastName,
	} {
		if text != "" {
			row[name] = text
		}
	}
	return row
}

func (t *token) row() map[string]any {
	row := map[string]any{"privsep": flag(t.Privsep), "expire": t.Expire}
	if t.Comment != "" {
		row["comment"] = t.Comment
	}
	return row
}

// groupsOf lists the groups of a user; c.mu is held.
func (c *Cluster) groupsOf(name string) []string {
	out := []string{}
	for group, g := range c.state.Groups {
		if contains(g.Members, name) {
			out = append(out, group)
		}
	}
	sort.Strings(out)
	return out
}

func (c *Cluster) getUser(k *call) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u, err := c.userOf(k)
	if err != nil {
		return answer{}, err
	}
	row := u.row()
	row["groups"], row["tokens"] = c.groupsOf(k.params.get("userid")), nil
	if len(u.Tokens) > 0 {
		tokens := map[string]any{}
		for id, t := range u.Tokens {
			tokens[id] = t.row()
		}
		row["tokens"] = tokens
	}
	return answer{data: row}, nil
}

// postUser makes a user; its realm need not exist.
func (c *Cluster) postUser(k *call) (answer, error) {
	const doing = "create user failed"
	if err := c.userConfigLock(k.ctx, doing); err != nil {
		return answer{}, err
	}
	p := k.params
	c.mu.Lock()
	defer c.mu.Unlock()
	name := p.get("userid")
	if c.state.Users[name] != nil {
		return answer{}, die("%s: user '%s' already exists", doing, name)
	}
	u := &user{Enable: true}
	c.state.Users[name] = u
	u.change(p)
	if p.has("password") {
		u.Digest = c.digest(p.get("password"))
	}
	if err := c.setGroups(name, p, true); err != nil {
		delete(c.state.Users, name)
		return answer{}, die("%s: %s", doing, err)
	}
	c.save()
	return answer{}, nil
}

func (c *Cluster) putUser(k *call) (answer, error) {
	const doing = "update user failed"
	if err := c.userConfigLock(k.ctx, doing); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	u, err := c.userOf(k)
	if err != nil {
		return answer{}, die("%s: %s", doing, err)
	}
	if err := c.setGroups(k.params.get("userid"), k.params, !k.params.bool("append")); err != nil {
		return answer{}, die("%s: %s", doing, err)
	}
	u.change(k.params)
	c.save()
	return answer{}, nil
}

func (u *user) change(p params) {
	if p.has("enable") {
		u.Enable = p.bool("enable")
	}
	if p.has("expire") {
		u.Expire = int64(p.int("expire", 0))
	}
	for name, field := range map[string]*string{
		"comment": &u.Comment, "email": &u.Email, "firstname": &u.FirstName, "lastname": &u.LastName,
	} {
		if p.has(name) {
			*field = p.get(name)
		}
	}
}

// setGroups puts a user into the groups of a call; c.mu is held.
func (c *Cluster) setGroups(name string, p params, replace bool) error {
	if !p.has("groups") {
		return nil
	}
	wanted := p.list("groups")
	for _, g := range wanted {
		if c.state.Groups[g] == nil {
			return die("no such group '%s'", g)
		}
	}
	for id, g := range c.state.Groups {
		if replace {
			g.Members = without(g.Members, name)
		}
		if contains(wanted, id) && !contains(g.Members, name) {
			g.Members = append(g.Members, name)
		}
	}
	return nil
}

func (c *Cluster) deleteUser(k *call) (answer, error) {
	const doing = "delete user failed"
	if err := c.userConfigLock(k.ctx, doing); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name := k.params.get("userid")
	if _, err := c.userOf(k); err != nil {
		return answer{}, die("%s: user '%s' does not exist", doing, name)
	}
	c.removeUser(name)
	c.save()
	return answer{}, nil
}

// removeUser forgets a user, its tokens and their rights; c.mu is held.
func (c *Cluster) removeUser(name string) {
	delete(c.state.Users, name)
	for _, g := range c.state.Groups {
		g.Members = without(g.Members, name)
	}
	c.dropACL(func(e aclEntry) bool {
		return e.Type == "user" && e.ID == name || e.Type == "token" && strings.HasPrefix(e.ID, name+"!")
	})
}

func (c *Cluster) dropACL(gone func(aclEntry) bool) {
	kept := c.state.ACL[:0]
	for _, e := range c.state.ACL {
		if !gone(e) {
			kept = append(kept, e)
		}
	}
	c.state.ACL = kept
}
