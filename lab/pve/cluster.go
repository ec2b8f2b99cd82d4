package pve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"berth/lab/guest"
)

// Cluster is a running simulated cluster.
type Cluster struct {
	name      string
	nodes     []Node
	timings   Timings
	runtime   guest.Runtime
	puller    Puller
	directory Directory
	log       *slog.Logger
	folder    string
	router    router
	now       func() time.Time
	started   time.Time

	// mu guards everything below. It is never held while a guest.Runtime, Puller or Directory works.
	mu       sync.Mutex
	state    *state
	away     map[string]time.Time // nodes that are away, since when
	quorum   *bool                // nil: the majority of the nodes decides
	faults   faults
	tasks    taskList
	locks    map[int]chan struct{} // config locks by VMID; a full channel is locked
	stats    map[int]guestStats
	statsAt  time.Time
	servers  []*http.Server
	closed   bool
	closing  context.Context
	shutdown context.CancelFunc
	workers  sync.WaitGroup
}

// New opens the cluster in cfg.DataDir, making it when it is new, and starts the guests that start on boot, as nodes do.
func New(cfg Config) (*Cluster, error) {
	if len(cfg.Nodes) == 0 {
		return nil, errors.New("a cluster needs at least one node")
	}
	if cfg.Runtime == nil {
		return nil, errors.New("a cluster needs a guest runtime")
	}
	if err := os.MkdirAll(cfg.DataDir, 0o755); err != nil {
		return nil, fmt.Errorf("make the lab's data folder: %w", err)
	}
	s, err := loadState(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		name: cfg.Name, nodes: withNodeDefaults(cfg.Nodes), timings: cfg.Timings.withDefaults(),
		runtime: cfg.Runtime, puller: cfg.Puller, directory: cfg.Directory, log: cfg.Log, folder: cfg.DataDir,
		router: router{operations: operations()}, now: time.Now, started: time.Now(),
		state: s, away: map[string]time.Time{}, locks: map[int]chan struct{}{}, stats: map[int]guestStats{},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.closing, c.shutdown = context.WithCancel(context.Background())
	if err := c.loadTasks(); err != nil {
		return nil, err
	}
	if err := c.makeFolders(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.state.Users[rootUser].Digest = c.digest(cfg.RootPassword)
	err = c.makeTokens(cfg.Tokens)
	c.save()
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, n := range c.nodes {
		c.bootNode(n.Name)
	}
	return c, nil
}

func withNodeDefaults(nodes []Node) []Node {
	out := append([]Node(nil), nodes...)
	for i := range out {
		n := &out[i]
		if n.MemoryBytes == 0 {
			n.MemoryBytes = 16 << 30
		}
		if n.CPUs == 0 {
			n.CPUs = 4
		}
		if n.DiskBytes == 0 {
			n.DiskBytes = 256 << 30
		}
		if n.Address == "" {
			n.Address = fmt.Sprintf("10.99.0.%d/24", i+1)
		}
	}
	return out
}

// makeTokens makes the tokens of the configuration, with their users and grants. c.mu is held.
func (c *Cluster) makeTokens(tokens []Token) error {
	for _, t := range tokens {
		parts := tokenIDPattern.FindStringSubmatch(t.ID)
		if parts == nil {
			return fmt.Errorf("token ID %q is not user@realm!name", t.ID)
		}
		who := identity{user: parts[1] + "@" + parts[2], token: parts[3]}
		u := c.state.Users[who.user]
		if u == nil {
			u = &user{Enable: true}
			c.state.Users[who.user] = u
		}
		if u.Tokens == nil {
			u.Tokens = map[string]*token{}
		}
		u.Tokens[who.token] = &token{Digest: c.digest(t.Secret), Privsep: t.Separate, Expire: t.Expire}
		for _, g := range t.Grants {
			entry := aclEntry{Path: g.Path, Type: "user", ID: who.user, Role: g.Role, Propagate: true}
			if t.Separate {
				entry.Type, entry.ID = "token", who.String()
			}
			c.state.grant(entry)
		}
	}
	return nil
}

// grant adds an ACL entry, replacing the one for the same role.
func (s *state) grant(entry aclEntry) {
	s.revoke(entry)
	s.ACL = append(s.ACL, entry)
}

func (s *state) revoke(entry aclEntry) {
	kept := s.ACL[:0]
	for _, e := range s.ACL {
		if e.Path != entry.Path || e.Type != entry.Type || e.ID != entry.ID || e.Role != entry.Role {
			kept = append(kept, e)
		}
	}
	s.ACL = kept
}

func (c *Cluster) nodeNamed(name string) *Node {
	for i := range c.nodes {
		if c.nodes[i].Name == name {
			return &c.nodes[i]
		}
	}
	return nil
}

// address is the node's IP address.
func (n *Node) address() string {
	ip, _, _ := strings.Cut(n.Address, "/")
	return ip
}

// addServer registers a server for Close; false when the cluster is closed already.
func (c *Cluster) addServer(s *http.Server) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.servers = append(c.servers, s)
	return true
}

// Close stops the servers and ends as a power failure of all nodes would: workers are killed, what they left stays.
// Guests and the Runtime belong to the caller.
func (c *Cluster) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	servers := c.servers
	c.mu.Unlock()
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.Close())
	}
	c.killWorkers("")
	c.shutdown()
	done := make(chan struct{})
	go func() {
		c.workers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		errs = append(errs, fmt.Errorf("wait for the lab's workers: %w", ctx.Err()))
	}
	c.mu.Lock()
	c.save()
	c.mu.Unlock()
	return errors.Join(errs...)
}
