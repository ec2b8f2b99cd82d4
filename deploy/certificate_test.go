package deploy_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMakeCertificate checks that clients which trust ca.crt accept the server by each of its names, and that a second run
// leaves the first one's files alone.
func TestMakeCertificate(t *testing.T) {
	folder := t.TempDir()
	run := func() {
		t.Helper()
		if output, err := exec.Command("./make-certificate", folder, "api", "localhost", "127.0.0.1").CombinedOutput(); err != nil {
			t.Fatalf("make-certificate: %v\n%s", err, output)
		}
	}
	run()
	read := func(name string) []byte {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	pair, err := tls.X509KeyPair(read("server.crt"), read("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(read("ca.crt")) {
		t.Fatal("ca.crt holds no certificate")
	}
	for _, name := range []string{"api", "localhost", "127.0.0.1"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("as %s: %v", name, err)
		}
	}
	if info, err := os.Stat(filepath.Join(folder, "server.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("server.key: mode %v, %v; want 600", info.Mode(), err)
	}
	first := read("server.crt")
	run()
	if !bytes.Equal(first, read("server.crt")) {
		t.Error("a second run replaced the certificate")
	}
}
