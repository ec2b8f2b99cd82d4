package pve

import "slices"

// operations is the table of what the simulated API answers: Berth's own calls with all that leads to them, and what it
// takes to set up users and rights.
func operations() []operation {
	return slices.Concat(accessOperations(), userOperations(), clusterOperations(), nodeOperations(), storageOperations(),
		guestOperations())
}

func accessOperations() []operation {
	realm := str("realm").must().longest(32).as(realmFormat)
	return []operation{
		get("/", "index").allows(everyone).lists("subdir", "version", "cluster", "nodes", "storage", "access", "pools"),
		get("/version", "version").allows(everyone).runs((*Cluster).getVersion),
		get("/access", "access.index").allows(everyone).lists("subdir", "users", "groups", "roles", "acl", "domains",
			"openid", "tfa", "ticket", "password"),
		get("/access/ticket", "ticket.get").allows(everyone).
			runs(func(*Cluster, *call) (answer, error) { return answer{}, nil }),
		post("/access/ticket", "ticket").allows(everyone).byTicket().takes(
			str("username").must().longest(64), str("password").must(), str("realm").longest(32).as(realmFormat),
			str("otp"), str("tfa-challenge"), boolean("new-format"), str("path").longest(64).needs("privs"),
			str("privs").longest(64).needs("path").listOf(privilegeFormat),
		).runs((*Cluster).postTicket),
		get("/access/permissions", "permissions").allows(everyone).takes(
			str("path"), str("userid").match(`[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+(?:![A-Za-z][A-Za-z0-9.\-_]+)?`),
		).runs((*Cluster).getPermissions),
		get("/access/acl", "acl.get").allows(everyone).runs((*Cluster).getACL),
		put("/access/acl", "acl.put").allows(mayModify).takes(
			str("path").must(), str("roles").must().listOf(roleFormat), str("users").listOf(userFormat),
			str("groups").listOf(groupFormat), str("tokens").listOf(tokenFormat), boolean("propagate"), boolean("delete"),
		).runs((*Cluster).putACL),
		get("/access/roles", "roles.list").allows(everyone).runs((*Cluster).getRoles),
		post("/access/roles", "roles.create").allows(on("/access", false, "Sys.Modify")).takes(
			str("roleid").must().as(roleFormat), str("privs").listOf(privilegeFormat),
		).runs((*Cluster).postRole),
		del("/access/roles/{roleid}", "roles.delete").allows(on("/access", false, "Sys.Modify")).takes(
			str("roleid").must().as(roleFormat)).runs((*Cluster).deleteRole),
		get("/access/domains", "realms.list").allows(everyone).runs((*Cluster).getRealms),
		post("/access/domains", "realms.create").allows(on("/access/realm", false, "Realm.Allocate")).takes(
			slices.Concat(rules{realm}, realmRules())...).runs((*Cluster).postRealm),
		get("/access/domains/{realm}", "realms.get").
			allows(on("/access/realm", true, "Realm.Allocate", "Sys.Audit")).takes(realm).runs((*Cluster).getRealm),
		del("/access/domains/{realm}", "realms.delete").
			allows(on("/access/realm", false, "Realm.Allocate")).takes(realm).runs((*Cluster).deleteRealm),
		post("/access/domains/{realm}/sync", "realms.sync").allows(all(
			on("/access/realm/{realm}", false, "Realm.AllocateUser"), on("/access/groups", false, "User.Modify"),
		)).takes(realm, boolean("dry-run"), boolean("enable-new"), boolean("full"), boolean("purge"),
			str("remove-vanished").match(`(?:(?:(?:acl|properties|entry);)*(?:acl|properties|entry))|none`),
			str("scope").oneOf("users", "groups", "both"),
		).runs((*Cluster).postSync),
	}
}

// realmRules are the settings of realms that the simulator keeps.
func realmRules() rules {
	out := rules{
		str("type").must().oneOf("ad", "ldap", "openid", "pam", "pve"), integer("port").atLeast(1).atMost(65535),
		boolean("default"), boolean("secure"), boolean("verify"), boolean("case-sensitive"), boolean("check-connection"),
		str("mode").oneOf("ldap", "ldaps", "ldap+starttls"), str("sync-defaults-options").of(syncDefaults()),
	}
	for _, name := range []string{
		"base_dn", "bind_dn", "password", "server1", "server2", "user_attr", "user_classes", "filter", "group_dn",
		"group_filter", "group_classes", "group_name_attr", "sync_attributes", "comment", "capath", "domain", "tfa",
	} {
		out = append(out, str(name))
	}
	return out
}

