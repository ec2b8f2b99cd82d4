package proxmox

import (
	"regexp"
	"time"

	"berth/domain"
)

func re(pattern string) *regexp.Regexp { return regexp.MustCompile(`(?is)` + pattern) }

// failures is how Proxmox VE says no, as seen in its sources and recordings. The same texts come as HTTP 500 from the
// synchronous part of a call and as exit status from its task, so one table serves both. Storage plugins' texts vary with the
// version of their tools: rows match by the words that stay.
var failures = []Failure{
	// Locks and load: nothing happened, or Proxmox has rolled back.
	{
		Name: "config lock busy", Kind: domain.Busy, Reaction: RetrySame, RetryAfter: 5 * time.Second,
		Words: "Another task holds the configuration lock of CT $1, often a start that waits for DHCP or a running shutdown. Try again.",
		match: re(`can't lock file '/run/lock/lxc/pve-config-(\d+)\.lock' - got timeout`),
	},
	{
		Name: "storage lock busy", Kind: domain.Transient, Reaction: RetrySame, RetryAfter: 5 * time.Second,
		Words: "The storage is locked by other tasks. Try again, with fewer at a time.",
		match: re(`pve-storage-[^']*' - got timeout|cfs-lock 'storage-[^']*' error: got lock request timeout|` +
			`'storage-[^']*'-locked command timed out`),
	},
	{
		Name: "user.cfg lock busy", Kind: domain.Transient, Reaction: RetrySame, RetryAfter: 5 * time.Second,
		Words: "The cluster's user and permission file is locked by another change. Try again.",
		match: re(`cfs-lock 'file-[^']*' error: got lock request timeout`),
	},
	{
		Name: "migration lock busy", Kind: domain.Busy, Reaction: RetrySame, RetryAfter: 5 * time.Second,
		Words: "A migration, snapshot or replication holds the CT. Try again.",
		match: re(`pve-migrate-\d+' - got timeout|Failed to obtain guest migration lock`),
	},
	{
		Name: "leftover lock", Kind: domain.Conflict, Reaction: Quarantine,
		Words: "The CT has a leftover lock ($1): its task no longer runs. An administrator has to look at it and then run `pct unlock` " +
			"and `pct destroy` on the node; until then its VMID stays reserved.",
		match: re(`leftover lock \((create|destroyed)\)`),
	},
	{
		Name: "CT locked", Kind: domain.Busy, Reaction: Wait, RetryAfter: 5 * time.Second,
		Words: "The CT is locked by another task ($1). Wait until that has ended.",
		match: re(`CT is locked \(([a-z-]+)\)`),
	},
	{
		Name: "worker not started", Kind: domain.Transient, Reaction: RetrySame, RetryAfter: 5 * time.Second,
		Words: "The node could not start a task; it may be out of memory. Try again in a few seconds or on another node.",
		match: re(`got no worker upid|unable to fork worker`),
	},
	{
		Name: "quorum lost", Kind: domain.Unavailable, Reaction: Wait, RetryAfter: 30 * time.Second,
		Words: "The cluster has no quorum, so Proxmox refuses every change. Bring the missing nodes back (`pvecm status`).",
		match: re(`no quorum|unable to open file '/etc/pve/[^']*' - Permission denied`),
	},

	// VMIDs.
	{
		Name: rowVMIDTaken, Kind: domain.Conflict, Reaction: NewVMID,
		Words: "The VMID is in use already, maybe on a node that is away. Use another one.",
		match: re(`(CT|VM) \d+ already exists|atomic file '/etc/pve/nodes/[^']*\.conf' failed: File exists`),
	},
	{
		Name: "CT missing", Kind: domain.NotFound, Reaction: Relocate,
		Words: "The CT does not exist on this node: it was deleted or has moved to another one. Run a reconcile to find out.",
		match: re(`Configuration file 'nodes/[^']*' does not exist`),
	},
	{
		Name: rowAlreadyInState, Kind: domain.Conflict, Reaction: AlreadyDone,
		Words: "The CT is in that state already; there is nothing to do.",
		match: re(`CT \d+ already running|(CT|VM) \d+ not running`),
	},
	{
		Name: "CT still running", Kind: domain.Conflict, Reaction: ForceStop,
		Words: "The CT runs. Stop it first.",
		match: re(`unable to destroy CT \d+ - container is running`),
	},
	{
		Name: "CT protected", Kind: domain.Conflict, Reaction: Fail,
		Words: "Somebody protected the CT against removal in Proxmox. Take the protection off there if it really shall go.",
		match: re(`protection mode enabled`),
	},
	{
		Name: "digest clash", Kind: domain.Precondition, Reaction: Reread,
		Words: "Somebody else changed the CT's configuration at the same moment. Read it again and repeat the change.",
		match: re(`detected modified configuration`),
	},
	{
		Name: "disk cannot shrink", Kind: domain.Invalid, Reaction: Fail,
		Words: "A disk can only grow. Ask for at least the size it has.",
		match: re(`unable to shrink disk size`),
	},
	{
		Name: "disk cannot grow", Kind: domain.Permanent, Reaction: Fail,
		Words: "This kind of storage cannot resize the disk. Use another storage.",
		match: re(`can't resize this image format`),
	},

	// Pulling images: the exit status names the tool only, the reason is in the log.
	{
		Name: rowPullCollides, Kind: domain.Conflict, Reaction: AlreadyDone,
		Words: "An image of that name is on the storage already; there is nothing to do.",
		match: re(`refusing to override existing file`),
	},
	{
		Name: "template storage full", Kind: domain.Permanent, Reaction: PruneImages,
		Words: "The storage for images is full. Delete unused images or give it room.",
		match: re(`skopeo copy`), log: re(`no space left on device|disk quota exceeded`),
	},
	{
		Name: "registry limits pulls", Kind: domain.Transient, Reaction: RetrySame, RetryAfter: 2 * time.Minute,
		Words: "The registry limits how often images may be pulled. Try again in some minutes or use a mirror.",
		match: re(`skopeo copy`), log: re(`toomanyrequests|429`),
	},
	{
		Name: "pull refused", Kind: domain.Permanent, Reaction: Fail,
		Words: "The registry does not have this image for this node, or refuses it{said}. Check name, tag and access.",
		match: re(`skopeo copy`),
		log:   re(`manifest unknown|name unknown|unauthorized|denied|no image found in (manifest list|image index)|authentication required`),
	},
	{
		Name: "pull failed for now", Kind: domain.Transient, Reaction: RetrySame, RetryAfter: 15 * time.Second,
		Words: "The node could not reach the registry. Try again; if it lasts, check the node's network and DNS.",
		match: re(`skopeo copy`),
	},
	{
		Name: "skopeo missing", Kind: domain.Permanent, Reaction: OtherNode,
		Words: "The node lacks the tool that pulls images: run `apt install skopeo` on it.",
		match: re(`Install 'skopeo'`),
	},

	// Images and storages.
	{
		Name: "rootfs too small", Kind: domain.Permanent, Reaction: Fail,
		Words: "The image does not fit on the root disk. Ask for a larger disk.",
		match: re(`Error while extracting OCI image: .*(No space left on device|Disk quota exceeded)`),
	},
	{
		Name: "rootfs too small for archive", Kind: domain.Permanent, Reaction: Fail,
		Words: "The template does not fit on the root disk. Ask for a larger disk.",
		match: re(`\btar\b.* failed: exit code`), log: re(`No space left on device|Disk quota exceeded`),
	},
	{
		Name: "bad image", Kind: domain.Permanent, Reaction: Fail,
		Words: "Proxmox cannot use this image{said}. Use an OCI image or a CT template for this node's architecture.",
		match: re(`Error while (parsing|extracting) OCI image|contains forbidden control characters|` +
			`OCI config value for|\btar\b.* failed: exit code|unable to detect OS distribution`),
	},
	{
		Name: "template missing", Kind: domain.Permanent, Reaction: PullTemplate,
		Words: "The image $1 is not on this node's storage. Bring it there first.",
		match: re(`volume '([^']*:vztmpl/[^']*)' does not exist`),
	},
	{
		Name: "storage full, LVM-thin", Kind: domain.Permanent, Reaction: OtherStorage,
		Words: "The thin pool is full. Extend it, delete something, or use another storage.",
		match: re(`free space in thin pool \S+ reached threshold`),
	},
	{
		Name: "storage full, LVM", Kind: domain.Permanent, Reaction: OtherStorage,
		Words: "The volume group is full. Extend it, delete something, or use another storage.",
		match: re(`not enough free space|insufficient free space`),
	},
	{
		Name: "storage full, ZFS", Kind: domain.Permanent, Reaction: OtherStorage,
		Words: "The ZFS pool is full. Extend it, delete something, or use another storage.",
		match: re(`zfs error: .*out of space`),
	},
	{
		Name: "LVM command failed", Kind: domain.Transient, Reaction: RetrySame, RetryAfter: 5 * time.Second,
		Words: "LVM could not make the disk, most often because many were asked for at once. Try again.",
		match: re(`command '.*lvcreate.*' failed`),
	},
	{
		Name: "storage offline", Kind: domain.Unavailable, Reaction: OtherNode, RetryAfter: 30 * time.Second,
		Words: "The storage cannot be reached from this node. Bring it back or use another node.",
		match: re(`storage '[^']*' is not (available on node|online)|connection check for storage '[^']*' failed`),
	},
	{
		Name: "storage missing", Kind: domain.Permanent, Reaction: Fail,
		Words: "The storage does not exist or is disabled in Proxmox. Correct the storage configured for this node.",
		match: re(`storage '[^']*' (does not exist|is disabled)|No such storage\.`),
	},
	{
		Name: "storage without that content", Kind: domain.Permanent, Reaction: Fail,
		Words: "The storage does not accept this kind of content. Add it in Datacenter > Storage, or configure another storage.",
		match: re(`does not support container directories|is not configured for content-type|does not support '[^']*' content|` +
			`not a file based storage|content type needs to be`),
	},

	// Running guests.
	{
		Name: "no DHCP lease", Kind: domain.Transient, Reaction: Restart,
		Words: "The CT runs but got no address by DHCP. Check that a DHCP server knows its MAC on this bridge.",
		match: re(`DHCP failed - command`),
	},
	{
		Name: "bridge missing", Kind: domain.Permanent, Reaction: OtherNode,
		Words: "The node has no bridge $1. Correct the bridge configured for this node.",
		match: re(`bridge '([^']*)' does not exist`),
	},
	{
		Name: "start failed", Kind: domain.Permanent, Reaction: Fail,
		Words: "The CT did not start, most often because its entrypoint is wrong or ended at once{said}. Check entrypoint and environment.",
		match: re(`startup for container '\d+' failed|unable to get PID for CT \d+`),
	},
	{
		Name: "application exited", Kind: domain.Permanent, Reaction: Fail,
		Words: "The CT started and then stopped by itself: its entrypoint ended. Proxmox keeps neither its output nor its exit code, so " +
			"check the entrypoint, and that the program stays in the foreground.",
		match: re(`CT \d+ stopped by itself`),
	},
	{
		Name: "shutdown timed out", Kind: domain.Transient, Reaction: ForceStop,
		Words: "The guest did not shut down in time. Stop it.",
		match: re(`container did not stop`),
	},
	{
		Name: "interrupted", Kind: domain.UnknownOutcome, Reaction: Reconcile,
		Words: "The task was killed, or its node restarted, so what it has done is not known. Look before trying again.",
		match: re(`received interrupt|interrupted by signal|^unexpected status|unable to get last line from task log`),
	},
	{
		Name: "task deadline passed", Kind: domain.UnknownOutcome, Reaction: Reconcile,
		Words: "The task did not end in time, so its outcome is not known. Look before trying again.",
		match: re(`has not ended within`),
	},

	// The API itself.
	{
		Name: "CSRF token refused", Kind: domain.Unauthenticated, Reaction: Fail,
		Words:    "Proxmox refused the login session even after it was renewed. Check that the clocks of the nodes agree.",
		statuses: []int{401}, match: re(`csrf`),
	},
	{
		Name: "credentials refused", Kind: domain.Unauthenticated, Reaction: Fail,
		Words: "Proxmox refused the credentials. Check the API token (deleted, expired, wrong secret?) or user and password, and " +
			"that the clocks of the nodes agree.",
		statuses: []int{401},
	},
	{
		Name: "second factor asked for", Kind: domain.Unauthenticated, Reaction: Fail,
		Words: "The user has a second factor, so a password alone is not enough. Use an API token.",
		match: re(`asks for a second factor`),
	},
	{
		Name: "privilege missing", Kind: domain.Forbidden, Reaction: Fail,
		Words:    "Proxmox refused for lack of a privilege{said}. Give it to the API token (and its user) at that path.",
		statuses: []int{403}, match: re(`Permission check failed`),
	},
	{
		Name: "forbidden", Kind: domain.Forbidden, Reaction: Fail,
		Words:    "Proxmox, or a proxy in front of it, refused the call{said}. Check the privileges of the API token and the proxy's rules.",
		statuses: []int{403},
	},
	{
		Name: rowNoSuchTask, Kind: domain.Transient, Reaction: Wait,
		Words:    "The node does not know the task: it is too new, or so old that it was dropped from the list. Look at the CT itself.",
		statuses: []int{400}, match: re(`no such task`),
	},
	{
		Name: "realm missing", Kind: domain.Permanent, Reaction: Fail,
		Words: "The realm does not exist in Proxmox or is not of type LDAP. Correct the realm configured for the cluster.",
		match: re(`Realm does not exist|Cannot sync realm type`),
	},
	{
		Name: "bad request", Kind: domain.Invalid, Reaction: Fail,
		Words:    "Proxmox refused the parameters. Correct them and try again.",
		statuses: []int{400},
	},
	{
		Name: "own defect", Kind: domain.Permanent, Reaction: Fail,
		Words:    "Berth sent a request that Proxmox cannot read. Please report this.",
		statuses: []int{501, 506}, match: re(`chunked transfer|Unexpected content|for data too large|Content-Type`),
	},
	{
		Name: "Proxmox too old", Kind: domain.Permanent, Reaction: Fail,
		Words:    "This Proxmox VE does not have the call. Berth needs release 9.1 or newer: upgrade the node.",
		statuses: []int{501},
	},
	{
		Name: rowSubjectMissing, Kind: domain.NotFound, Reaction: Fail,
		Words: "Proxmox does not know the user, group, token or role. Synchronise the realm, then try again.",
		match: re(`ACL update failed: .*(does not exist|no such (token|user))`),
	},
	{
		Name: "node unknown", Kind: domain.Permanent, Reaction: OtherNode,
		Words: "The cluster has no node named '$1'. Correct its name.",
		match: re(`hostname lookup '([^']*)' failed`),
	},
	{
		Name: rowNodeUnreachable, Kind: domain.Unavailable, Reaction: OtherNode, RetryAfter: 30 * time.Second,
		Words:    "The node does not answer{reason}. Check that it is up and on the network.",
		statuses: []int{595, 596, 597, 598, 599},
	},
	{
		Name: "gateway in the way", Kind: domain.Unavailable, Reaction: RetrySame, RetryAfter: 10 * time.Second,
		Words:    "A proxy in front of Proxmox reports that it cannot reach it. Check that the node is up, and the proxy.",
		statuses: []int{502, 503, 504},
	},
	{
		Name: "not found", Kind: domain.NotFound, Reaction: Fail,
		Words:    "There is no Proxmox VE API at this address. Check the endpoint's URL.",
		statuses: []int{404},
	},
	{
		Name: "redirected", Kind: domain.Permanent, Reaction: Fail,
		Words:    "The endpoint redirects elsewhere. Give the URL of the node itself, with https and port 8006.",
		statuses: []int{301, 302, 303, 307, 308},
	},
	{
		Name: "resource locked", Kind: domain.Busy, Reaction: Wait, RetryAfter: 5 * time.Second,
		Words:    "The resource is locked. Try again.",
		statuses: []int{423},
	},
	{
		Name: "certificate not trusted", Kind: domain.Permanent, Reaction: Fail,
		Words: "The endpoint's certificate is not signed by a known CA or names another host. " +
			"Give the cluster's CA (/etc/pve/pve-root-ca.pem).",
		statuses: []int{unanswered}, match: re(`x509: |failed to verify certificate`),
	},
	{
		Name: "no HTTPS", Kind: domain.Permanent, Reaction: Fail,
		Words:    "The endpoint does not speak HTTPS. Check its address and port: Proxmox listens on port 8006.",
		statuses: []int{unanswered}, match: re(`does not look like a TLS handshake|HTTP response to HTTPS client`),
	},
	{
		Name: rowAPIUnreachable, Kind: domain.Unavailable, Reaction: RetrySame, RetryAfter: 10 * time.Second,
		Words:    "No endpoint of the cluster answers{reason}. Check its addresses and the network.",
		statuses: []int{unanswered}, match: re(`dial tcp|dial unix|no such host|i/o timeout|deadline exceeded|connection re(set|fused)|broken pipe|EOF|canceled|` +
			`server closed|not an answer of Proxmox`),
	},
	{
		Name: "timeout inside Proxmox", Kind: domain.Transient, Reaction: RetrySame, RetryAfter: 5 * time.Second,
		Words: "Something inside Proxmox took too long. Try again.",
		match: re(`got timeout|timed out`),
	},
	{
		Name: rowRefused, Kind: domain.Permanent, Reaction: Fail,
		Words: "Proxmox refused{said}. Ask an administrator to look at the node, and then try again.",
	},
}
