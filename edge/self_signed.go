package edge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/google/renameio/v2"
)

// selfSignedLife is as long as nobody has to think of it.
const selfSignedLife = 10 * 365 * 24 * time.Hour

// selfSigned sees to it that there is a certificate for hosts that have none yet. It names nobody.
func selfSigned(chainPath, keyPath string) error {
	if _, err := tls.LoadX509KeyPair(chainPath, keyPath); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a self-signed certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return fmt.Errorf("make a self-signed certificate: %w", err)
	}
	template := x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "not ready yet"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(selfSignedLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make a self-signed certificate: %w", err)
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make a self-signed certificate: %w", err)
	}
	for _, file := range []struct {
		path  string
		block pem.Block
	}{{keyPath, pem.Block{Type: "PRIVATE KEY", Bytes: bytes}}, {chainPath, pem.Block{Type: "CERTIFICATE", Bytes: der}}} {
		if err := renameio.WriteFile(file.path, pem.EncodeToMemory(&file.block), 0o600); err != nil {
			return fmt.Errorf("keep a self-signed certificate: %w", err)
		}
	}
	return nil
}
