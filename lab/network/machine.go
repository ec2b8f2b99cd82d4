package network

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"

	"berth/domain"
)

// machineMark stands between the names of network and machine in a namespace's name. Neither may hold it.
const machineMark = "."

// Machine is a further host on the lab's network, such as a second edge: a namespace of its own, whose eth0 is on the
// bridge and whose default route is the gateway.
type Machine struct {
	namespace namespace
	address   netip.Addr
}

// Attach makes a machine, or completes what is left of it. The network must be up; its Down removes its machines.
func (n *Network) Attach(ctx context.Context, name string, address netip.Addr) (*Machine, error) {
	if !goodName.MatchString(name) {
		return nil, domain.Errorf(domain.Invalid, "machine name %q: use up to 41 of a-z, 0-9 and -, a letter first", name)
	}
	if !inside(n.cfg.Gateway.Masked(), address) || address == n.cfg.Gateway.Addr() || address == n.cfg.Host {
		return nil, domain.Errorf(domain.Invalid, "address %s of machine %s: use a free one of %s", address, name,
			n.cfg.Gateway.Masked())
	}
	m := &Machine{namespace: namespace(n.cfg.Name + machineMark + name), address: address}
	if err := m.namespace.make(ctx); err != nil {
		return nil, err
	}
	port := fmt.Sprintf("m%08x", sum(name)) // the bridge's end, in the network's namespace
	if m.namespace.command(ctx, "ip", "link", "show", "dev", "eth0").Run() != nil {
		if err := run(exec.CommandContext(ctx, "ip", "-n", n.cfg.Name, "link", "add", port, "type", "veth",
			"peer", "name", "eth0", "netns", string(m.namespace))); err != nil {
			return nil, err
		}
	}
	if err := run(exec.CommandContext(ctx, "ip", "-n", n.cfg.Name, "link", "set", port, "master", n.cfg.Bridge, "up")); err != nil {
		return nil, err
	}
	lines := fmt.Sprintf("link set lo up\naddr replace %s broadcast + dev eth0\nlink set eth0 up\nroute replace default via %s\n",
		netip.PrefixFrom(address, n.cfg.Gateway.Bits()), n.cfg.Gateway.Addr())
	return m, runBatch(exec.CommandContext(ctx, "ip", "-n", string(m.namespace), "-batch", "-"), lines)
}

// Path is the file that stands for the machine's namespace.
func (m *Machine) Path() string { return m.namespace.path() }

// Address is the machine's address on the network.
func (m *Machine) Address() netip.Addr { return m.address }

// Command makes a command that runs on the machine.
func (m *Machine) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return m.namespace.command(ctx, name, args...)
}

// Remove ends what runs on the machine and removes it.
func (m *Machine) Remove(ctx context.Context) error { return m.namespace.remove(ctx) }
