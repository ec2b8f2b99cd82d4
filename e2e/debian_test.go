//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"berth/e2e/checker"
	"berth/e2e/harness"
)

// walkDebian runs a guest with an init system of its own.
func walkDebian(t *testing.T, p *harness.Platform) {
	p.BerthJSON(nil, "container", "create", "deb01", "--image", p.Image("debian:12"), "--memory", "512M", "--wait")
	c := get(t, p, "deb01")
	speaksSSH(t, c)
	clean(t, p)

	power(t, p, "deb01")
	speaksSSH(t, get(t, p, "deb01"))
	p.BerthJSON(nil, "container", "update", "deb01", "--cores", "2", "--memory", "768M", "--wait")
	p.BerthJSON(nil, "container", "update", "deb01", "--name", "deb02", "--wait")
	clean(t, p)
	p.BerthJSON(nil, "container", "delete", "deb02", "--yes", "--wait")
	clean(t, p)
	forgotten(t, p, "deb02", c.Address)
}

// speaksSSH waits until sshd answers, which systemd starts.
func speaksSSH(t *testing.T, c checker.Container) {
	t.Helper()
	harness.Await(t, time.Minute, "sshd of "+c.Name+" answers at "+c.Address, func(ctx context.Context) error {
		conn, err := (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(c.Address, "22"))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if err := conn.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil {
			return err
		}
		banner, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil && !strings.HasPrefix(banner, "SSH-2.0-OpenSSH") {
			err = fmt.Errorf("it says %q", banner)
		}
		return err
	})
}
