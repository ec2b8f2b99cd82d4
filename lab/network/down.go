package network

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Down ends every process that still runs on the network, machines included, and removes it all. Removing a network that
// does not exist is no error.
func (n *Network) Down(ctx context.Context) error {
	machines, err := filepath.Glob(filepath.Join(namespaces, n.cfg.Name+machineMark+"*"))
	if err != nil {
		return fmt.Errorf("list the network's machines: %w", err)
	}
	for _, file := range machines {
		if err := namespace(filepath.Base(file)).remove(ctx); err != nil {
			return err
		}
	}
	// The pair goes by name: the namespace itself may live on for a moment, held by a process that is just ending.
	if exec.CommandContext(ctx, "ip", "link", "show", "dev", n.hostLink).Run() == nil {
		if err := run(exec.CommandContext(ctx, "ip", "link", "del", n.hostLink)); err != nil {
			return err
		}
	}
	return n.namespace().remove(ctx)
}
