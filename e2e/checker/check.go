//go:build e2e

package checker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// World is the installation to judge, and where to look.
type World struct {
	PVE      PVE
	Nodes    []string
	Volumes  func(node string) string // folder with the volumes of a node's guests, one sub-folder per VMID
	API      string
	HTTP     *http.Client // for the API
	Token    string       // of an administrator
	Driver   string       // of database/sql; empty means that Database is the path of an SQLite file
	Database string
	Edges    []Edge
	Domain   string
	Network  netip.Prefix
	Foreign  []int // VMIDs of guests that are nobody's business
}

// facts are everything that was found.
type facts struct {
	containers []Container
	books      books
	cts        []CT
	volumes    []volume
	folders    []volume // on disk
	acls       map[int][]string
	edges      []served
}

// served is what one dnsmasq has.
type served struct {
	hosts, reservations, leases []line
	names                       map[string][]string // address -> names, by asking for every address of the network
	published                   []string            // public names and ports that nginx is configured for
}

func (w World) look(ctx context.Context) (f facts, err error) {
	if f.containers, err = w.containers(ctx); err != nil {
		return f, err
	}
	if f.books, err = w.books(ctx); err != nil {
		return f, err
	}
	if f.acls, err = w.PVE.acls(ctx); err != nil {
		return f, err
	}
	for _, node := range w.Nodes {
		cts, err := w.PVE.CTs(ctx, node)
		if err != nil {
			return f, err
		}
		volumes, err := w.PVE.volumes(ctx, node)
		if err != nil {
			return f, err
		}
		folders, err := w.folders(node)
		if err != nil {
			return f, err
		}
		f.cts, f.volumes, f.folders = append(f.cts, cts...), append(f.volumes, volumes...), append(f.folders, folders...)
	}
	for _, e := range w.Edges {
		s, err := e.serves(ctx, w.Network)
		if err != nil {
			return f, err
		}
		f.edges = append(f.edges, s)
	}
	return f, nil
}

func (w World) folders(node string) ([]volume, error) {
	entries, err := os.ReadDir(w.Volumes(node))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []volume
	for _, e := range entries {
		vmid, err := strconv.Atoi(e.Name())
		if err != nil {
			return nil, fmt.Errorf("%s/%s is not the folder of a guest", w.Volumes(node), e.Name())
		}
		disks, err := os.ReadDir(w.Volumes(node) + "/" + e.Name())
		if err != nil {
			return nil, err
		}
		for _, d := range disks {
			out = append(out, volume{Node: node, ID: e.Name() + "/" + d.Name(), VMID: vmid})
		}
	}
	return out, nil
}

func (e Edge) serves(ctx context.Context, network netip.Prefix) (s served, err error) {
	if s.hosts, err = e.hosts(network); err != nil {
		return s, err
	}
	if s.reservations, err = e.reservations(); err != nil {
		return s, err
	}
	if s.leases, err = e.leases(); err != nil {
		return s, err
	}
	if s.published, err = e.published(); err != nil {
		return s, err
	}
	s.names = map[string][]string{}
	for a := network.Addr().Next(); network.Contains(a); a = a.Next() {
		names, err := e.Names(ctx, a.String())
		if err != nil {
			return s, err
		}
		if len(names) > 0 {
			s.names[a.String()] = names
		}
	}
	return s, nil
}

// Judge returns everything that is wrong, in words; nothing when all is well. What is still on its way, such as an
// address that the edges are letting go of, counts as wrong: ask again until it is done.
func (w World) Judge(ctx context.Context) ([]string, error) {
	f, err := w.look(ctx)
	if err != nil {
		return nil, err
	}
	j := judgement{world: w, facts: f}
	j.judge(ctx)
	return j.wrong, nil
}

// Clean is nil when nothing is wrong.
func (w World) Clean(ctx context.Context) error {
	wrong, err := w.Judge(ctx)
	if err != nil || len(wrong) == 0 {
		return err
	}
	return errors.New(strings.Join(wrong, "; "))
}
