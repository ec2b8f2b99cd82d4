package main

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"

	"berth/deploy/berth-temporal/internal/settings"
)

const (
	loopback    = "127.0.0.1"
	clusterName = "active" // the name every Temporal development server uses
	// How often each service reads the namespaces again; the default of 2 s would be most of a first start.
	namespaceRefresh = 500 * time.Millisecond
	// How often a second the history service may look for work in each of its queues. What comes within the 5 ms between is
	// read together, which spares the processor under load.
	queueReads = 200
)

// newServer describes a whole cluster in one process: the frontend on the address asked for, the three inner services
// on loopback ports that nobody needs to know.
func newServer(s settings.Settings, store storage, logger log.Logger) (temporal.Server, error) {
	frontend, err := netip.ParseAddrPort(s.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	for _, address := range []string{s.Listen, s.UI, s.Metrics} {
		if err := checkFree(address); err != nil {
			return nil, err
		}
	}
	// Static hosts replace ringpop, yet the configuration still asks each service for a membership port.
	ports, err := settings.FreePorts(loopback, 7)
	if err != nil {
		return nil, err
	}
	inner := func(grpc, membership int) config.Service {
		return config.Service{RPC: config.RPC{GRPCPort: grpc, MembershipPort: membership, BindOnIP: loopback}}
	}
	services := map[string]config.Service{
		string(primitives.FrontendService): {RPC: config.RPC{
			GRPCPort: int(frontend.Port()), MembershipPort: ports[3], BindOnIP: frontend.Addr().String(),
		}},
		string(primitives.HistoryService):  inner(ports[0], ports[4]),
		string(primitives.MatchingService): inner(ports[1], ports[5]),
		string(primitives.WorkerService):   inner(ports[2], ports[6]),
	}
	self := localAddress(frontend)
	cfg := &config.Config{
		Global: config.Global{
			Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback},
		},
		Persistence: config.Persistence{
			DefaultStore:     "default",
			VisibilityStore:  "visibility",
			NumHistoryShards: store.shards,
			DataStores: map[string]config.DataStore{
				"default":    {SQL: store.execution},
				"visibility": {SQL: store.visibility},
			},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: self},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            services,
		Archival: config.Archival{
			History:    config.HistoryArchival{State: config.ArchivalDisabled},
			Visibility: config.VisibilityArchival{State: config.ArchivalDisabled},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: config.ArchivalDisabled},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: config.ArchivalDisabled},
		}},
		PublicClient: config.PublicClient{HostPort: self},
	}
	if s.Metrics != "" {
		cfg.Global.Metrics = &metrics.Config{
			Prometheus: &metrics.PrometheusConfig{ListenAddress: s.Metrics, HandlerPath: "/metrics"},
		}
	}
	hosts := map[primitives.ServiceName]static.Hosts{primitives.FrontendService: static.SingleLocalHost(self)}
	for i, name := range []primitives.ServiceName{
		primitives.HistoryService, primitives.MatchingService, primitives.WorkerService,
	} {
		hosts[name] = static.SingleLocalHost(net.JoinHostPort(loopback, strconv.Itoa(ports[i])))
	}
	server, err := temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(logger),
		temporal.WithDynamicConfigClient(tuning()),
	)
	if err != nil {
		return nil, fmt.Errorf("set up the Temporal server: %w", err)
	}
	return server, nil
}

// tuning departs from the server's defaults, which are made for fleets, where one process is better off.
func tuning() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		// Partitions spread one queue over hosts; with a single host they only add forwarding between them.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,
		dynamicconfig.NamespaceCacheRefreshInterval.Key():       namespaceRefresh,
		// The default of 10 list calls a second starves a UI and a worker that share one namespace.
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 100,
		// A shard reads its queues 20 times a second at most. With one shard instead of hundreds that is what a single
		// workflow on its way uses up; every further step then waits 40 ms for its turn.
		dynamicconfig.TransferProcessorMaxPollRPS.Key(): queueReads,
		dynamicconfig.TimerProcessorMaxPollRPS.Key():    queueReads,
		// A fleet's cache of 128,000 histories would outgrow a small machine long before it helps.
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key(): 8192,
	}
}

// localAddress is where this process reaches its own listener: an unspecified address such as 0.0.0.0 is no destination.
func localAddress(listen netip.AddrPort) string {
	if listen.Addr().IsUnspecified() {
		return net.JoinHostPort(loopback, strconv.Itoa(int(listen.Port())))
	}
	return listen.String()
}

// checkFree says in words that a port is taken. The server itself would panic, or end the process, on it.
func checkFree(address string) error {
	if address == "" {
		return nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return listener.Close()
}
