package proxmox_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"berth/domain"
	"berth/proxmox"
)

func api(status int, reason string) error { return &proxmox.APIError{Status: status, Reason: reason} }

func fields(name, rule string) error {
	return &proxmox.APIError{Status: 400, Reason: "Parameter verification failed.", Fields: map[string]string{name: rule}}
}

func task(exit string, log ...string) error { return &proxmox.TaskError{ExitStatus: exit, Log: log} }

const skopeo = "command 'skopeo copy docker://r/a:1 oci-archive:/var/lib/vz/template/cache/a.tar.tmp.63' failed: exit code 1"

// Texts as Proxmox VE 9.2 writes them; the keys are the rows.
var realTexts = map[string][]error{
	"config lock busy": {
		api(500, "can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout"),
		api(500, "unable to create CT 100 - can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout"),
		task("can't lock file '/run/lock/lxc/pve-config-121.lock' - got timeout"),
	},
	"storage lock busy": {
		task("unable to create CT 100 - can't lock file '/var/lock/pve-manager/pve-storage-local-lvm' - got timeout"),
		task("cfs-lock 'storage-ceph' error: got lock request timeout"),
		task("'storage-ceph'-locked command timed out - aborting"),
	},
	"user.cfg lock busy": {
		api(500, "ACL update failed: cfs-lock 'file-user_cfg' error: got lock request timeout"),
		task("access permissions cleanup for VM 100 failed: cfs-lock 'file-user_cfg' error: got lock request timeout"),
	},
	"migration lock busy": {
		task("can't lock file '/var/lock/pve-manager/pve-migrate-100' - got timeout"),
		task("Failed to obtain guest migration lock - replication running?"),
	},
	"leftover lock":      {&proxmox.LeftoverError{Node: "pve1", VMID: 101, Lock: "create"}},
	"CT locked":          {api(500, "CT is locked (backup)"), api(500, "CT is locked (create)"), task("CT is locked (snapshot-delete)")},
	"worker not started": {api(500, "got no worker upid - start worker failed"), api(500, "unable to fork worker - Cannot allocate memory")},
	"quorum lost": {
		api(500, "cluster not ready - no quorum?"), api(500, "ACL update failed: cfs-lock 'file-user_cfg' error: no quorum!"),
		task("unable to open file '/etc/pve/nodes/pve1/lxc/305.conf.tmp.1588' - Permission denied"),
	},
	"VMID taken": {
		api(500, "CT 101 already exists on node 'pve1'"), api(500, "VM 100 already exists on node 'pve2'"),
		api(500, "unable to create CT 140 - CT 140 already exists on node 'pve1'"), fields("vmid", "VM 100 already exists"),
		task("close (rename) atomic file '/etc/pve/nodes/pve1/lxc/100.conf' failed: File exists"),
	},
	"CT missing": {
		api(500, "Configuration file 'nodes/pve1/lxc/999.conf' does not exist"), task("Configuration file 'nodes/pve1/lxc/999.conf' does not exist"),
	},
	"already in state":      {api(500, "CT 101 already running"), api(500, "CT 101 not running"), api(500, "VM 101 not running")},
	"CT still running":      {api(500, "unable to destroy CT 101 - container is running")},
	"CT protected":          {api(500, "can't remove CT 100 - protection mode enabled")},
	"digest clash":          {api(500, "detected modified configuration - file changed by other user? Try again.")},
	"disk cannot shrink":    {api(500, "unable to shrink disk size")},
	"disk cannot grow":      {task("can't resize this image format")},
	"pull collides":         {api(500, "refusing to override existing file 'tiny_1.0.tar'")},
	"template storage full": {task(skopeo, `level=fatal msg="writing blob: write /var/lib/vz/x: no space left on device"`)},
	"registry limits pulls": {task(skopeo, `level=fatal msg="toomanyrequests: You have reached your pull rate limit"`)},
	"pull refused": {
		task(skopeo, `level=fatal msg="initializing source docker://r/a:9.9: reading manifest 9.9 in r/a: manifest unknown"`),
		task(skopeo, "unauthorized: authentication required"), task(skopeo, "requested access to the resource is denied"),
		task(skopeo, "no image found in manifest list for architecture"),
	},
	"pull failed for now": {
		task(skopeo, "dial tcp 10.0.0.1:443: i/o timeout"), task(skopeo, "dial tcp: connect: connection refused"),
		task(skopeo, "net/http: TLS handshake timeout"), task(skopeo),
	},
	"skopeo missing":               {api(500, "Install 'skopeo' to pull OCI images from registries.")},
	"rootfs too small":             {task("unable to create CT 100 - Error while extracting OCI image: IO error: x: No space left on device (os error 28)")},
	"rootfs too small for archive": {task("unable to create CT 100 - command 'lxc-usernsexec -- tar xpf -' failed: exit code 2", "tar: ./a: Cannot write: No space left on device")},
	"bad image": {
		task("unable to create CT 1 - Error while parsing OCI image: Unsupported CPU architecture"),
		task("unable to create CT 1 - OCI config value for 'Env' contains forbidden control characters!"),
		task("unable to create CT 190 - command 'lxc-usernsexec -- tar xpf - -J' failed: exit code 2", "xz: File format not recognized"),
	},
	"template missing":       {task("unable to create CT 190 - volume 'local:vztmpl/nope.tar.xz' does not exist")},
	"storage full, LVM-thin": {task("unable to create CT 100 - lvcreate 'pve/vm-100-disk-0' error:   Cannot create new thin volume, free space in thin pool pve/data reached threshold.")},
	"storage full, LVM":      {task("unable to create CT 100 - not enough free space (10 < 20)"), task("lvcreate 'pve/x' error: Volume group has insufficient free space (1 extents)")},
	"storage full, ZFS":      {task("zfs error: cannot create 'rpool/data/subvol-100-disk-0': out of space")},
	"LVM command failed":     {task("unable to create CT 100 - command '/sbin/lvcreate -aly -V 4g' failed: got timeout")},
	"storage offline": {
		api(500, "storage 'x' is not available on node 'n'"), api(500, "storage 'x' is not online"),
		api(500, "connection check for storage 'x' failed - No route to host"),
	},
	"storage missing": {api(500, "storage 'nope' does not exist"), api(500, "storage 'dir2' is disabled"), fields("storage", "No such storage.")},
	"storage without that content": {
		fields("storage", "storage 'local' does not support container directories"),
		api(500, "storage 'ctdir' is not configured for content-type 'vztmpl'"), api(500, "storage 'ctdir' does not support 'vztmpl' content"),
		api(500, "can't upload to storage type 'lvmthin', not a file based storage!"),
	},
	"no DHCP lease":        {task("DHCP failed - command 'lxc-attach -n 100 -s 'NETWORK|UTSNAME' -- aa-exec dhclient eth0' failed: exit code 2")},
	"bridge missing":       {task("bridge 'vmbr77' does not exist")},
	"start failed":         {task("startup for container '100' failed"), task("unable to get PID for CT 100 (not running?)")},
	"application exited":   {errors.New("CT 100 stopped by itself")},
	"shutdown timed out":   {task("container did not stop")},
	"interrupted":          {task("received interrupt"), task("interrupted by signal"), task("unexpected status"), task("unable to get last line from task log - x")},
	"task deadline passed": {fmt.Errorf("task %s has not ended within 1m0s", upid)},
	"CSRF token refused":   {api(401, "Permission denied - invalid csrf token")},
	"credentials refused": {
		api(401, "Authentication failed!"), api(401, "No ticket"), api(401, "permission denied - invalid PVE ticket"), api(401, "authentication failure"),
	},
	"second factor asked for": {errors.New("POST /access/ticket: the login asks for a second factor")},
	"privilege missing":       {api(403, "Permission check failed (/storage/local, Datastore.AllocateTemplate)"), api(403, "Permission check failed")},
	"forbidden":               {api(403, "Forbidden")},
	"task not known":          {fields("upid", "no such task")},
	"realm missing":           {fields("realm", "Realm does not exist."), api(500, "Cannot sync realm type 'pam'! Only LDAP/AD realms can be synced.")},
	"bad request":             {fields("memory", "value must have a minimum value of 16")},
	"own defect": {
		api(501, "chunked transfer encoding not supported"), api(501, "Unexpected content for method 'DELETE'"), api(501, "for data too large"),
		api(506, "upload 'Content-Type 'text/plain' not implemented"),
	},
	"Proxmox too old":     {api(501, "Method 'POST /nodes/x/storage/y/oci-registry-pull' not implemented")},
	"ACL subject missing": {api(500, "ACL update failed: user 'nouser@pve' does not exist"), api(500, "ACL update failed: no such token 'x' for user 'y'")},
	"node unknown":        {api(500, "hostname lookup 'nope' failed - failed to get address info for: nope: Name or service not known")},
	"node unreachable": {
		api(595, "No route to host"), api(595, "Connection refused"), api(595, "Connection timed out"), api(596, "Connection timed out"),
		api(596, "tls_process_server_certificate: certificate verify failed"), api(597, "Broken pipe"), api(599, "Too many redirections"),
	},
	"gateway in the way":      {api(502, "Bad Gateway"), api(503, "Service Unavailable"), api(504, "Gateway Timeout")},
	"not found":               {api(404, "Not Found")},
	"redirected":              {api(301, "Moved Permanently")},
	"resource locked":         {api(423, "Locked")},
	"certificate not trusted": {errors.New("tls: failed to verify certificate: x509: certificate signed by unknown authority")},
	"no HTTPS":                {errors.New("tls: first record does not look like a TLS handshake"), errors.New("http: server gave HTTP response to HTTPS client")},
	"API unreachable":         {errors.New("dial tcp 127.0.0.1:1: connect: connection refused"), errors.New("context deadline exceeded"), errors.New("EOF")},
	"timeout inside Proxmox":  {api(500, "got timeout")},
	"refused":                 {api(500, "SSH public key validation error"), task("job errors")},
}

