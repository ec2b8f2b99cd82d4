// Package proxmox is the client of the Proxmox VE API. It sends what its table of calls lists and nothing else, turns every refusal
// into a typed error by its failure table, and tells three outcomes of a change apart: yes, no, and not known.
package proxmox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	goproxmox "github.com/luthermonson/go-proxmox" // request, envelope and JSON handling of the API

	"berth/domain"
)

// Config says how to reach a cluster. Either TokenID and Secret, or Username and Password are needed.
type Config struct {
	Endpoints []string // base URLs of its nodes, such as https://host:8006; tried in this order, the one that works is kept; http only on loopback
	TokenID   string   // user@realm!name
	Secret    string
	Username  string // user@realm, for ticket login
	Password  string
	CA        []byte        // PEM of the CA that signed the nodes' certificates; empty: the system's
	Insecure  bool          // do not verify certificates
	Timeout   time.Duration // of one request; default 40 s, as a proxied call to a dead node takes Proxmox 30 s

	// Observe is told of every request before it is sent; what it returns is told the status of the answer, 0 when none came.
	Observe func(context.Context, Call) (answered func(status int))

	HTTPClient *http.Client // its Transport carries the requests; nil: one with CA and Insecure applied
	Logger     *slog.Logger // calls at debug level, odd answers at warn; nil: none

	PollFirst, PollMax time.Duration // pause between two looks at a task, growing from one to the other; default 0.5 s and 3 s
	Settle             time.Duration // how long after a lost answer a call may still take effect; default 10 s
	Now                func() time.Time
	Sleep              func(ctx context.Context, d time.Duration) error // returns ctx's error when that ends first
	Random             func() float64                                   // [0, 1)
}

// Client talks to one cluster. It is safe for concurrent use.
type Client struct {
	cfg  Config
	api  *goproxmox.Client
	http *http.Client
	base string
	hide []string // values that no text of Proxmox may show
}

// apiRoot is below every endpoint; /api2/extjs would answer 200 to everything.
const apiRoot = "/api2/json"

// New checks cfg and returns a client. It sends nothing.
func New(cfg Config) (*Client, error) {
	var wrong []domain.FieldError
	bad := func(field, rule string) { wrong = append(wrong, domain.FieldError{Field: field, Rule: rule}) }
	var endpoints []*url.URL
	for _, e := range cfg.Endpoints {
		u, err := url.Parse(strings.TrimRight(e, "/"))
		if err != nil || u.Host == "" || u.User != nil || u.Path != "" || (u.Scheme != "https" && u.Scheme != "http") {
			bad("endpoints", "must be URLs such as https://host:8006")
			continue
		}
		if u.Scheme == "http" && !domain.Loopback(u.Hostname()) {
			bad("endpoints", "must use https, as the credentials go with every request")
		}
		endpoints = append(endpoints, u)
	}
	if len(cfg.Endpoints) == 0 {
		bad("endpoints", "must name at least one node, such as https://host:8006")
	}
	token, ticket := cfg.TokenID != "" || cfg.Secret != "", cfg.Username != "" || cfg.Password != ""
	switch {
	case token == ticket:
		bad("token", "must be given, or else user and password")
	case token && (cfg.Secret == "" || !strings.Contains(cfg.TokenID, "@") || !strings.Contains(cfg.TokenID, "!")):
		bad("token", "must be user@realm!name with its secret")
	case ticket && (cfg.Password == "" || !strings.Contains(cfg.Username, "@")):
		bad("username", "must be user@realm with its password")
	}
	pool, ok := caPool(cfg.CA)
	if !ok {
		bad("ca", "must be certificates in PEM form")
	}
	if err := domain.InvalidFields("the Proxmox connection", wrong); err != nil {
		return nil, err
	}
	cfg.fill(pool)

	rt := newTransport(cfg, endpoints)
	// A redirect would carry a POST to another place as a GET; it becomes an error instead.
	client := &http.Client{Transport: rt, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	base := endpoints[0].String() + apiRoot
	return &Client{
		cfg: cfg, base: base, http: client,
		// The library's logger would print request bodies, and those hold environment variables.
		api: goproxmox.NewClient(base, goproxmox.WithHTTPClient(client), goproxmox.WithUserAgent("berth"),
			goproxmox.WithLogger(&goproxmox.LeveledLogger{})),
	}, nil
}

func caPool(pem []byte) (*x509.CertPool, bool) {
	if len(pem) == 0 {
		return nil, true
	}
	pool := x509.NewCertPool()
	return pool, pool.AppendCertsFromPEM(pem)
}

func (cfg *Config) fill(pool *x509.CertPool) {
	setDefault(&cfg.Timeout, 40*time.Second)
	setDefault(&cfg.PollFirst, 500*time.Millisecond)
	setDefault(&cfg.PollMax, 3*time.Second)
	setDefault(&cfg.Settle, 10*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.Observe == nil {
		cfg.Observe = func(context.Context, Call) func(int) { return func(int) {} }
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS12, RootCAs: pool,
				InsecureSkipVerify: cfg.Insecure, //nolint:gosec // asked for by the administrator
			},
			TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout:     4 * time.Second, // Proxmox closes idle connections after 5 s; reusing one then would lose a request
			MaxIdleConnsPerHost: 8,
		}}
	}
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// get reads path into v. what names the operation in errors. Its queries are built here, as the library's own helper writes
// large numbers as floats.
func (c *Client) get(ctx context.Context, what, path string, query url.Values, v any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return wrap(what, false, c.api.Get(c.hiding(ctx), path, v))
}

