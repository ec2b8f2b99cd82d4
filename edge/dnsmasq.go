package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"berth/domain"
	"berth/templates"
)

// Dnsmasq is the Daemon for DHCP and DNS, made by NewDnsmasq. Its methods may run concurrently.
type Dnsmasq struct {
	Options   templates.DnsmasqOptions
	Interface string // that has Options.ListenAddress; leases are released through it
	Exec      Exec   // nil runs programs as they are
	DNS       string // "ip:port" at which to ask this dnsmasq; empty means its own listen address

	mu      sync.Mutex
	served  *served // what was last proved to be served, nil at first
	seen    stamps
	refused refused
	guard   guard
	version string
	reloads int64
	forced  time.Time // when it was last restarted because it did not answer
}

type served struct {
	files    templates.Files
	snapshot domain.Snapshot // validated
}

// refused remembers files that were rolled back, so that retrying them does not interrupt service at every interval.
type refused struct {
	files templates.Files
	err   error
	wait  time.Duration
	until time.Time
}

// Files that were rolled back are tried again after firstRetry, then at twice the time up to lastRetry: what stood in
// the way, such as a port that was taken, may go away.
const (
	firstRetry   = 15 * time.Second
	lastRetry    = 5 * time.Minute
	forceEvery   = time.Minute
	proveTimeout = 5 * time.Second // dnsmasq needs a few ms, but 1 to 2 s to read 10,000 files after a signal
)

// NewDnsmasq returns the Daemon for dnsmasq.
func NewDnsmasq(options templates.DnsmasqOptions, iface string, exec Exec) *Dnsmasq {
	options.LeaseFile = cmp.Or(options.LeaseFile, filepath.Join(options.Dir, "leases"))
	options.PIDFile = cmp.Or(options.PIDFile, filepath.Join(options.Dir, "dnsmasq.pid"))
	options.Port = cmp.Or(options.Port, 53)
	return &Dnsmasq{Options: options, Interface: iface, Exec: exec, seen: stamps{}, guard: newGuard()}
}

// Died implements Daemon.
func (d *Dnsmasq) Died() <-chan struct{} { return d.guard.died }

// Apply implements Daemon.
func (d *Dnsmasq) Apply(ctx context.Context, snapshot domain.Snapshot) ([]templates.Problem, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	want, problems, err := templates.Dnsmasq(snapshot, d.Options)
	if err != nil {
		return nil, errors.Join(err, d.heal(ctx))
	}
	next := served{files: want}
	if next.snapshot, _, err = templates.ValidateSnapshot(snapshot); err != nil {
		return nil, err
	}
	if d.refused.err != nil && time.Now().Before(d.refused.until) && maps.Equal(want, d.refused.files) {
		return problems, errors.Join(d.refused.err, d.heal(ctx))
	}
	if blame, err := d.converge(ctx, next); err != nil {
		if blame && (d.served == nil || !maps.Equal(want, d.served.files)) {
			d.remember(want, err)
		}
		return problems, errors.Join(err, d.heal(ctx))
	}
	before := d.served
	d.served, d.refused = &next, refused{}
	if err := d.release(ctx, next.snapshot); err != nil {
		return problems, err
	}
	if before != nil {
		err = d.proveGone(ctx, before.snapshot, next.snapshot)
	}
	return problems, errors.Join(err, trimLog(d.Options.LogFile))
}

func (d *Dnsmasq) remember(files templates.Files, err error) {
	wait := firstRetry
	if maps.Equal(files, d.refused.files) {
		wait = min(2*d.refused.wait, lastRetry)
	}
	d.refused = refused{files: files, err: err, wait: wait, until: time.Now().Add(wait)}
}

// heal brings back what was last served, after something else failed.
func (d *Dnsmasq) heal(ctx context.Context) error {
	if d.served == nil {
		return nil
	}
	if _, err := d.converge(ctx, *d.served); err != nil {
		return fmt.Errorf("roll back to revision %d: %w", d.served.snapshot.Revision, err)
	}
	return nil
}

// effort is what it takes dnsmasq to notice a change; each includes the ones before it.
type effort int

const (
	none    effort = iota
	touch          // files in hosts and additions in dhcp: dnsmasq watches the folders
	reload         // deletions and changes in dhcp: SIGHUP
	restart        // the main configuration, or it does not run
)

