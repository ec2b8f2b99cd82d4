package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"berth/store"
)

// figures answers scrapes from SQL. Every API process tells the same, as all read one database.
type figures struct {
	count  func(context.Context) (store.Figures, error)
	now    func() time.Time
	logger *slog.Logger

	mu   sync.Mutex
	last store.Figures
	at   time.Time
}

const (
	figuresTimeout = 5 * time.Second
	figuresAge     = 2 * time.Second // scrapes closer together share one count: the path is open to whoever reaches the API
)

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("berth_"+name, help, labels, nil)
}

// described are the gauges that figures has.
type described struct {
	containers, operations, attention, waiting, quarantined, clusters, services, certificates, expiry *prometheus.Desc
	nodeUp, slots, slotsTaken, breaker, memory, disk                                                  *prometheus.Desc
	desired, published, edgeOnline, edgeFetched, edgeApplied, edgeLag, edgeReloads, ok                *prometheus.Desc
}

func describe() described {
	return described{
		containers:   gauge("containers", "Containers, by state and power.", "state", "power"),
		operations:   gauge("open_operations", "Operations that have not ended, by kind and state.", "kind", "state"),
		attention:    gauge("needs_attention", "Operations that a human has to look at, and after which no other one ran."),
		waiting:      gauge("oldest_pending_operation_seconds", "Age of the oldest operation that no worker took up; 0 when there is none."),
		quarantined:  gauge("quarantined", "What nobody gets until an administrator frees it, by what it is.", "what"),
		clusters:     gauge("clusters", "Clusters, by state.", "state"),
		services:     gauge("services", "Services that containers expose, by kind and whether they are requested, live or removing.", "kind", "state"),
		certificates: gauge("certificates", "Certificates for public names, by source and state.", "source", "state"),
		expiry:       gauge("first_certificate_expiry_timestamp_seconds", "When the first certificate for public names expires; absent when there is none."),
		nodeUp:       gauge("node_state", "1 for the state that a node is in.", "cluster", "node", "state"),
		slots:        gauge("node_slots", "How many changes a node may work on at a time.", "cluster", "node"),
		slotsTaken:   gauge("node_slots_taken", "How many changes a node works on.", "cluster", "node"),
		breaker:      gauge("node_breaker_open", "1 while a node is left alone because it did not answer.", "cluster", "node"),
		memory:       gauge("node_memory_free_bytes", "Free memory of a node.", "cluster", "node"),
		disk:         gauge("node_disk_free_bytes", "Free space for root disks on a node.", "cluster", "node"),
		desired:      gauge("site_revision_desired", "Revision of a site's network that SQL wants.", "site"),
		published:    gauge("site_revision_published", "Revision of a site's network that edges may fetch.", "site"),
		edgeOnline:   gauge("edge_online", "1 when an edge was seen lately.", "site", "edge"),
		edgeFetched:  gauge("edge_revision_fetched", "Revision that an edge has fetched.", "site", "edge"),
		edgeApplied:  gauge("edge_revision_applied", "Revision that an edge serves.", "site", "edge"),
		edgeLag:      gauge("edge_revision_lag", "Published revisions that an edge does not serve yet.", "site", "edge"),
		edgeReloads:  gauge("edge_reloads", "Reloads and restarts of dnsmasq and NGINX since an edge started.", "site", "edge"),
		ok:           gauge("figures_ok", "0 when the database did not answer; the other figures are then missing."),
	}
}

// Describe implements prometheus.Collector. The collector is unchecked: which figures there are depends on the rows.
func (*figures) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (f *figures) Collect(out chan<- prometheus.Metric) {
	d := describe()
	tell := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	seen, err := f.latest()
	tell(d.ok, truth(err == nil))
	if err != nil {
		f.logger.Warn("figures cannot be counted", "error", err)
		return
	}
	for _, c := range seen.Containers {
		tell(d.containers, float64(c.N), c.One, c.Two)
	}
	for _, c := range seen.Operations {
		tell(d.operations, float64(c.N), c.One, c.Two)
	}
	for _, c := range seen.Clusters {
		tell(d.clusters, float64(c.N), c.One)
	}
	for _, c := range seen.Services {
		tell(d.services, float64(c.N), c.One, c.Two)
	}
	for _, c := range seen.Certificates {
		tell(d.certificates, float64(c.N), c.One, c.Two)
	}
	if !seen.FirstExpiry.IsZero() {
		tell(d.expiry, float64(seen.FirstExpiry.Unix()))
	}
	tell(d.attention, float64(seen.Attention))
	tell(d.waiting, seen.OldestWaiter.Seconds())
	tell(d.quarantined, float64(seen.Addresses), "address")
	tell(d.quarantined, float64(seen.VMIDs), "vmid")
	for _, n := range seen.Nodes {
		tell(d.nodeUp, 1, n.Cluster, n.Node, string(n.State))
		tell(d.slots, float64(n.Slots), n.Cluster, n.Node)
		tell(d.slotsTaken, float64(n.Taken), n.Cluster, n.Node)
		tell(d.breaker, truth(n.BreakerOpen), n.Cluster, n.Node)
		tell(d.memory, float64(n.MemoryFree), n.Cluster, n.Node)
		tell(d.disk, float64(n.DiskFree), n.Cluster, n.Node)
	}
	for _, s := range seen.Sites {
		tell(d.desired, float64(s.Desired), s.Site)
		tell(d.published, float64(s.Published), s.Site)
		for _, e := range s.Edges {
			tell(d.edgeOnline, truth(e.Online), s.Site, e.Edge)
			tell(d.edgeFetched, float64(e.Fetched), s.Site, e.Edge)
			tell(d.edgeApplied, float64(e.Applied), s.Site, e.Edge)
			tell(d.edgeLag, float64(max(0, s.Published-e.Applied)), s.Site, e.Edge)
			tell(d.edgeReloads, float64(e.Reloads), s.Site, e.Edge)
		}
	}
}

// latest counts, or returns what was counted a moment ago.
func (f *figures) latest() (store.Figures, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.at.IsZero() && f.now().Sub(f.at) < figuresAge {
		return f.last, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), figuresTimeout) // a scrape brings no context to collectors
	defer cancel()
	seen, err := f.count(ctx)
	if err == nil {
		f.last, f.at = seen, f.now()
	}
	return seen, err
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