// rows reads a list whose rows are decoded one by one.
func rows[T any](ctx context.Context, c *Client, what, path string, query url.Values) ([]T, error) {
	var raw []json.RawMessage
	if err := c.get(ctx, what, path, query, &raw); err != nil {
		return nil, err
	}
	return decodeRows[T](raw, func(row json.RawMessage, err error) {
		c.cfg.Logger.WarnContext(ctx, "row of a Proxmox list left out", "path", path, "row", string(row), "error", err)
	}), nil
}

// change sends a mutating call that answers null.
func (c *Client) change(ctx context.Context, what, method, path string, params map[string]any) error {
	_, err := c.send(ctx, what, method, path, params)
	return err
}

// dispatch sends a mutating call that starts a task. An answer without a task leaves the outcome unknown.
func (c *Client) dispatch(ctx context.Context, what, method, path string, params map[string]any) (TaskRef, error) {
	upid, err := c.send(ctx, what, method, path, params)
	if err != nil {
		return TaskRef{}, err
	}
	ref, err := refOf(upid)
	if err != nil {
		return TaskRef{}, domain.Errorf(domain.UnknownOutcome, "%s: Proxmox accepted it without naming a task; look before trying again: %w", what, err)
	}
	return ref, nil
}

func (c *Client) send(ctx context.Context, what, method, path string, params map[string]any) (answer string, err error) {
	var data flexString
	ctx = c.hiding(ctx)
	switch method {
	case http.MethodPost:
		err = c.api.Post(ctx, path, body(params), &data)
	case http.MethodPut:
		err = c.api.Put(ctx, path, body(params), &data)
	default:
		query := url.Values{}
		for name, value := range params { // Proxmox refuses a DELETE with a body
			query.Set(name, formValue(value))
		}
		if len(query) > 0 {
			path += "?" + query.Encode()
		}
		err = c.api.Delete(ctx, path, &data)
	}
	return string(data), wrap(what, true, err)
}

// body keeps an empty map from being sent as a JSON null.
func body(params map[string]any) any {
	if len(params) == 0 {
		return nil
	}
	return params
}

// formValue writes a parameter in the form a query takes: booleans are 0 and 1 there.
func formValue(value any) string {
	switch v := value.(type) {
	case bool:
		if v {
			return "1"
		}
		return "0"
	case int:
		return strconv.Itoa(v)
	case string:
		return v
	}
	raw, _ := json.Marshal(value) // only scalars get here, and those always marshal
	return string(raw)
}

func nodePath(node string, more ...string) string {
	path := "/nodes/" + url.PathEscape(node)
	for _, m := range more {
		path += "/" + url.PathEscape(m)
	}
	return path
}

func ctPath(node string, vmid int, more ...string) string {
	return nodePath(node, append([]string{"lxc", strconv.Itoa(vmid)}, more...)...)
}
