package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"berth/domain"
	"berth/templates"
)

// Nginx is the Daemon for HTTP, TCP and UDP, made by NewNginx. Its methods may run concurrently.
//
// Each change is a folder of its own, a generation, to which the link "current" leads: the real nginx tests it before the link
// is changed, and changing it back undoes everything.
type Nginx struct {
	Options templates.NginxOptions // RunDir holds everything; Dir is the link in it
	Exec    Exec                   // nil runs programs as they are

	mu       sync.Mutex
	served   templates.Files // what was last proved to be served, nil at first
	seen     stamps
	verdicts verdicts
	guard    guard
	version  string
	reloads  int64
}

const (
	current       = "current"
	generation    = "generation-"
	reloadTimeout = 15 * time.Second // 10,000 names in a block each would take 8 s; ours take 0.1 s
)

// NewNginx returns the Daemon for nginx, which keeps everything in a folder.
func NewNginx(dir string, options templates.NginxOptions, exec Exec) *Nginx {
	options.RunDir, options.Dir = dir, filepath.Join(dir, current)
	return &Nginx{Options: options, Exec: exec, seen: stamps{}, verdicts: verdicts{}, guard: newGuard()}
}

// Died implements Daemon.
func (n *Nginx) Died() <-chan struct{} { return n.guard.died }

// Apply implements Daemon. A service that nginx refuses is left out, in nginx's words, and tried again from time to time.
func (n *Nginx) Apply(ctx context.Context, snapshot domain.Snapshot) ([]templates.Problem, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.prepare(ctx); err != nil {
		return nil, err
	}
	for {
		allowed, refused := n.verdicts.apply(snapshot)
		files, left, err := templates.Nginx(allowed, n.Options)
		if err != nil {
			return nil, err
		}
		left = append(left, refused...)
		err = n.converge(ctx, files)
		if err == nil {
			n.served = files
			return left, n.trimLogs()
		}
		if ctx.Err() != nil || !n.judge(ctx, allowed, err) {
			return left, errors.Join(err, n.heal(ctx))
		}
	}
}

