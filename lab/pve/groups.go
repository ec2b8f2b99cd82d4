package pve

import (
	"sort"
	"strings"
)

// Groups, roles and pools: enough to set up and read rights.

func (c *Cluster) getGroups(k *call) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := []any{}
	for _, name := range sortedKeys(c.state.Groups) {
		has := c.permissions(k.auth, "/access/groups/"+name)
		if !anyOf(has, "User.Modify", "Sys.Audit", "Group.Allocate") {
			continue
		}
		g := c.state.Groups[name]
		row := map[string]any{"groupid": name, "users": strings.Join(g.Members, ",")}
		if g.Comment != "" {
			row["comment"] = g.Comment
		}
		rows = append(rows, row)
	}
	return answer{data: rows}, nil
}

func anyOf(has map[string]bool, privileges ...string) bool {
	for _, p := range privileges {
		if _, ok := has[p]; ok {
			return true
		}
	}
	return false
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	sort.Strings(out)
	return out
}

func (c *Cluster) getGroup(k *call) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.state.Groups[k.params.get("groupid")]
	if g == nil {
		return answer{}, die("group '%s' does not exist", k.params.get("groupid"))
	}
	row := map[string]any{"members": append([]string{}, g.Members...)}
	if g.Comment != "" {
		row["comment"] = g.Comment
	}
	return answer{data: row}, nil
}

func (c *Cluster) postGroup(k *call) (answer, error) {
	const doing = "create group failed"
	if err := c.userConfigLock(k.ctx, doing); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name := k.params.get("groupid")
	if c.state.Groups[name] != nil {
		return answer{}, die("%s: group '%s' already exists", doing, name)
	}
	c.state.Groups[name] = &group{Comment: k.params.get("comment")}
	c.save()
	return answer{}, nil
}

func (c *Cluster) deleteGroup(k *call) (answer, error) {
	const doing = "delete group failed"
	if err := c.userConfigLock(k.ctx, doing); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name := k.params.get("groupid")
	if c.state.Groups[name] == nil {
		return answer{}, die("%s: group '%s' does not exist", doing, name)
	}
	delete(c.state.Groups, name)
	c.dropACL(func(e aclEntry) bool { return e.Type == "group" && e.ID == name })
	c.save()
	return answer{}, nil
}

func (c *Cluster) getRoles(*call) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := []any{}
	for _, name := range sortedKeys(c.state.builtin) {
		rows = append(rows, map[string]any{
			"roleid": name, "special": 1, "privs": strings.Join(c.state.builtin[name], ","),
		})
	}
	for _, name := range sortedKeys(c.state.Roles) {
		rows = append(rows, map[string]any{"roleid": name, "special": 0, "privs": strings.Join(c.state.Roles[name], ",")})
	}
	return answer{data: rows}, nil
}

func (c *Cluster) postRole(k *call) (answer, error) {
	const doing = "create role failed"
	if err := c.userConfigLock(k.ctx, doing); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name := k.params.get("roleid")
	if c.state.hasRole(name) {
		return answer{}, die("%s: role '%s' already exists", doing, name)
	}
	c.state.Roles[name] = k.params.list("privs")
	c.save()
	return answer{}, nil
}

func (c *Cluster) deleteRole(k *call) (answer, error) {
	const doing = "delete role failed"
	if err := c.userConfigLock(k.ctx, doing); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name := k.params.get("roleid")
	if _, own := c.state.Roles[name]; !own {
		return answer{}, die("%s: role '%s' does not exist", doing, name)
	}
	delete(c.state.Roles, name)
	c.dropACL(func(e aclEntry) bool { return e.Role == name })
	c.save()
	return answer{}, nil
}

func (c *Cluster) postPool(k *call) (answer, error) {
	const doing = "create pool failed"
	if err := c.userConfigLock(k.ctx, doing); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name := k.params.get("poolid")
	if c.state.Pools[name] != nil {
		return answer{}, die("%s: pool '%s' already exists", doing, name)
	}
	c.state.Pools[name] = &pool{Comment: k.params.get("comment")}
	c.save()
	return answer{}, nil
}

func (c *Cluster) deletePool(k *call) (answer, error) {
	const doing = "delete pool failed"
	if err := c.userConfigLock(k.ctx, doing); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name := k.params.get("poolid")
	p := c.state.Pools[name]
	if p == nil {
		return answer{}, die("%s: pool '%s' does not exist", doing, name)
	}
	if len(p.Guests) > 0 {
		return answer{}, die("%s: pool '%s' is not empty (contains VM %d)", doing, name, p.Guests[0])
	}
	delete(c.state.Pools, name)
	c.save()
	return answer{}, nil
}