// converge makes the files on disk the wanted ones and dnsmasq serve them. blame says that an error came from serving
// these very files, so that trying them again would interrupt service again.
//
// The order of the swap survives a crash at any point: the generation marker goes first and the revision marker last, so
// that what dnsmasq announces differs from the markers on disk until it has read everything.
func (d *Dnsmasq) converge(ctx context.Context, next served) (blame bool, err error) {
	files := d.tree()
	fresh, err := files.prepare()
	if err != nil {
		return false, err
	}
	c, err := files.diff(next.files)
	if err != nil {
		return false, err
	}
	running := d.running()
	lag, err := d.lag(ctx, next)
	if err != nil && running && !d.mayForce() {
		return false, err
	}
	need := max(needed(c), lag)
	if fresh || !running {
		need = restart
	}
	if need == none {
		return false, nil
	}
	mark := newMarker(next.snapshot.Revision)
	staged := maps.Clone(next.files)
	staged[templates.DnsmasqRevision] = templates.Marker(templates.MarkerRevision, next.snapshot.Domain, mark)
	staged[templates.DnsmasqGeneration] = templates.Marker(templates.MarkerGeneration, next.snapshot.Domain, mark)
	changed := append(append([]string{}, c.added...), c.rewritten...)
	if err := files.stage(staged, append(changed, templates.DnsmasqRevision, templates.DnsmasqGeneration)...); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, files.unstage()) }()
	if need == restart {
		if err := d.test(ctx, next.files); err != nil {
			return false, err
		}
	}
	generation := need >= reload
	if generation {
		if err := files.swap(templates.DnsmasqGeneration); err != nil {
			return true, err
		}
	}
	err = errors.Join(files.swap(changed...), files.remove(c.removed...), files.swap(templates.DnsmasqRevision))
	for ; err == nil; need++ {
		if need >= reload && !generation {
			generation = true
			err = files.swap(templates.DnsmasqGeneration)
		}
		if err == nil {
			err = d.act(ctx, need)
		}
		if err != nil {
			break
		}
		if err = d.prove(ctx, need, mark, next, c); err == nil || need == restart || ctx.Err() != nil {
			break
		}
		if meanwhile, diffErr := files.diff(next.files); diffErr != nil || !meanwhile.empty() {
			return false, err // somebody changed the files just now, which the next Apply heals
		}
		if need+1 == restart && !d.mayForce() {
			break
		}
		err = nil // try harder
	}
	return true, err
}

func needed(c change) effort {
	switch {
	case c.empty():
		return none
	case c.touches(templates.DnsmasqConf), slices.Contains(c.added, templates.DnsmasqConf):
		return restart
	case c.touches(templates.DnsmasqDHCP):
		return reload
	}
	return touch
}

// mayForce reports whether a dnsmasq that does not answer may be restarted: not over and over, because it may be the way
// to it that is broken, and DHCP still works.
func (d *Dnsmasq) mayForce() bool {
	if time.Since(d.forced) < forceEvery {
		return false
	}
	d.forced = time.Now()
	return true
}

// act makes dnsmasq read what it does not notice by itself.
func (d *Dnsmasq) act(ctx context.Context, need effort) error {
	switch need {
	case reload:
		d.reloads++
		if pid := d.process().find(); pid != 0 {
			return d.process().signal(pid, syscall.SIGHUP)
		}
		return nil // it died just now, which prove will find
	case restart:
		return d.restart(ctx)
	}
	return nil
}

func (d *Dnsmasq) restart(ctx context.Context) error {
	if d.served != nil || d.process().find() != 0 {
		d.reloads++
	}
	d.guard.unwatch()
	if err := d.process().stop(ctx); err != nil {
		return err
	}
	if _, err := d.Exec.run(ctx, "dnsmasq", d.confArg()); err != nil {
		return err
	}
	if !d.running() {
		return domain.Errorf(domain.Transient, "dnsmasq ended right after its start")
	}
	return nil
}

// test has dnsmasq check the staged configuration.
func (d *Dnsmasq) test(ctx context.Context, want templates.Files) error {
	const path = "test.conf"
	files := d.tree()
	if err := files.stage(templates.Files{path: want[templates.DnsmasqConf]}, path); err != nil {
		return err
	}
	_, err := d.Exec.run(ctx, "dnsmasq", "--test", "--conf-file="+files.staged(path))
	return err
}

func (d *Dnsmasq) tree() tree {
	return tree{
		dir:   d.Options.Dir,
		owned: []string{templates.DnsmasqHosts, templates.DnsmasqDHCP},
		keep:  []string{templates.DnsmasqRevision},
		seen:  d.seen,
	}
}

func (d *Dnsmasq) confArg() string {
	return "--conf-file=" + filepath.Join(d.Options.Dir, templates.DnsmasqConf)
}

func (d *Dnsmasq) process() process {
	return process{program: "dnsmasq", arg: d.confArg(), pidFile: d.Options.PIDFile}
}

// running reports whether dnsmasq runs, and sees to it that its end will be noticed.
func (d *Dnsmasq) running() bool { return d.guard.watch(d.process().find()) }

// Stop implements Daemon.
func (d *Dnsmasq) Stop(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.guard.unwatch()
	d.served = nil
	return d.process().stop(ctx)
}

// Detach implements Daemon.
func (d *Dnsmasq) Detach() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.guard.unwatch()
}

// Status implements Daemon.
func (d *Dnsmasq) Status(ctx context.Context) (Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.version == "" {
		words, err := d.Exec.run(ctx, "dnsmasq", "--version")
		if err != nil {
			return Status{}, err
		}
		if f := strings.Fields(words); len(f) > 2 { // "Dnsmasq version 2.90  Copyright ..."
			d.version = f[2]
		}
	}
	leases, err := readLeases(d.Options.LeaseFile)
	status := Status{Name: "dnsmasq", Version: d.version, Reloads: d.reloads, Leases: make([]domain.Lease, 0, len(leases))}
	for _, l := range leases {
		status.Leases = append(status.Leases, l.Lease)
	}
	return status, err
}