func userOperations() []operation {
	userid := str("userid").must().longest(64).as(userFormat)
	tokenid := str("tokenid").must().match(`[A-Za-z][A-Za-z0-9.\-_]+`)
	groupid := str("groupid").must().as(groupFormat)
	poolid := str("poolid").must().as(poolFormat)
	details := rules{
		str("comment").longest(2048), str("email").longest(254), boolean("enable"), integer("expire").atLeast(0),
		str("firstname").longest(1024), str("lastname").longest(1024), str("groups").listOf(groupFormat),
	}
	settings := rules{str("comment"), integer("expire").atLeast(0), boolean("privsep")}
	manage := overUser("User.Modify")
	own := selfOr(manage)
	create := all(on("/access/realm", false, "Realm.AllocateUser"), on("/access/groups", false, "User.Modify"))
	return []operation{
		get("/access/users", "users.list").allows(everyone).takes(boolean("enabled"), boolean("full")).
			runs((*Cluster).getUsers),
		post("/access/users", "users.create").allows(create).takes(
			slices.Concat(rules{userid, str("password").shortest(8).longest(64)}, details)...).runs((*Cluster).postUser),
		get("/access/users/{userid}", "users.get").allows(overUser("User.Modify", "Sys.Audit")).takes(userid).
			runs((*Cluster).getUser),
		put("/access/users/{userid}", "users.update").allows(manage).takes(
			slices.Concat(rules{userid, boolean("append").needs("groups")}, details)...).runs((*Cluster).putUser),
		del("/access/users/{userid}", "users.delete").allows(manage).takes(userid).runs((*Cluster).deleteUser),
		get("/access/users/{userid}/token", "tokens.list").allows(own).takes(userid).runs((*Cluster).getTokens),
		get("/access/users/{userid}/token/{tokenid}", "tokens.get").allows(own).takes(userid, tokenid).
			runs((*Cluster).getToken),
		post("/access/users/{userid}/token/{tokenid}", "tokens.create").allows(own).takes(
			slices.Concat(rules{userid, tokenid}, settings)...).runs((*Cluster).postToken),
		put("/access/users/{userid}/token/{tokenid}", "tokens.update").allows(own).takes(
			slices.Concat(rules{userid, tokenid, boolean("regenerate")}, settings)...).runs((*Cluster).putToken),
		del("/access/users/{userid}/token/{tokenid}", "tokens.delete").allows(own).takes(userid, tokenid).
			runs((*Cluster).deleteToken),
		get("/access/groups", "groups.list").allows(everyone).runs((*Cluster).getGroups),
		post("/access/groups", "groups.create").allows(on("/access/groups", false, "Group.Allocate")).
			takes(groupid, str("comment")).runs((*Cluster).postGroup),
		get("/access/groups/{groupid}", "groups.get").
			allows(on("/access/groups", true, "Sys.Audit", "Group.Allocate")).takes(groupid).runs((*Cluster).getGroup),
		del("/access/groups/{groupid}", "groups.delete").allows(on("/access/groups", false, "Group.Allocate")).
			takes(groupid).runs((*Cluster).deleteGroup),
		post("/pools", "pools.create").allows(on("/pool/{poolid}", false, "Pool.Allocate")).
			takes(poolid, str("comment")).runs((*Cluster).postPool),
		del("/pools", "pools.delete").allows(on("/pool/{poolid}", false, "Pool.Allocate")).takes(poolid).
			runs((*Cluster).deletePool),
	}
}

func clusterOperations() []operation {
	return []operation{
		get("/cluster/nextid", "nextid").allows(everyone).takes(vmidRule("vmid")).runs((*Cluster).getNextID),
		get("/cluster/resources", "resources").allows(everyone).takes(
			str("type").oneOf("vm", "storage", "node", "sdn")).runs((*Cluster).getResources),
		get("/cluster/status", "cluster.status").allows(on("/", false, "Sys.Audit")).runs((*Cluster).getClusterStatus),
		get("/cluster/tasks", "cluster.tasks").allows(everyone).runs((*Cluster).getClusterTasks),
	}
}

