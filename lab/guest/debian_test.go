package guest_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"berth/lab/guest"
)

func TestDebianGuest(t *testing.T) {
	l := newLab(t, "berth-gt-debian", 220)
	archive := pull(t, "debian:12")
	mac, addr := l.reserve(t, 30)
	began := time.Now()
	volume, config := l.unpack(t, 130, archive)
	t.Logf("unpacked in %s", time.Since(began))
	key := authorize(t, volume)
	spec := guest.Spec{
		VMID: 130, Hostname: "guest30", Volume: volume, Entrypoint: config.Entrypoint, Env: config.Env,
		HaltSignal: config.StopSignal, Unprivileged: true, Limits: guest.Limits{MemoryMiB: 256, Cores: 1},
		NICs: []guest.NIC{{Name: "eth0", MAC: mac, Bridge: "vmbr0", Address: "dhcp"}},
	}
	began = time.Now()
	check(t, l.runtime.Start(t.Context(), spec, t.Logf))
	wait(t, 30*time.Second, "the guest's own DHCP client", func() bool { return l.address(t, 130, "eth0") == addr.String() })
	t.Logf("address after %s", time.Since(began))
	if !strings.Contains(l.lease(t, addr), " guest30 ") {
		t.Errorf("dnsmasq's lease is %q", l.lease(t, addr))
	}
	var client *ssh.Client
	wait(t, 30*time.Second, "sshd to let the key in", func() bool {
		var err error
		client, err = ssh.Dial("tcp", addr.String()+":22", &ssh.ClientConfig{
			User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, Timeout: time.Second,
			HostKeyCallback: ssh.InsecureIgnoreHostKey(), // made at this boot: nobody can know it
		})
		return err == nil
	})
	t.Logf("logged in after %s", time.Since(began))
	for command, want := range map[string]string{
		"systemctl is-system-running --wait":  "running",
		"hostname":                            "guest30",
		"nproc":                               "1",
		"cat /proc/1/comm":                    "systemd",
		"awk '{print $2}' /proc/self/uid_map": "100000",
	} {
		if got := remote(t, client, command); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
			t.Log(remote(t, client, "systemctl --failed --no-legend; journalctl -b -p err --no-pager | tail -20"))
		}
	}
	_ = client.Close() // the guest ends the connection itself
	if _, err := ssh.Dial("tcp", addr.String()+":22", &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.Password("")}, Timeout: time.Second, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	}); err == nil {
		t.Error("root gets in without a key")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	began = time.Now()
	check(t, l.runtime.Shutdown(ctx, 130))
	t.Logf("shut down in %s", time.Since(began))
	if raw, err := os.ReadFile(filepath.Join(volume, "etc/machine-id")); err != nil || len(raw) < 32 {
		t.Errorf("machine ID after the first boot is %q, %v", raw, err)
	}
}

// authorize makes a key and puts it into a guest's root file system.
func authorize(t *testing.T, volume string) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(volume, "root/.ssh/authorized_keys")
	check(t, os.WriteFile(file, ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o600))
	check(t, os.Chown(file, 100000, 100000))
	return signer
}

func remote(t *testing.T, client *ssh.Client, command string) string {
	t.Helper()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	out, err := session.CombinedOutput(command)
	if err != nil {
		return strings.TrimSpace(string(out)) + " (" + err.Error() + ")"
	}
	return strings.TrimSpace(string(out))
}
