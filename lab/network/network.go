// Package network makes the network of a lab: a namespace with a bridge in it, numbered from 198.18.0.0/15 (RFC 2544),
// and a veth pair that puts the host on that bridge. Nothing else of the host's network is touched.
package network

import (
	"context"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"

	"berth/domain"
)

// Lab addresses come from the range that RFC 2544 keeps for benchmarks: never anybody's LAN.
var labRange = netip.MustParsePrefix("198.18.0.0/15")

const (
	maxLink  = 15         // IFNAMSIZ less its zero byte
	hostPort = "hostlink" // the bridge's end of the veth pair to the host
)

var goodName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,40}$`)

// Config names a lab's network. Labs on one machine differ in Name and Gateway.
type Config struct {
	Name    string       // of the namespace, such as "berth-lab"
	Bridge  string       // inside it; "" means "vmbr0"
	Gateway netip.Prefix // the bridge's own address and the network's length, such as 198.18.0.1/16
	Host    netip.Addr   // the host's address on the network; unset means the last usable one. Reserve it.
}

// Network is the network of one lab. Its methods are safe to call again after a failure or a crash.
type Network struct {
	cfg      Config
	hostLink string
}

// New checks cfg and fills its defaults in. It touches nothing.
func New(cfg Config) (*Network, error) {
	if cfg.Bridge == "" {
		cfg.Bridge = "vmbr0"
	}
	if !cfg.Host.IsValid() && cfg.Gateway.IsValid() && cfg.Gateway.Addr().Is4() {
		cfg.Host = last(cfg.Gateway)
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Network{cfg: cfg, hostLink: linkName(cfg.Name, "h")}, nil
}

func (c Config) check() error {
	subnet := c.Gateway.Masked()
	switch {
	case !goodName.MatchString(c.Name):
		return domain.Errorf(domain.Invalid, "network name %q: use up to 41 of a-z, 0-9 and -, a letter first", c.Name)
	case !goodName.MatchString(c.Bridge) || len(c.Bridge) > maxLink || c.Bridge == hostPort:
		return domain.Errorf(domain.Invalid, "bridge name %q: use up to %d of a-z, 0-9 and -", c.Bridge, maxLink)
	case !c.Gateway.IsValid() || !c.Gateway.Addr().Is4() || c.Gateway.Bits() < 15 || c.Gateway.Bits() > 29 ||
		!labRange.Contains(c.Gateway.Addr()):
		return domain.Errorf(domain.Invalid, "gateway %s: use an address of %s with a length from 15 to 29",
			c.Gateway, labRange)
	case !inside(subnet, c.Gateway.Addr()) || !inside(subnet, c.Host) || c.Host == c.Gateway.Addr():
		return domain.Errorf(domain.Invalid, "gateway %s and host %s: use two different addresses of the network %s",
			c.Gateway.Addr(), c.Host, subnet)
	}
	return nil
}

// inside reports whether addr can be given to a machine of subnet.
func inside(subnet netip.Prefix, addr netip.Addr) bool {
	return subnet.Contains(addr) && addr != subnet.Addr() && addr != last(subnet).Next()
}

// last is the last address of p's network that a machine can have.
func last(p netip.Prefix) netip.Addr {
	raw := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		raw[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(raw).Prev()
}

// linkName makes the name of a link on the host that is unique for the lab's name and fits the kernel's limit.
func linkName(name, suffix string) string {
	if full := name + "-" + suffix; len(full) <= maxLink {
		return full
	}
	return fmt.Sprintf("bl%08x-%s", sum(name), suffix)
}

func sum(s string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(s)) // fnv never fails
	return h.Sum32()
}

// Name is the name of the network namespace.
func (n *Network) Name() string { return n.cfg.Name }

// Path is the file that stands for the namespace, as nsenter takes it.
func (n *Network) Path() string { return n.namespace().path() }

func (n *Network) namespace() namespace { return namespace(n.cfg.Name) }

// Bridge is the name of the bridge inside the namespace.
func (n *Network) Bridge() string { return n.cfg.Bridge }

// Gateway is the address of the bridge with the network's length.
func (n *Network) Gateway() netip.Prefix { return n.cfg.Gateway }

// Host is the address that the host has on the network; guests reach the host's servers there.
func (n *Network) Host() netip.Addr { return n.cfg.Host }

// Command makes a command that runs inside the namespace. It goes through nsenter and not `ip netns exec`, because that
// mounts a fresh /sys and so hides the host's cgroups.
func (n *Network) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return n.namespace().command(ctx, name, args...)
}

// Up makes the network, or completes what a run before left of it. It fails with domain.Conflict when the host already
// has a route into the lab's addresses.
func (n *Network) Up(ctx context.Context) error {
	if err := n.free(); err != nil {
		return err
	}
	if err := n.namespace().make(ctx); err != nil {
		return err
	}
	return n.makeLinks(ctx)
}

// free checks that no other interface of the host has an address in the lab's network: the routes would collide.
func (n *Network) free() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("list the host's interfaces: %w", err)
	}
	for _, i := range interfaces {
		if i.Name == n.hostLink {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // the interface vanished meanwhile, and with it its route
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err == nil && p.Masked().Overlaps(n.cfg.Gateway.Masked()) {
				return domain.Errorf(domain.Conflict, "the host's interface %s has %s, which overlaps the lab's %s: give "+
					"this lab another network", i.Name, p, n.cfg.Gateway.Masked())
			}
		}
	}
	return nil
}

// makeLinks brings the namespace's links to what they should be, in three calls of ip.
func (n *Network) makeLinks(ctx context.Context) error {
	inside := func(args ...string) *exec.Cmd {
		return exec.CommandContext(ctx, "ip", append([]string{"-n", n.cfg.Name}, args...)...)
	}
	if inside("link", "show", "dev", n.cfg.Bridge).Run() != nil {
		// With an address of its own the bridge keeps it when ports come and go; else guests' ARP entries for the
		// gateway would turn stale with every start of a guest.
		mac := fmt.Sprintf("02:be:%08x", sum(n.cfg.Name))
		mac = mac[:8] + ":" + mac[8:10] + ":" + mac[10:12] + ":" + mac[12:]
		if err := run(inside("link", "add", n.cfg.Bridge, "address", mac, "type", "bridge",
			"stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")); err != nil {
			return err
		}
	}
	if inside("link", "show", "dev", hostPort).Run() != nil {
		if err := run(exec.CommandContext(ctx, "ip", "link", "add", n.hostLink, "type", "veth",
			"peer", "name", hostPort, "netns", n.cfg.Name)); err != nil {
			return err
		}
	}
	batch := fmt.Sprintf("link set lo up\naddr replace %s broadcast + dev %s\nlink set %s up\nlink set %s master %s up\n",
		n.cfg.Gateway, n.cfg.Bridge, n.cfg.Bridge, hostPort, n.cfg.Bridge)
	if err := runBatch(inside("-batch", "-"), batch); err != nil {
		return err
	}
	// The address brings the route to the whole network with it.
	return runBatch(exec.CommandContext(ctx, "ip", "-batch", "-"), fmt.Sprintf("addr replace %s dev %s\nlink set %s up\n",
		netip.PrefixFrom(n.cfg.Host, n.cfg.Gateway.Bits()), n.hostLink, n.hostLink))
}

func run(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func runBatch(cmd *exec.Cmd, lines string) error {
	cmd.Stdin = strings.NewReader(lines)
	if err := run(cmd); err != nil {
		return fmt.Errorf("%w (while doing %q)", err, lines)
	}
	return nil
}