func nodeOperations() []operation {
	upid := str("upid").must()
	return []operation{
		get("/nodes", "nodes.list").allows(everyone).runs((*Cluster).getNodes),
		get("/nodes/{node}", "nodes.index").allows(everyone).takes(str("node").must().as(nodeFormat)).lists("name",
			"lxc", "network", "query-oci-repo-tags", "status", "storage", "tasks", "version"),
		get("/nodes/{node}/version", "nodes.version").allows(everyone).onNode().runs((*Cluster).getVersion),
		get("/nodes/{node}/status", "nodes.status").allows(on("/nodes/{node}", false, "Sys.Audit")).onNode().
			runs((*Cluster).getNodeStatus),
		get("/nodes/{node}/network", "nodes.network").allows(everyone).takes(str("type").oneOf("bridge", "bond", "eth",
			"alias", "vlan", "fabric", "OVSBridge", "OVSBond", "OVSPort", "OVSIntPort", "vnet", "any_bridge",
			"any_local_bridge", "include_sdn")).onNode().runs((*Cluster).getNetwork),
		get("/nodes/{node}/query-oci-repo-tags", "oci.tags").allows(on("/nodes/{node}", false, "Sys.AccessNetwork")).
			takes(str("reference").must().match(repositoryPattern)).onNode().runs((*Cluster).getOCITags),
		get("/nodes/{node}/tasks", "tasks.list").allows(everyone).takes(
			boolean("errors"), integer("limit").atLeast(0), integer("since"), integer("start").atLeast(0),
			str("source").oneOf("archive", "active", "all"), str("statusfilter").listOf(taskStatusFormat),
			str("typefilter"), integer("until"), str("userfilter"), vmidRule("vmid"),
		).onNode().runs((*Cluster).getTasks),
		get("/nodes/{node}/tasks/{upid}", "tasks.index").allows(everyone).
			takes(upid, str("node").must().as(nodeFormat)).lists("name", "log", "status"),
		get("/nodes/{node}/tasks/{upid}/status", "tasks.status").allows(everyone).takes(upid).onNode().
			runs((*Cluster).getTaskStatus),
		get("/nodes/{node}/tasks/{upid}/log", "tasks.log").allows(everyone).takes(upid, boolean("download"),
			integer("limit").atLeast(0), integer("start").atLeast(0)).onNode().runs((*Cluster).getTaskLog),
		del("/nodes/{node}/tasks/{upid}", "tasks.stop").allows(everyone).takes(upid).onNode().
			runs((*Cluster).deleteTask),
	}
}

func storageOperations() []operation {
	storage := storageRule("storage").must()
	audit := on("/storage/{storage}", true, "Datastore.Audit", "Datastore.AllocateSpace")
	template := on("/storage/{storage}", false, "Datastore.AllocateTemplate")
	return []operation{
		get("/nodes/{node}/storage", "storage.list").allows(everyone).takes(
			str("content").listOf(contentFormat), boolean("enabled"), boolean("format"), storageRule("storage"),
			str("target").as(nodeFormat),
		).onNode().runs((*Cluster).getStorages),
		get("/nodes/{node}/storage/{storage}", "storage.index").allows(audit).takes(storage).onNode().lists("subdir",
			"content", "oci-registry-pull", "status", "upload"),
		get("/nodes/{node}/storage/{storage}/status", "storage.status").allows(audit).takes(storage).onNode().
			runs((*Cluster).getStorageStatus),
		get("/nodes/{node}/storage/{storage}/content", "storage.content").allows(audit).takes(
			storage, str("content").as(contentFormat), vmidRule("vmid")).onNode().runs((*Cluster).getContent),
		del("/nodes/{node}/storage/{storage}/content/{volume...}", "storage.delete").allows(everyone).takes(
			storageRule("storage"), str("volume").must(), integer("delay").atLeast(1).atMost(30),
		).onNode().runs((*Cluster).deleteVolume),
		post("/nodes/{node}/storage/{storage}/upload", "storage.upload").allows(template).takes(
			storage, str("node").must().as(nodeFormat),
			str("content").must().as(contentFormat).oneOf("iso", "vztmpl", "import"), str("filename").must().longest(255),
			str("checksum").needs("checksum-algorithm"),
			str("checksum-algorithm").needs("checksum").oneOf("md5", "sha1", "sha224", "sha256", "sha384", "sha512"),
			str("tmpfilename").match(`/var/tmp/pveupload-[0-9a-f]+`),
		).asUpload().runs((*Cluster).postUpload),
		post("/nodes/{node}/storage/{storage}/oci-registry-pull", "oci.pull").allows(all(template,
			on("/nodes/{node}", false, "Sys.AccessNetwork"))).takes(
			storage, str("reference").must().match(referencePattern), str("filename").shortest(1).longest(255),
		).onNode().runs((*Cluster).postOCIPull),
	}
}

