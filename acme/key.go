package acme

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"

	"berth/domain"
)

// NewKey makes a private key for an account or a certificate: ECDSA on P-256, PEM (PKCS #8). Every CA and browser takes it, and its
// handshakes cost an edge a tenth of RSA's.
func NewKey() (domain.Secret, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", domain.Errorf(domain.Internal, "make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", domain.Errorf(domain.Internal, "write a key: %w", err)
	}
	return domain.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// CSR makes the certificate signing request for names, DER. The names stand in it as alternative names alone: a common name is of no
// use to browsers and limited to 64 characters.
func CSR(key domain.Secret, names []string) ([]byte, error) {
	signer, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: names}, signer)
	if err != nil {
		return nil, domain.Errorf(domain.Internal, "write the signing request: %w", err)
	}
	return der, nil
}

// parseKey never quotes the key.
func parseKey(key domain.Secret) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(key.Reveal()))
	if block == nil {
		return nil, domain.Errorf(domain.Internal, "there is no key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, domain.Errorf(domain.Internal, "the key cannot be read")
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, domain.Errorf(domain.Internal, "the key cannot sign")
	}
	return signer, nil
}

// shortestEABKey is the size of a key that HMAC with SHA-256 wants at least (RFC 7518, 3.2).
const shortestEABKey = 32

// ValidEABKey reports whether an HMAC key for External Account Binding is what CAs issue: base64url of 32 bytes or more.
func ValidEABKey(key string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(key, "="))
	return err == nil && len(raw) >= shortestEABKey
}