func TestEveryFailureIsRecognised(t *testing.T) {
	for _, row := range proxmox.Failures() {
		t.Run(row.Name, func(t *testing.T) {
			texts := realTexts[row.Name]
			if len(texts) == 0 {
				t.Fatal("no text for this row")
			}
			for _, err := range texts {
				got := proxmox.Classify(err)
				if got.Name != row.Name || got.Kind != row.Kind || got.Reaction != row.Reaction {
					t.Errorf("%v\n is %s (%s, %s), want %s (%s, %s)", err, got.Name, got.Kind, got.Reaction, row.Name, row.Kind, row.Reaction)
				}
				if got.Words == "" || strings.Contains(got.Words, "$") {
					t.Errorf("%v: words %q", err, got.Words)
				}
			}
		})
	}
	if len(realTexts) != len(proxmox.Failures()) {
		t.Errorf("%d rows, but texts for %d", len(proxmox.Failures()), len(realTexts))
	}
}

func TestWordsNameWhatIsMissing(t *testing.T) {
	got := proxmox.Classify(api(403, "Permission check failed (/vms/100, VM.Audit)")).Words
	if !strings.Contains(got, "/vms/100, VM.Audit") {
		t.Errorf("words %q do not name path and privilege", got)
	}
}

func TestUnknownOutcomeIsAlwaysReconciled(t *testing.T) {
	err := domain.Errorf(domain.UnknownOutcome, "create: %w", api(595, "No route to host"))
	if f := proxmox.Classify(err); f.Name != "node unreachable" || f.Kind != domain.UnknownOutcome || f.Reaction != proxmox.Reconcile {
		t.Errorf("got %+v", f)
	}
}
