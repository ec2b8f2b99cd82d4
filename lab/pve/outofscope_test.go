package pve

import "strings"

// outOfScope lists, by operation, what the simulator does not answer because Berth never asks it, and why it matters
// to nobody who tests Berth. Patterns match segment by segment; ** matches the rest.
var outOfScope = []struct{ method, path, reason string }{
	{"PUT", "/access/password", "passwords are the administrator's to change; the lab sets root's at start"},
	{"*", "/access/tfa/**", "second factors of Proxmox users are not Berth's"},
	{"*", "/access/tfa", "second factors of Proxmox users are not Berth's"},
	{"GET", "/access/roles/*", "Berth checks privileges by GET /access/permissions"},
	{"PUT", "/access/roles/*", "Berth makes no roles"},
	{"PUT", "/access/groups/*", "groups come from the realm sync"},
	{"PUT", "/access/domains/*", "realms are set up by the administrator"},
	{"GET", "/cluster", "an index for browsers"},
	{"*", "/cluster/options", "the administrator's settings"},
	{"GET", "/cluster/log", "the administrator's log"},
	{"*", "/cluster/config/**", "joining clusters"},
	{"*", "/cluster/config", "joining clusters"},
	{"*", "/cluster/backup/**", "backups"},
	{"*", "/cluster/backup", "backups"},
	{"*", "/cluster/firewall/**", "Berth's services do not use Proxmox's firewall"},
	{"*", "/cluster/ha/**", "guests of Berth are not HA-managed"},
	{"*", "/cluster/replication", "replication needs ZFS"},
	{"*", "/cluster/sdn/**", "Berth uses the nodes' own bridges"},
	{"GET", "/pools", "pools are the administrator's"},
	{"GET", "/pools/*", "pools are the administrator's"},
	{"PUT", "/pools", "pools are the administrator's"},
	{"*", "/storage/**", "storages are set up by the administrator"},
	{"*", "/storage", "storages are set up by the administrator"},
	{"*", "/nodes/*/subscription", "host administration"},
	{"*", "/nodes/*/time", "host administration"},
	{"*", "/nodes/*/dns", "host administration"},
	{"*", "/nodes/*/hosts", "host administration"},
	{"*", "/nodes/*/config", "host administration"},
	{"*", "/nodes/*/services/**", "host administration"},
	{"*", "/nodes/*/services", "host administration"},
	{"*", "/nodes/*/syslog", "host administration"},
	{"*", "/nodes/*/journal", "host administration"},
	{"*", "/nodes/*/report", "host administration"},
	{"*", "/nodes/*/apt/**", "host administration"},
	{"*", "/nodes/*/certificates/**", "host administration"},
	{"*", "/nodes/*/disks/**", "host administration"},
	{"*", "/nodes/*/scan/**", "host administration"},
	{"*", "/nodes/*/scan", "host administration"},
	{"*", "/nodes/*/hardware/**", "host administration"},
	{"*", "/nodes/*/hardware", "host administration"},
	{"*", "/nodes/*/capabilities/**", "virtual machines"},
	{"*", "/nodes/*/capabilities", "virtual machines"},
	{"*", "/nodes/*/qemu/**", "virtual machines"},
	{"*", "/nodes/*/qemu", "virtual machines"},
	{"*", "/nodes/*/aplinfo", "Berth uses OCI images and templates that are there"},
	{"*", "/nodes/*/wakeonlan", "host administration"},
	{"*", "/nodes/*/startall", "the administrator's bulk actions"},
	{"*", "/nodes/*/stopall", "the administrator's bulk actions"},
	{"*", "/nodes/*/netstat", "Berth reads usage of guests by status"},
	{"*", "/nodes/*/rrddata", "Berth reads usage of nodes by status"},
	{"*", "/nodes/*/rrd", "drawn graphs"},
	{"*", "/nodes/*/query-url-metadata", "Berth downloads nothing by URL"},
	{"*", "/nodes/*/firewall/**", "Berth's services do not use Proxmox's firewall"},
	{"*", "/nodes/*/vzdump/**", "backups"},
	{"*", "/nodes/*/vzdump", "backups"},
	{"GET", "/nodes/*/network/*", "Berth lists bridges"},
	{"POST", "/nodes/*/network", "host administration"},
	{"PUT", "/nodes/*/network", "host administration"},
	{"PUT", "/nodes/*/network/*", "host administration"},
	{"DELETE", "/nodes/*/network", "host administration"},
	{"DELETE", "/nodes/*/network/*", "host administration"},
	{"POST", "/nodes/*/storage/*/content", "volumes are made with their guest"},
	{"GET", "/nodes/*/storage/*/content/**", "Berth lists contents"},
	{"PUT", "/nodes/*/storage/*/content/**", "notes and protection of backups"},
	{"*", "/nodes/*/storage/*/download-url", "Berth downloads nothing by URL"},
	{"*", "/nodes/*/storage/*/prunebackups", "backups"},
	{"*", "/nodes/*/storage/*/rrddata", "Berth reads usage of storages by status"},
	{"*", "/nodes/*/storage/*/rrd", "drawn graphs"},
	{"*", "/nodes/*/storage/*/file-restore/**", "backups"},
	{"*", "/nodes/*/storage/*/import-metadata", "virtual machines"},
	{"*", "/nodes/*/storage/*/identity", "backups"},
	{"*", "/nodes/*/lxc/*/firewall/**", "Berth's services do not use Proxmox's firewall"},
	{"*", "/nodes/*/lxc/*/firewall", "Berth's services do not use Proxmox's firewall"},
	{"*", "/nodes/*/lxc/*/snapshot/**", "snapshots until Berth uses them"},
	{"*", "/nodes/*/lxc/*/snapshot", "snapshots until Berth uses them"},
	{"*", "/nodes/*/lxc/*/clone", "clones until Berth uses them"},
	{"*", "/nodes/*/lxc/*/template", "templates until Berth uses them"},
	{"*", "/nodes/*/lxc/*/migrate", "migration until Berth uses it"},
	{"*", "/nodes/*/lxc/*/remote_migrate", "migration until Berth uses it"},
	{"*", "/nodes/*/lxc/*/move_volume", "Berth moves no volumes"},
	{"*", "/nodes/*/lxc/*/rrd", "drawn graphs"},
	{"*", "/nodes/*/lxc/*/status/suspend", "experimental in Proxmox"},
	{"*", "/nodes/*/lxc/*/status/resume", "experimental in Proxmox"},
	{"*", "/nodes/*/lxc/*/termproxy", "terminals until Berth uses them"},
	{"*", "/nodes/*/lxc/*/vncproxy", "terminals until Berth uses them"},
	{"*", "/nodes/*/lxc/*/spiceproxy", "terminals until Berth uses them"},
	{"*", "/nodes/*/lxc/*/vncwebsocket", "terminals until Berth uses them"},
	{"*", "/nodes/*/termproxy", "terminals until Berth uses them"},
	{"*", "/nodes/*/vncshell", "terminals until Berth uses them"},
	{"*", "/nodes/*/spiceshell", "terminals until Berth uses them"},
}

// taskOutOfScope are tasks that only operations out of scope start.
var taskOutOfScope = []string{
	"vzsnapshot", "vzdelsnapshot", "vzrollback", "vzclone", "vztemplate", "vzmigrate", "move_volume", "vzdump", "vncproxy",
	"download", "startall", "stopall", "vzsuspend", "vzresume",
}

// whyOutOfScope returns the reason, "" for what is in scope.
func whyOutOfScope(method, path string) string {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for _, o := range outOfScope {
		if (o.method == "*" || o.method == method) && covers(strings.Split(strings.Trim(o.path, "/"), "/"), segments) {
			return o.reason
		}
	}
	return ""
}

func covers(pattern, segments []string) bool {
	for i, p := range pattern {
		if p == "**" {
			return len(segments) > i
		}
		if i >= len(segments) || p != "*" && p != segments[i] {
			return false
		}
	}
	return len(pattern) == len(segments)
}
