// Package config holds every configuration key once: its name, default and meaning. A key is set by flag, by environment
// or by file, in this order of precedence; an unknown key is refused wherever it stands.
package config

import (
	"strings"
	"time"
)

// Config is the configuration of all roles. Field tags: `key` is the name in files and, with dashes for underscores, of
// the flag; the environment variable is BERTH_ and the name in capitals unless `env` says otherwise; `default` and
// `help` are what they say; `secret` values are never printed.
type Config struct {
	Data     string `key:"data" default:"./data" help:"folder that holds all state"`
	Database string `key:"database" help:"database: sqlite://PATH, postgres://USER:PASSWORD@HOST/DB or mysql://USER:PASSWORD@HOST:PORT/DB; default: SQLite in the data folder" secret:"true"`
	KeysFile string `key:"keys_file" help:"key ring that encrypts secrets in the database: a file, made when there is none, env:NAME (not BERTH_...) or credential:NAME (systemd); default: keys.json in the data folder"`

	Listen    string `key:"listen" default:"127.0.0.1:8080" help:"address of the API"`
	TLSCert   string `key:"tls_cert" help:"PEM certificate of the API; needed unless it listens on loopback"`
	TLSKey    string `key:"tls_key" help:"PEM private key of tls_cert"`
	LogLevel  string `key:"log_level" default:"info" help:"debug, info, warn or error"`
	LogFormat string `key:"log_format" default:"text" help:"text or json"`

	TemporalAddress   string `key:"temporal_address" env:"TEMPORAL_ADDRESS" help:"host:port of a Temporal frontend; empty lets berth standalone start its own"`
	TemporalNamespace string `key:"temporal_namespace" env:"TEMPORAL_NAMESPACE" default:"default" help:"Temporal namespace"`
	TemporalAPIKey    string `key:"temporal_api_key" env:"TEMPORAL_API_KEY" help:"API key of a Temporal cluster" secret:"true"`
	TemporalTLS       bool   `key:"temporal_tls" env:"TEMPORAL_TLS" help:"connect to Temporal with TLS"`
	TemporalTLSCA     string `key:"temporal_tls_ca" env:"TEMPORAL_TLS_CA" help:"PEM file of the CA that signs Temporal's certificate; default: the system's"`
	TemporalTLSCert   string `key:"temporal_tls_cert" env:"TEMPORAL_TLS_CERT" help:"PEM client certificate for Temporal"`
	TemporalTLSKey    string `key:"temporal_tls_key" env:"TEMPORAL_TLS_KEY" help:"PEM private key of temporal_tls_cert"`
	TemporalListen    string `key:"temporal_listen" default:"127.0.0.1:7233" help:"where berth standalone's own Temporal listens"`
	TemporalUI        string `key:"temporal_ui" default:"127.0.0.1:8233" help:"where Temporal's UI is served to administrators who log in; empty means nowhere"`
	TemporalUpstream  string `key:"temporal_ui_upstream" help:"URL of the UI of a Temporal cluster, which temporal_ui then serves; berth standalone knows its own"`
	TemporalBinary    string `key:"temporal_binary" help:"path of berth-temporal; default: beside berth"`

	TemporalCodec bool `key:"temporal_codec" help:"encrypt the payloads of workflows with the key ring"`

	DialAllow    []string      `key:"dial_allow" help:"ip:port pairs on loopback or link-local addresses that may be dialled for users all the same, such as a registry on this host"`
	WorkerListen string        `key:"worker_listen" help:"address of a worker's /healthz and /metrics; empty means none"`
	ImageMaxAge  time.Duration `key:"image_max_age" default:"720h" help:"how long an image that no container is made from stays on a node, at least 1h; 0 keeps all"`

	ReconcileInterval time.Duration `key:"reconcile_interval" default:"20s" help:"how often SQL, Proxmox VE, Temporal and the edges are compared"`
	ObserveInterval   time.Duration `key:"observe_interval" default:"5s" help:"how often clusters are looked at"`
	DeadlineScale     float64       `key:"deadline_scale" default:"1" help:"multiplies the time every step may take before it is given up"`

	EdgeURL       []string `key:"edge_url" help:"API that an edge fetches its snapshot from; with several servers all of them, of which it asks one that answers"`
	EdgeToken     string   `key:"edge_token" help:"token of the edge, as berth edge enroll prints it" secret:"true"`
	EdgeCA        string   `key:"edge_ca" help:"PEM file of the CA that signs the API's certificate; default: the system's"`
	EdgeDir       string   `key:"edge_dir" help:"folder of the edge's files; default: edge in the data folder"`
	EdgeAddress   string   `key:"edge_address" help:"IPv4 address that dnsmasq answers on; empty means the one that this host has in the site's network"`
	EdgeListen    []string `key:"edge_listen" help:"addresses that NGINX listens on; empty means all, or the edge's address alone in a namespace"`
	EdgeInterface string   `key:"edge_interface" help:"network interface of the site's network; empty means the one that holds the edge's address"`
	EdgeNamespace string   `key:"edge_namespace" help:"network namespace that dnsmasq and NGINX run in; empty means the host's"`

	Lab          bool          `key:"lab" help:"standalone: also start the lab with a demo site"`
	LabListen    string        `key:"lab_listen" default:"127.0.0.1:8006" help:"address of the lab's Proxmox VE API; further nodes serve it on the loopback addresses after it"`
	LabRegistry  string        `key:"lab_registry" default:"127.0.0.1:5000" help:"address of the lab's image registry"`
	LabCA        string        `key:"lab_ca" default:"127.0.0.1:14000" help:"address of the lab's certificate authority, Pebble, which speaks ACME"`
	LabDNS       string        `key:"lab_dns" default:"127.0.0.1:5300" help:"address of the lab's public name server"`
	LabCloud     string        `key:"lab_cloudflare" default:"127.0.0.1:14100" help:"address of the lab's double of Cloudflare's API, which changes the zone cloud.test"`
	LabNamespace string        `key:"lab_namespace" default:"berth-lab" help:"network namespace of the lab's guests"`
	LabNetwork   string        `key:"lab_network" default:"198.18.0.0/24" help:"network of the lab's guests, out of 198.18.0.0/15"`
	LabNodes     []string      `key:"lab_nodes" default:"pve1,pve2" help:"names of the lab's nodes"`
	LabCache     string        `key:"lab_cache" help:"folder where the lab keeps the images it builds; default: lab/images in the data folder"`
	LabGuests    string        `key:"lab_guests" default:"auto" help:"auto, lxc or simulated"`
	LabLag       time.Duration `key:"lab_lag" default:"2s" help:"how far /cluster/resources of the lab lags behind, 10s on a real cluster"`
}

// client lists the variables that only the client commands read; they are no keys, but known.
var client = []string{"BERTH_URL", "BERTH_TOKEN", "BERTH_SITE", "BERTH_CONFIG"}

// Key describes one configuration key.
type Key struct {
	Name    string // in files
	Flag    string // without the leading dashes
	Env     string
	Default string
	Help    string
	Secret  bool
}

func flagName(key string) string { return strings.ReplaceAll(key, "_", "-") }
