package certs

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"
)

// certificate is a chain with its key, and what to staple.
type certificate struct {
	file     string // path of the chain; "self-signed" without one
	pair     *tls.Certificate
	loaded   time.Time
	staple   *ocsp.Response // nil for none
	stapled  []byte         // the same in DER
	warnNext time.Time      // when its end may be warned of again
}

// parsePair reads a chain and its key in PEM. A *fault says which of the two is
// wrong: 0 or 1.
func parsePair(chain, key []byte) (*tls.Certificate, error) {
	certs, err := parsePEM(chain)
	if err != nil {
		return nil, &fault{path: 0, err: err}
	}
	if block := find(key, "PRIVATE KEY"); block == nil {
		return nil, &fault{path: 1, err: errors.New("has no private key in PEM")}
	} else if strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
		return nil, &fault{path: 1, err: errors.New("has an encrypted private key"), hint: "decrypt it with: openssl pkey -in KEY -out NEW"}
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "tls: ")
		if strings.Contains(text, "does not match") || strings.Contains(text, "type does not match") {
			return nil, &fault{path: 1, err: fmt.Errorf("is not the key of the certificate for %s", title(certs[0]))}
		}
		return nil, &fault{path: 1, err: errors.New("cannot be used: " + text)}
	}
	pair.Leaf = certs[0]
	return &pair, nil
}

// find returns the first block of PEM whose type has that suffix.
func find(data []byte, suffix string) *pem.Block {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil || strings.HasSuffix(block.Type, suffix) {
			return block
		}
	}
}

// parsePEM reads the certificates of a file, one at least.
func parsePEM(data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("has a bad certificate: %s", strings.TrimPrefix(err.Error(), "x509: "))
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, errors.New("has no certificate in PEM")
	}
	return certs, nil
}

// parsePool reads the certificates of an authority.
func parsePool(data []byte) (*x509.CertPool, error) {
	certs, err := parsePEM(data)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool, nil
}

// parseStaple reads the response of an OCSP responder in DER, which must be
// about that certificate, say that it is good, and be valid now.
func parseStaple(der []byte, pair *tls.Certificate, now time.Time) (*ocsp.Response, error) {
	var issuer *x509.Certificate
	if len(pair.Certificate) > 1 {
		var err error
		if issuer, err = x509.ParseCertificate(pair.Certificate[1]); err != nil {
			return nil, fmt.Errorf("cannot be verified: %w", err)
		}
	} else if bytes.Equal(pair.Leaf.RawIssuer, pair.Leaf.RawSubject) {
		issuer = pair.Leaf
	}
	r, err := ocsp.ParseResponseForCert(der, pair.Leaf, issuer)
	switch {
	case err != nil:
		return nil, fmt.Errorf("is no OCSP response for the certificate: %w", err)
	case r.Status == ocsp.Revoked:
		return nil, fmt.Errorf("says that the certificate was revoked on %s", day(r.RevokedAt))
	case r.Status != ocsp.Good:
		return nil, errors.New("says that the certificate is unknown")
	case now.Before(r.ThisUpdate):
		return nil, fmt.Errorf("is valid only from %s on", r.ThisUpdate.UTC().Format(time.RFC3339))
	case !r.NextUpdate.IsZero() && now.After(r.NextUpdate):
		return nil, fmt.Errorf("expired on %s", r.NextUpdate.UTC().Format(time.RFC3339))
	}
	return r, nil
}

// served is the certificate as crypto/tls takes it, with the staple.
func (c *certificate) served() *tls.Certificate {
	if c.staple == nil {
		return c.pair
	}
	with := *c.pair
	with.OCSPStaple = c.stapled
	return &with
}

// names returns what a certificate is for, for logs and metrics.
func names(c *x509.Certificate) []string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

// title names a certificate in a message.
func title(c *x509.Certificate) string {
	const most = 3
	all := names(c)
	switch {
	case len(all) == 0 && c.Subject.CommonName != "":
		return fmt.Sprintf("%q", c.Subject.CommonName)
	case len(all) == 0:
		return "no name"
	case len(all) > most:
		return fmt.Sprintf("%q and %d more", all[:most], len(all)-most)
	}
	return fmt.Sprintf("%q", all)
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// isRSA: signing with such a key costs the gateway some ten times more.
func isRSA(c *tls.Certificate) bool {
	_, ok := c.Leaf.PublicKey.(*rsa.PublicKey)
	return ok
}
