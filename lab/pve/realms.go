package pve

import (
	"strconv"
	"strings"
)

func (c *Cluster) getRealms(*call) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := []any{}
	for _, name := range sortedKeys(c.state.Realms) {
		r := c.state.Realms[name]
		row := map[string]any{"realm": name, "type": r.Type}
		if r.Comment != "" {
			row["comment"] = r.Comment
		}
		rows = append(rows, row)
	}
	return answer{data: rows}, nil
}

func (c *Cluster) getRealm(k *call) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := k.params.get("realm")
	r := c.state.Realms[name]
	if r == nil {
		return answer{}, die("domain '%s' does not exist", name)
	}
	row := map[string]any{"type": r.Type, "digest": (&container{Options: r.Settings}).digest()}
	if r.Comment != "" {
		row["comment"] = r.Comment
	}
	if r.Type == "pam" || r.Type == "pve" {
		row["plugin"] = "PVE::Auth::" + strings.ToUpper(r.Type)
	}
	for name, text := range r.Settings {
		row[name] = text
		if n, err := strconv.Atoi(text); err == nil && name == "port" {
			row[name] = n
		}
	}
	return answer{data: row}, nil
}

// postRealm adds a realm; all of its settings are kept for the Directory.
func (c *Cluster) postRealm(k *call) (answer, error) {
	const doing = "add auth server failed"
	p := k.params
	if err := c.userConfigLock(k.ctx, doing); err != nil {
		return answer{}, err
	}
	name := p.get("realm")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Realms[name] != nil {
		return answer{}, die("%s: domain '%s' already exists", doing, name)
	}
	r := &realm{Type: p.get("type"), Comment: p.get("comment"), Settings: map[string]string{}}
	if r.Type == "ldap" {
		for _, option := range []string{"base_dn", "server1", "user_attr"} {
			if !p.has(option) {
				return answer{}, die("%s: missing value for required option '%s'", doing, option)
			}
		}
	}
	for option, v := range p {
		if option != "realm" && option != "type" && option != "comment" {
			r.Settings[option] = v.text
		}
	}
	if p.bool("check-connection") && c.directory != nil {
		c.mu.Unlock()
		_, err := c.directory.Fetch(k.ctx, r.Settings)
		c.mu.Lock()
		if err != nil {
			return answer{}, die("%s: %s", doing, err)
		}
	}
	c.state.Realms[name] = r
	c.save()
	return answer{}, nil
}

