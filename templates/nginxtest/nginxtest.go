// Package nginxtest helps tests that give rendered files to the real nginx.
package nginxtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"berth/templates"
)

// Write puts files where options say, beside what an edge keeps there itself.
func Write(t *testing.T, options templates.NginxOptions, files templates.Files) {
	t.Helper()
	for name, content := range files {
		put(t, filepath.Join(options.Dir, name), content)
	}
	chain, key := Certificate(t, "berth")
	put(t, filepath.Join(options.RunDir, templates.SelfSignedChain), chain)
	put(t, filepath.Join(options.RunDir, templates.SelfSignedKey), key)
	if err := os.MkdirAll(filepath.Join(options.RunDir, "temp"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Certificate returns a fresh self-signed certificate for names and its key, as PEM.
func Certificate(t *testing.T, names ...string) (chain, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bytes}))
}
