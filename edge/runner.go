package edge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2" // write, fsync, rename: a kept snapshot is whole or not there
	"golang.org/x/sync/errgroup"

	"berth/domain"
	"berth/templates"
)

// Runner makes the daemons of one edge serve its site. Set the fields, then call Run once.
type Runner struct {
	Source   Source
	Daemons  []Daemon
	Dir      string            // holds the last good snapshot
	Address  string            // reported: IPv4 in the site's network
	Versions map[string]string // reported beside those of the daemons, such as "berth"
	Interval time.Duration     // between reports, and between looks at the daemons; 0 means domain.EdgeReportInterval
	Wait     time.Duration     // of a long poll; 0 means 25 s, less than the minute that proxies allow
	Retry    time.Duration     // after the source failed, doubled up to 15 times; 0 means 1 s
	Log      *slog.Logger

	mu      sync.Mutex
	wanted  *domain.Snapshot
	applied int64     // revision
	trouble [2]string // with the source, with applying; empty when all is well
	leftOut []domain.LeftOut
	changed chan struct{}
}

const (
	keptSnapshot = "snapshot.json"
	defaultWait  = 25 * time.Second
	defaultRetry = time.Second
	maxRetries   = 15          // times Retry
	reviveAfter  = time.Second // a daemon that ends right after its start is left to the next interval
)

// Run serves until ctx ends, and then returns nil; the daemons run on. It returns an error only when it could not start.
func (r *Runner) Run(ctx context.Context) error {
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return fmt.Errorf("start the edge: %w", err)
	}
	r.changed = make(chan struct{}, 1)
	kept, err := Kept(r.Dir)
	if err != nil {
		r.Log.Warn("the kept snapshot is of no use", "error", err) // the source has a new one
	}
	updates, wake := make(chan domain.Snapshot), make(chan struct{}, 1)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { r.follow(ctx, updates); return nil })
	g.Go(func() error { r.report(ctx); return nil })
	for _, d := range r.Daemons {
		g.Go(func() error { forward(ctx, d.Died(), wake); return nil })
	}
	g.Go(func() error { r.serve(ctx, kept, updates, wake); return nil })
	defer func() {
		for _, d := range r.Daemons {
			d.Detach()
		}
	}()
	return g.Wait()
}

// Stop ends the daemons, after Run has returned.
func (r *Runner) Stop(ctx context.Context) error {
	var errs []error
	for _, d := range r.Daemons {
		errs = append(errs, d.Stop(ctx))
	}
	return errors.Join(errs...)
}

// serve applies each new snapshot, and the current one again at every interval and when a daemon died.
func (r *Runner) serve(ctx context.Context, kept *domain.Snapshot, updates <-chan domain.Snapshot, wake <-chan struct{}) {
	done := false // the wanted snapshot is applied and kept
	if kept != nil {
		done = r.apply(ctx, *kept, true)
	}
	ticker := time.NewTicker(cmp.Or(r.Interval, domain.EdgeReportInterval))
	defer ticker.Stop()
	var revived time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-updates:
			done = r.apply(ctx, s, false)
			continue
		case <-ticker.C:
		case <-wake:
			if time.Since(revived) < reviveAfter {
				continue
			}
			revived = time.Now()
		}
		if r.wanted != nil {
			done = r.apply(ctx, *r.wanted, done)
		}
	}
}

// apply brings a snapshot to all daemons. It counts as applied once they all serve it and it is kept on disk, as a
// restart without it would bring back what was released.
func (r *Runner) apply(ctx context.Context, s domain.Snapshot, kept bool) bool {
	r.mu.Lock()
	r.wanted = &s
	r.mu.Unlock()
	var words []string
	var all []templates.Problem
	keep := func() error { return nil }
	var err error
	if !kept {
		keep, err = r.keep(s)
	}
	if err == nil {
		var errs []error
		for _, d := range r.Daemons {
			problems, err := d.Apply(ctx, s)
			errs = append(errs, err)
			all = append(all, problems...)
		}
		if err = errors.Join(errs...); err == nil {
			err = keep()
		}
	}
	if ctx.Err() != nil {
		return false // interrupted, which is no result
	}
	if err != nil {
		words = append(words, fmt.Sprintf("revision %d: %v", s.Revision, err))
	}
	words = append(words, lines(all)...)
	r.mu.Lock()
	if err == nil {
		r.applied, r.leftOut = s.Revision, servicesIn(s, all)
	}
	r.mu.Unlock()
	r.say(1, strings.Join(words, "\n"))
	r.kick()
	return kept || err == nil
}