func (c *Cluster) deleteRealm(k *call) (answer, error) {
	const doing = "delete auth server failed"
	if err := c.userConfigLock(k.ctx, doing); err != nil {
		return answer{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name := k.params.get("realm")
	if c.state.Realms[name] == nil {
		return answer{}, die("%s: authentication domain '%s' does not exist", doing, name)
	}
	delete(c.state.Realms, name)
	c.save()
	return answer{}, nil
}

// postSync starts a realm sync.
func (c *Cluster) postSync(k *call) (answer, error) {
	p := k.params
	name := p.get("realm")
	c.mu.Lock()
	r := c.state.Realms[name]
	c.mu.Unlock()
	switch {
	case r == nil:
		return answer{}, paramError("realm", "Realm does not exist.")
	case !r.synced():
		return answer{}, die("Cannot sync realm type '%s'! Only LDAP/AD realms can be synced.", r.Type)
	}
	s := syncOptions{scope: "", vanished: "none", enable: true, dryRun: p.bool("dry-run")}
	if preset, err := syncDefaults().parse("sync-defaults-options", r.Settings["sync-defaults-options"]); err == nil {
		s.take(preset["scope"], preset["remove-vanished"], preset["enable-new"])
	}
	s.take(p.get("scope"), p.get("remove-vanished"), p.get("enable-new"))
	if s.scope == "" {
		return answer{}, paramError("scope", "scope is required")
	}
	kind := "auth-realm-sync"
	if s.dryRun {
		kind += "-test"
	}
	k.node = k.entry
	return answer{data: c.startTask(k, kind, name, func(w *worker) error { return c.syncRealm(w, name, r.Settings, s) })}, nil
}

func syncDefaults() rules {
	return rules{
		str("scope"), str("remove-vanished"), boolean("enable-new"), boolean("full"), boolean("purge"),
	}
}

type syncOptions struct {
	scope, vanished string
	enable, dryRun  bool
}

func (s *syncOptions) take(scope, vanished, enable string) {
	if scope != "" {
		s.scope = scope
	}
	if vanished != "" {
		s.vanished = vanished
	}
	if enable != "" {
		s.enable = enable == "1"
	}
}

// syncRealm makes users and groups of a realm what its directory holds.
func (c *Cluster) syncRealm(w *worker, name string, settings map[string]string, s syncOptions) error {
	prefix := ""
	if s.dryRun {
		prefix = "(dry test run) "
	}
	w.logf("%sstarting sync for realm %s", prefix, name)
	if c.directory == nil {
		return die("realm %s has no directory", name)
	}
	found, err := c.directory.Fetch(w.ctx, settings)
	if err != nil {
		return err
	}
	w.logf("got data from server, updating users and groups")
	if err := w.midpoint(); err != nil {
		return w.failure(err)
	}
	var lines []string
	c.mu.Lock()
	if s.scope != "groups" {
		lines = append(lines, c.syncUsers(name, found, s)...)
	}
	if s.scope != "users" {
		lines = append(lines, c.syncGroups(name, found, s)...)
	}
	if !s.dryRun {
		c.save()
	}
	c.mu.Unlock()
	for _, line := range lines {
		w.logf("%s", line)
	}
	if s.dryRun {
		w.logf("\nNOTE: Dry test run, changes were NOT written to the configuration.")
		return nil
	}
	w.logf("successfully updated users and groups configuration")
	return nil
}

// syncUsers returns the log lines; c.mu is held.
func (c *Cluster) syncUsers(realm string, found DirectoryContent, s syncOptions) []string {
	lines := []string{"syncing users (remove-vanished opts: " + s.vanished + ")"}
	there := map[string]DirectoryUser{}
	for _, u := range found.Users {
		there[u.Name+"@"+realm] = u
	}
	if strings.Contains(s.vanished, "entry") {
		lines = append(lines, "deleting outdated existing users first")
		for name := range c.state.Users {
			if _, still := there[name]; strings.HasSuffix(name, "@"+realm) && !still {
				lines = append(lines, "deleting user '"+name+"'")
				if !s.dryRun {
					c.removeUser(name)
				}
			}
		}
	}
	for _, name := range sortedKeys(there) {
		u, verb := c.state.Users[name], "updating"
		if u == nil {
			u, verb = &user{Enable: s.enable}, "adding"
		}
		lines = append(lines, verb+" user '"+name+"'")
		if !s.dryRun {
			u.Email, u.FirstName, u.LastName = there[name].Email, there[name].FirstName, there[name].LastName
			c.state.Users[name] = u
		}
	}
	return lines
}

// syncGroups returns the log lines; c.mu is held.
func (c *Cluster) syncGroups(realm string, found DirectoryContent, s syncOptions) []string {
	lines := []string{"syncing groups (remove-vanished opts: " + s.vanished + ")"}
	if strings.Contains(s.vanished, "entry") {
		lines = append(lines, "deleting outdated existing groups first")
		for name := range c.state.Groups {
			plain, ours := strings.CutSuffix(name, "-"+realm)
			if _, still := found.Groups[plain]; ours && !still {
				lines = append(lines, "deleting group '"+name+"'")
				if !s.dryRun {
					delete(c.state.Groups, name)
				}
			}
		}
	}
	for _, plain := range sortedKeys(found.Groups) {
		name := plain + "-" + realm
		g, verb := c.state.Groups[name], "updating"
		if g == nil {
			g, verb = &group{}, "adding"
		}
		lines = append(lines, verb+" group '"+name+"'")
		if !s.dryRun {
			g.Members = nil
			for _, member := range found.Groups[plain] {
				g.Members = append(g.Members, member+"@"+realm)
			}
			c.state.Groups[name] = g
		}
	}
	return lines
}
