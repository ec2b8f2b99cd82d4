package pve

import (
	"context"
	"log/slog"
	"time"

	"berth/lab/guest"
)

// Config describes the simulated cluster.
type Config struct {
	Name         string // cluster name; shown when there is more than one node
	Nodes        []Node
	RootPassword string // of root@pam
	Tokens       []Token
	DataDir      string // configuration, task archive, templates and volumes live here and survive a restart
	Runtime      guest.Runtime
	Puller       Puller // how nodes fetch OCI images; nil makes pulls fail as without skopeo
	Directory    Directory
	Timings      Timings
	Log          *slog.Logger // nil discards
}

// Node is one member of the cluster.
type Node struct {
	Name        string
	Address     string   // IPv4 prefix of its first bridge, such as "198.18.0.2/15"
	Bridges     []string // names; guests can only be attached to these
	Storages    []Storage
	MemoryBytes int64 // 0 = 16 GiB
	CPUs        int   // 0 = 4
	DiskBytes   int64 // size of the root file system; 0 = 256 GiB
}

// Storage is a storage of one node, kept as a folder below Config.DataDir.
type Storage struct {
	Name      string
	Type      string   // "dir" (default) or "btrfs"
	Content   []string // of "vztmpl", "rootdir", "images", "iso", "backup", "snippets", "import"
	Path      string   // as shown in answers and logs; "" = /var/lib/vz for "local", else /var/lib/<name>
	SizeBytes int64    // 0 = the node's DiskBytes
	Disabled  bool
}

// Token is an API token made at start when it does not exist yet, with its user.
type Token struct {
	ID       string // user@realm!name
	Secret   string // UUID form
	Separate bool   // privilege separation: the token has only what Grants gives it
	Grants   []Grant
	Expire   int64 // Unix time; 0 = never
}

// Grant gives a role on a path, propagating, to a token with separated privileges or else to its user.
type Grant struct {
	Path string
	Role string
}

// Puller fetches an OCI image, as skopeo does for oci-registry-pull.
type Puller interface {
	// Pull writes the image of reference (host/path:tag) to dstTar as an OCI archive. What logf gets appears in the task log.
	Pull(ctx context.Context, reference, dstTar string, logf guest.Logf) error
	// Tags lists the tags of a repository (host/path).
	Tags(ctx context.Context, repository string) ([]string, error)
}

// Directory answers what a realm of type ldap or ad holds, and checks passwords against it.
type Directory interface {
	// Fetch lists users and groups of the realm with these settings (the parameters of its creation).
	Fetch(ctx context.Context, settings map[string]string) (DirectoryContent, error)
	// Check verifies a user's password.
	Check(ctx context.Context, settings map[string]string, user, password string) error
}

// DirectoryContent is what a realm sync finds.
type DirectoryContent struct {
	Users  []DirectoryUser
	Groups map[string][]string // name -> user names, both without realm
}

// DirectoryUser is a user of a realm.
type DirectoryUser struct {
	Name, Email, FirstName, LastName string
}

// Timings are the waits of a real cluster. The zero value has as few as possible, which suits tests; RealTimings has
// Proxmox's.
type Timings struct {
	AuthDelay       time.Duration // before every 401
	CreateLock      time.Duration // how long POST lxc waits for a config lock; 0 = 5 s
	ConfigLock      time.Duration // how long everything else waits for it; 0 = 10 s
	QuorumWait      time.Duration // before a write of user.cfg fails without quorum
	ProxyFail       time.Duration // before 595 for a node that is away
	NodeLag         time.Duration // until the cluster notices that a node went away
	ResourcesLag    time.Duration // age up to which /cluster/resources answers from its cache
	StatsLife       time.Duration // how long guests of a dead node keep their last known status
	KillAfter       time.Duration // between interrupting a worker and killing it
	TicketLife      time.Duration // 0 = 2 h
	ShutdownTimeout time.Duration // of shutdown and reboot without a timeout parameter; 0 = 60 s
}

// RealTimings are those of a real cluster.
func RealTimings() Timings {
	return Timings{
		AuthDelay:    3 * time.Second,
		QuorumWait:   10 * time.Second,
		ProxyFail:    3 * time.Second,
		NodeLag:      10 * time.Second,
		ResourcesLag: 10 * time.Second,
		StatsLife:    5 * time.Minute,
		KillAfter:    5 * time.Second,
	}.withDefaults()
}

func (t Timings) withDefaults() Timings {
	for field, standard := range map[*time.Duration]time.Duration{
		&t.CreateLock:      5 * time.Second,
		&t.ConfigLock:      10 * time.Second,
		&t.TicketLife:      2 * time.Hour,
		&t.ShutdownTimeout: time.Minute,
	} {
		if *field == 0 {
			*field = standard
		}
	}
	return t
}

func (s Storage) holds(content string) bool {
	for _, c := range s.Content {
		if c == content {
			return true
		}
	}
	return false
}

func (s Storage) shownPath() string {
	switch {
	case s.Path != "":
		return s.Path
	case s.Name == "local":
		return "/var/lib/vz"
	default:
		return "/var/lib/" + s.Name
	}
}