func guestOperations() []operation {
	const guest = "/nodes/{node}/lxc/{vmid}"
	audit := on("/vms/{vmid}", false, "VM.Audit")
	power := on("/vms/{vmid}", false, "VM.PowerMgmt")
	configure := on("/vms/{vmid}", true, "VM.Config.Disk", "VM.Config.CPU", "VM.Config.Memory", "VM.Config.Network",
		"VM.Config.Options")
	return []operation{
		get("/nodes/{node}/lxc", "lxc.list").allows(everyone).onNode().runs((*Cluster).getLXC),
		post("/nodes/{node}/lxc", "lxc.create").allows(everyone).takes(createRules()...).onNode().
			runs((*Cluster).postLXC),
		get(guest, "lxc.index").allows(everyone).onGuest().runs(func(c *Cluster, k *call) (answer, error) {
			return c.onlyExisting(k, "subdir", "config", "pending", "status", "rrddata", "resize", "interfaces")
		}),
		del(guest, "lxc.delete").allows(on("/vms/{vmid}", false, "VM.Allocate")).takes(
			boolean("destroy-unreferenced-disks"), boolean("force"), boolean("purge")).onGuest().
			runs((*Cluster).deleteLXC),
		get(guest+"/config", "lxc.config").allows(audit).takes(boolean("current"),
			str("snapshot").longest(40).as(configFormat)).onGuest().runs((*Cluster).getConfig),
		put(guest+"/config", "lxc.configure").allows(configure).takes(updateRules()...).onGuest().
			runs((*Cluster).putConfig),
		get(guest+"/pending", "lxc.pending").allows(audit).onGuest().runs((*Cluster).getPending),
		get(guest+"/status", "lxc.statusindex").allows(everyone).onGuest().lists("subdir", "current", "start", "stop",
			"shutdown", "reboot", "migrate"),
		get(guest+"/status/current", "lxc.status").allows(audit).onGuest().runs((*Cluster).getCurrent),
		post(guest+"/status/start", "lxc.start").allows(power).takes(boolean("debug"), boolean("skiplock")).onGuest().
			runs((*Cluster).postStart),
		post(guest+"/status/stop", "lxc.stop").allows(power).takes(boolean("overrule-shutdown"), boolean("skiplock")).
			onGuest().runs((*Cluster).postStop),
		post(guest+"/status/shutdown", "lxc.shutdown").allows(power).takes(boolean("forceStop"),
			integer("timeout").atLeast(0)).onGuest().runs((*Cluster).postShutdown),
		post(guest+"/status/reboot", "lxc.reboot").allows(power).takes(integer("timeout").atLeast(0)).onGuest().
			runs((*Cluster).postReboot),
		get(guest+"/interfaces", "lxc.interfaces").allows(audit).onGuest().runs((*Cluster).getInterfaces),
		put(guest+"/resize", "lxc.resize").allows(on("/vms/{vmid}", true, "VM.Config.Disk")).takes(
			str("disk").must().oneOf(mountNames()...), str("size").must().match(`\+?\d+(\.\d+)?[KMGT]?`),
			str("digest").longest(40)).onGuest().runs((*Cluster).putResize),
		get(guest+"/rrddata", "lxc.rrddata").allows(audit).takes(
			str("timeframe").must().oneOf("hour", "day", "week", "month", "year"), str("cf").oneOf("AVERAGE", "MAX"),
		).onGuest().runs((*Cluster).getRRD),
		get(guest+"/feature", "lxc.feature").allows(audit).takes(
			str("feature").must().oneOf("snapshot", "clone", "copy"), str("snapname").longest(40).as(configFormat),
		).onGuest().runs((*Cluster).getFeature),
	}
}

// mountNames lists rootfs and all mount points.
func mountNames() []string {
	out := []string{"rootfs"}
	for _, r := range numbered(256, str("mp")) {
		out = append(out, r.name)
	}
	return out
}
