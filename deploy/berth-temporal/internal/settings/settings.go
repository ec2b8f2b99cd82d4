// Package settings holds what berth-temporal can be told on its command line, and the rules those values obey.
package settings

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Settings is one run of berth-temporal as its flags describe it.
type Settings struct {
	Listen           string        // host:port of the gRPC frontend
	UI               string        // host:port of the web UI; empty serves none
	UIPath           string        // path the UI is mounted under by a reverse proxy; empty is the root
	Metrics          string        // host:port of Prometheus metrics; empty serves none
	Data             string        // folder of the SQLite database; used when Postgres is empty
	Postgres         string        // libpq DSN (URL or key=value) of the execution database; empty uses SQLite
	Namespace        string        // registered when missing
	Retention        time.Duration // how long closed workflows of a new namespace are kept; at least 24 h
	SearchAttributes []string      // keyword attributes registered when missing
	CodecEndpoint    string        // URL where the UI has payloads decoded; empty shows them as stored
	ParentPID        int           // exit when this process is gone; 0 watches nobody
	AllowRemote      bool          // permit listening elsewhere than on loopback
	LogLevel         string        // debug, info, warn or error
}

// maxKeywords is how many keyword attributes Temporal's SQL visibility has columns for (Keyword01 to Keyword10).
const maxKeywords = 10

var attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// PostgresKey is the environment variable read in place of --postgres, because a command line, and the password in it,
// is readable by every user of the machine.
const PostgresKey = "TEMPORAL_POSTGRES"

// Parse reads command line arguments (without the program's name) and the environment through getenv. Usage and
// complaints of the flag package go to usage; the error is flag.ErrHelp when help was asked for.
func Parse(arguments []string, getenv func(string) string, usage io.Writer) (Settings, error) {
	var s Settings
	var attributes string
	flags := flag.NewFlagSet("berth-temporal", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&s.Listen, "listen", "127.0.0.1:7233", "`host:port` of the gRPC frontend")
	flags.StringVar(&s.UI, "ui", "127.0.0.1:8233", "`host:port` of the web UI; empty for none")
	flags.StringVar(&s.UIPath, "ui-path", "", "`path` the UI is mounted under by a reverse proxy")
	flags.StringVar(&s.Metrics, "metrics", "", "`host:port` of Prometheus metrics; empty for none")
	flags.StringVar(&s.Data, "data", "", "`folder` of the SQLite database")
	flags.StringVar(&s.Postgres, "postgres", "", "PostgreSQL `DSN`, used in place of --data; better given as "+PostgresKey)
	flags.StringVar(&s.Namespace, "namespace", "default", "namespace to register when missing")
	flags.DurationVar(&s.Retention, "retention", 30*24*time.Hour, "how long a new namespace keeps closed workflows")
	flags.StringVar(&attributes, "search-attributes", "", "comma-separated keyword search attributes to register when missing")
	flags.StringVar(&s.CodecEndpoint, "codec-endpoint", "", "`URL` at which the UI has payloads decoded")
	flags.IntVar(&s.ParentPID, "parent-pid", 0, "exit when the process with this `pid` is gone")
	flags.BoolVar(&s.AllowRemote, "allow-remote", false, "permit addresses other than loopback; Temporal itself asks nobody for a login")
	flags.StringVar(&s.LogLevel, "log-level", "warn", "debug, info, warn or error; the log goes to standard error")
	if err := flags.Parse(arguments); err != nil {
		return Settings{}, err
	}
	if flags.NArg() > 0 {
		return Settings{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if s.Postgres == "" && s.Data == "" {
		s.Postgres = getenv(PostgresKey)
	}
	for name := range strings.SplitSeq(attributes, ",") {
		if name = strings.TrimSpace(name); name != "" {
			s.SearchAttributes = append(s.SearchAttributes, name)
		}
	}
	return s, nil
}

// Validate reports every rule the settings break, joined.
func (s Settings) Validate() error {
	var broken []error
	complain := func(format string, values ...any) { broken = append(broken, fmt.Errorf(format, values...)) }

	if (s.Data == "") == (s.Postgres == "") {
		complain("give either --data FOLDER or --postgres DSN (or %s)", PostgresKey)
	}
	for _, listener := range []struct{ flag, address string }{
		{"--listen", s.Listen}, {"--ui", s.UI}, {"--metrics", s.Metrics},
	} {
		if listener.address == "" && listener.flag != "--listen" {
			continue
		}
		address, err := netip.ParseAddrPort(listener.address)
		switch {
		case err != nil || address.Port() == 0:
			complain("%s %q: want an IP address and a port, such as 127.0.0.1:7233", listener.flag, listener.address)
		case !address.Addr().IsLoopback() && !s.AllowRemote:
			complain("%s %s is not on loopback and Temporal asks nobody for a login: add --allow-remote if only trusted "+
				"machines reach it", listener.flag, listener.address)
		}
	}
	if s.Namespace == "" {
		complain("--namespace must not be empty")
	}
	if s.Retention < 24*time.Hour {
		complain("--retention %s: Temporal keeps closed workflows for at least 24h", s.Retention)
	}
	if len(s.SearchAttributes) > maxKeywords {
		complain("--search-attributes: %d given, the SQL visibility store has room for %d", len(s.SearchAttributes), maxKeywords)
	}
	for _, name := range s.SearchAttributes {
		if !attributeName.MatchString(name) {
			complain("--search-attributes: %q is not a name of letters, digits and underscores", name)
		}
	}
	if s.CodecEndpoint != "" {
		if u, err := url.Parse(s.CodecEndpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			complain("--codec-endpoint %q: want an http or https URL", s.CodecEndpoint)
		}
	}
	if s.UIPath != "" && (!strings.HasPrefix(s.UIPath, "/") || strings.HasSuffix(s.UIPath, "/")) {
		complain("--ui-path %q: want a path such as /temporal", s.UIPath)
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, s.LogLevel) {
		complain("--log-level %q: want debug, info, warn or error", s.LogLevel)
	}
	return errors.Join(broken...)
}

// FreePorts finds n TCP ports nobody listens on at host. They are not reserved: a caller that loses one to another
// process fails to bind it and starts over.
func FreePorts(host string, n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, fmt.Errorf("find a free port on %s: %w", host, err)
		}
		// Held until all are found, so that the same port is not handed out twice.
		defer func() { _ = listener.Close() }()
		address, err := netip.ParseAddrPort(listener.Addr().String())
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		ports = append(ports, int(address.Port()))
	}
	return ports, nil
}