// heal brings back what was last served, after something else failed.
func (n *Nginx) heal(ctx context.Context) error {
	if n.served == nil {
		return nil
	}
	if err := n.converge(ctx, n.served); err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

// prepare makes what has to be there before anything else, and looks at what nginx can do.
func (n *Nginx) prepare(ctx context.Context) error {
	for _, dir := range []string{"", "temp"} {
		if err := os.MkdirAll(filepath.Join(n.Options.RunDir, dir), 0o755); err != nil {
			return fmt.Errorf("make nginx's folder: %w", err)
		}
	}
	if err := n.detect(ctx); err != nil {
		return err
	}
	return selfSigned(filepath.Join(n.Options.RunDir, templates.SelfSignedChain), filepath.Join(n.Options.RunDir, templates.SelfSignedKey))
}

var (
	nginxVersion = regexp.MustCompile(`nginx version: \S+/(\d+)\.(\d+)\.(\d+)`)
	http2Since   = []int{1, 25, 1} // the directive; before, it is a parameter of listen
)

// ipv6Addresses is there unless the kernel lacks IPv6.
const ipv6Addresses = "/proc/net/if_inet6"

// debianModule is where Debian's libnginx-mod-stream puts it.
const debianModule = "/usr/lib/nginx/modules/ngx_stream_module.so"

func (n *Nginx) detect(ctx context.Context) error {
	if n.version != "" {
		return nil
	}
	words, err := n.Exec.run(ctx, "nginx", "-V")
	if err != nil {
		return err
	}
	m := nginxVersion.FindStringSubmatch(words)
	if m == nil {
		return domain.Errorf(domain.Permanent, "nginx -V does not tell its version: %s", words)
	}
	version := make([]int, 3)
	for i := range version {
		if version[i], err = strconv.Atoi(m[i+1]); err != nil {
			return domain.Errorf(domain.Permanent, "nginx -V does not tell its version: %s", words)
		}
	}
	n.Options.HTTP2 = slices.Compare(version, http2Since) >= 0
	_, missing := os.Stat(debianModule)
	switch {
	case strings.Contains(words, "--with-stream=dynamic") && missing == nil:
		n.Options.Stream, n.Options.StreamModule = true, debianModule
	case strings.Contains(words, "--with-stream=dynamic"):
		n.Options.Stream = false
	default:
		n.Options.Stream = strings.Contains(words, "--with-stream ") || strings.HasSuffix(words, "--with-stream")
	}
	if _, err := os.Stat(ipv6Addresses); len(n.Options.Listen) == 0 && errors.Is(err, os.ErrNotExist) {
		n.Options.Listen = []string{"0.0.0.0"} // nginx would refuse to listen on [::]
	}
	n.version = strings.Join(m[1:], ".")
	return nil
}

// objection is nginx's own no to a configuration.
type objection struct {
	words  string
	reload bool // it was not the test that said it
}

func (r *objection) Error() string { return "nginx refuses the configuration: " + r.words }

// converge makes the files on disk the wanted ones and nginx serve them. On error what was current stays so.
func (n *Nginx) converge(ctx context.Context, want templates.Files) error {
	pid := n.process().find()
	if pid != 0 && n.onDisk(want) && n.digest(ctx) == want[templates.NginxDigest] {
		n.guard.watch(pid)
		return nil
	}
	before, _ := os.Readlink(n.Options.Dir) // empty at first
	name := generation + strconv.FormatInt(time.Now().UnixNano(), 36)
	if err := n.write(name, want); err != nil {
		return errors.Join(err, n.discard(name))
	}
	if err := n.test(ctx, name, want); err != nil {
		return errors.Join(err, n.discard(name))
	}
	if err := n.link(name); err != nil {
		return errors.Join(err, n.discard(name))
	}
	if err := n.load(ctx, want); err != nil {
		if before != "" {
			err = errors.Join(err, n.link(before), n.discard(name))
		}
		return err
	}
	return n.sweep(name)
}

// load makes nginx read what is current, and proves that it serves it.
func (n *Nginx) load(ctx context.Context, want templates.Files) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	since := n.logEnd()
	pid := n.process().find()
	var old []int
	if pid != 0 {
		n.reloads++
		old = workers(pid)
		if err := n.process().signal(pid, syscall.SIGHUP); err != nil {
			return err
		}
	} else if err := n.start(ctx); err != nil {
		return err
	}
	err := poll(ctx, func() (bool, error) {
		if words := n.emergency(since); words != "" {
			return false, &objection{words: words, reload: true}
		}
		if n.process().find() == 0 {
			return false, domain.Errorf(domain.Transient, "it ended")
		}
		// Old workers answer until they have closed their sockets: only then everybody gets the new configuration.
		return n.digest(ctx) == want[templates.NginxDigest] && !slices.ContainsFunc(old, accepting), nil
	})
	if err != nil {
		return fmt.Errorf("nginx does not serve the configuration: %w", err)
	}
	n.guard.watch(n.process().find())
	return nil
}

func (n *Nginx) start(ctx context.Context) error {
	if n.served != nil {
		n.reloads++
	}
	// A socket that a killed nginx left cannot be bound again.
	if err := os.Remove(n.run(templates.NginxSocket)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("start nginx: %w", err)
	}
	words, err := n.Exec.run(ctx, "nginx", "-p", n.Options.RunDir, "-e", n.run("error.log"), "-c", n.conf())
	if err != nil {
		return &objection{words: cmp.Or(reasonIn(words), err.Error()), reload: true}
	}
	return nil
}

// test has nginx check a generation, at its own paths.
func (n *Nginx) test(ctx context.Context, name string, want templates.Files) error {
	conf := strings.ReplaceAll(want[templates.NginxConf], n.Options.Dir+"/", n.run(name)+"/")
	path := filepath.Join(n.run(name), "test.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	words, err := n.Exec.run(ctx, "nginx", "-t", "-q", "-p", n.Options.RunDir, "-e", "stderr", "-c", path)
	if err != nil && ctx.Err() == nil {
		return &objection{words: cmp.Or(reasonIn(words), err.Error())}
	}
	return err
}

// Stop implements Daemon.
func (n *Nginx) Stop(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.guard.unwatch()
	n.served = nil
	return n.process().stop(ctx)
}

// Detach implements Daemon.
func (n *Nginx) Detach() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.guard.unwatch()
}

// Status implements Daemon.
func (n *Nginx) Status(ctx context.Context) (Status, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.detect(ctx)
	return Status{Name: "nginx", Version: n.version, Reloads: n.reloads}, err
}

func (n *Nginx) run(name string) string { return filepath.Join(n.Options.RunDir, name) }

func (n *Nginx) conf() string { return filepath.Join(n.Options.Dir, templates.NginxConf) }

func (n *Nginx) process() process {
	return process{program: "nginx", arg: n.conf(), title: "nginx: master process ", pidFile: n.run(templates.NginxPID)}
}