func lines(problems []templates.Problem) []string {
	all := make([]string, len(problems))
	for i, p := range problems {
		all[i] = p.String()
	}
	return all
}

// servicesIn picks the problems with services of a snapshot.
func servicesIn(s domain.Snapshot, problems []templates.Problem) []domain.LeftOut {
	of := make(map[string]bool, len(s.Services))
	for _, v := range s.Services {
		of[v.ID] = true
	}
	left := []domain.LeftOut{}
	for _, p := range problems {
		if of[p.ID] {
			left = append(left, domain.LeftOut{ServiceID: p.ID, Reason: p.Reason})
		}
	}
	return left
}

// follow fetches snapshots until ctx ends.
func (r *Runner) follow(ctx context.Context, updates chan<- domain.Snapshot) {
	etag := ""
	retry := cmp.Or(r.Retry, defaultRetry)
	for wait := retry; ctx.Err() == nil; {
		s, newETag, changed, err := r.Source.Snapshot(ctx, etag, cmp.Or(r.Wait, defaultWait))
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.say(0, fmt.Sprintf("serving on without news: %v", err))
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
			wait = min(2*wait, maxRetries*retry)
			continue
		}
		wait = retry
		r.say(0, "")
		if !changed {
			continue
		}
		select {
		case updates <- s:
			etag = newETag
		case <-ctx.Done():
		}
	}
}

// report tells the source how the edge is doing, at every interval and after every apply.
func (r *Runner) report(ctx context.Context) {
	ticker := time.NewTicker(cmp.Or(r.Interval, domain.EdgeReportInterval))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-r.changed:
		}
		if err := r.Source.Report(ctx, r.Status(ctx)); err != nil && ctx.Err() == nil {
			r.Log.Warn("the report did not arrive", "error", err)
		}
	}
}

// Status returns what the edge reports about itself.
func (r *Runner) Status(ctx context.Context) domain.EdgeReport {
	r.mu.Lock()
	report := domain.EdgeReport{
		Address: r.Address, Applied: r.applied, Versions: maps.Clone(r.Versions), Leases: []domain.Lease{},
		Message: strings.Trim(strings.Join(r.trouble[:], "\n"), "\n"), LeftOut: slices.Clone(r.leftOut),
	}
	if r.wanted != nil {
		report.Fetched = r.wanted.Revision
	}
	r.mu.Unlock()
	if report.Versions == nil {
		report.Versions = map[string]string{}
	}
	for _, d := range r.Daemons {
		status, err := d.Status(ctx)
		if err != nil {
			report.Message = strings.TrimPrefix(report.Message+"\n"+err.Error(), "\n")
			continue
		}
		report.Versions[status.Name] = status.Version
		report.Leases = append(report.Leases, status.Leases...)
		report.Reloads += status.Reloads
	}
	return report
}

// say notes what troubles the edge and logs it once.
func (r *Runner) say(where int, words string) {
	r.mu.Lock()
	before := r.trouble[where]
	r.trouble[where] = words
	r.mu.Unlock()
	switch words {
	case before:
	case "":
		r.Log.Info("all is well again", "was", before)
	default:
		r.Log.Error("trouble", "message", words)
	}
}

func (r *Runner) kick() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func forward(ctx context.Context, from <-chan struct{}, to chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-from:
		}
		select {
		case to <- struct{}{}:
		default:
		}
	}
}

// Kept returns the last good snapshot that an edge kept in its folder, nil when there is none.
func Kept(dir string) (*domain.Snapshot, error) {
	content, err := os.ReadFile(filepath.Join(dir, keptSnapshot))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the kept snapshot: %w", err)
	}
	var s domain.Snapshot
	if err := json.Unmarshal(content, &s); err != nil {
		return nil, fmt.Errorf("read the kept snapshot: %w", err)
	}
	return &s, nil
}

// keep writes a snapshot beside the last good one, and returns the function that puts it into its place. A full disk
// shows here, before anything is changed.
func (r *Runner) keep(s domain.Snapshot) (commit func() error, err error) {
	content, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("keep the snapshot: %w", err)
	}
	path := filepath.Join(r.Dir, keptSnapshot)
	if err := renameio.WriteFile(path+".next", content, 0o600); err != nil {
		return nil, fmt.Errorf("keep the snapshot: %w", err)
	}
	return func() error {
		if err := os.Rename(path+".next", path); err != nil {
			return fmt.Errorf("keep the snapshot: %w", err)
		}
		return nil
	}, nil
}
