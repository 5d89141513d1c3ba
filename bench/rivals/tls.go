package rivals

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The versions and key types of TLS that gateways are compared with.
const (
	TLS12 = "1.2"
	TLS13 = "1.3"
	ECDSA = "ECDSA P-256"
	RSA   = "RSA 2048"
)

// Group is the group of every key exchange.
const Group = "X25519"

// ServerName is the name in every certificate.
const ServerName = "gateway.test"

// TLS is what a comparison over TLS holds equal for all gateways. The group is
// always X25519, the cipher always AES-128-GCM.
type TLS struct {
	Version string `json:"version"` // TLS12 or TLS13
	Key     string `json:"key"`     // of the certificate: ECDSA or RSA
	Resume  bool   `json:"resume"`  // clients resume sessions; the gateways' configuration is the same
}

// String tells t for a title.
func (t TLS) String() string {
	how := "full handshakes"
	if t.Resume {
		how = "resumed handshakes"
	}
	return fmt.Sprintf("TLS %s, %s, %s, AES-128-GCM, %s", t.Version, Group, t.Key, how)
}

// Protocol is the version as crypto/tls numbers it.
func (t TLS) Protocol() uint16 {
	if t.Version == TLS12 {
		return tls.VersionTLS12
	}
	return tls.VersionTLS13
}

// Suite is the cipher suite that t comes to, as crypto/tls numbers it.
func (t TLS) Suite() uint16 {
	switch {
	case t.Version == TLS13:
		return tls.TLS_AES_128_GCM_SHA256
	case t.Key == RSA:
		return tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	}
	return tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
}

// Terminate makes a gateway's listener one for TLS: what the templates take.
type Terminate struct {
	TLS
	Certificate Certificate
}

// Group is the only group that the listener takes.
func (Terminate) Group() string { return Group }

// Cipher13 is the only cipher suite of TLS 1.3 that it takes.
func (Terminate) Cipher13() string { return tls.CipherSuiteName(tls.TLS_AES_128_GCM_SHA256) }

// GoCipher is the only cipher suite of t by its standard name.
func (t Terminate) GoCipher() string { return tls.CipherSuiteName(t.Suite()) }

// OpenSSLCipher is the only cipher suite of TLS 1.2 that it takes, in OpenSSL's
// words.
func (t Terminate) OpenSSLCipher() string {
	if t.Key == RSA {
		return "ECDHE-RSA-AES128-GCM-SHA256"
	}
	return "ECDHE-ECDSA-AES128-GCM-SHA256"
}

// Agreement is what a handshake comes to, by standard names.
type Agreement struct{ Version, Group, Cipher, Key string }

// Agreement is what every handshake under t must come to.
func (t TLS) Agreement() Agreement {
	return Agreement{tls.VersionName(t.Protocol()), Group, tls.CipherSuiteName(t.Suite()), t.Key}
}

// Certificate is a key pair in files, in the forms that the gateways read.
type Certificate struct {
	Chain  string // path of the certificate
	Key    string // path of its private key
	Bundle string // path of both in one, for HAProxy
	Roots  *x509.CertPool
}

// NewCertificate makes a self-signed certificate for ServerName with a key of
// the type named, valid for a day, and writes it into the folder dir.
func NewCertificate(dir, key string) (c Certificate, err error) {
	private, err := newKey(key)
	if err != nil {
		return c, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: ServerName},
		DNSNames:     []string{ServerName},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 1, 1)},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return c, fmt.Errorf("certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return c, fmt.Errorf("certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return c, fmt.Errorf("private key: %w", err)
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	name := filepath.Join(dir, map[string]string{ECDSA: "ecdsa", RSA: "rsa"}[key])
	c = Certificate{Chain: name + ".crt", Key: name + ".key", Bundle: name + ".pem", Roots: x509.NewCertPool()}
	c.Roots.AddCert(leaf)
	for path, b := range map[string][]byte{c.Chain: chain, c.Key: secret, c.Bundle: append(chain[:len(chain):len(chain)], secret...)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return c, err
		}
	}
	return c, nil
}

func newKey(key string) (crypto.Signer, error) {
	switch key {
	case ECDSA:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RSA:
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, fmt.Errorf("key type %q: it is %q or %q", key, ECDSA, RSA)
}
