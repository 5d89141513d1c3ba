package certs

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"sync/atomic"
	"time"

	"wsgate/cmd/wsgate/internal/config"
)

// Upstream provides the TLS configurations for the endpoints of an upstream.
type Upstream struct {
	parts
	cfg       *config.UpstreamTLS
	endpoints []string
	roots     *x509.CertPool // nil for the system's
	client    *tls.Certificate
	configs   atomic.Pointer[map[string]*tls.Config] // by address; "" for all others
}

// Upstream reads the files of u, whose TLS must be set, and watches them until
// Close. It fails when one is missing or broken.
func (s *Store) Upstream(u *config.Upstream) (*Upstream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &Upstream{parts: parts{store: s, who: "upstream " + u.Name}, cfg: u.TLS}
	for _, e := range u.Endpoints {
		n.endpoints = append(n.endpoints, e.Address)
	}
	if u.TLS.CA != "" {
		n.all = append(n.all, &part{name: "CA", paths: []string{u.TLS.CA}, apply: func(contents [][]byte) error {
			pool, err := parsePool(contents[0])
			if err == nil {
				n.roots = pool
			}
			return err
		}})
	}
	if u.TLS.Cert != "" {
		n.all = append(n.all, &part{name: "client certificate", paths: []string{u.TLS.Cert, u.TLS.Key}, apply: func(contents [][]byte) error {
			pair, err := parsePair(contents[0], contents[1])
			if err != nil {
				return err
			}
			if err := supersede(n.client, pair, s.now()); err != nil {
				return err
			}
			n.client = pair
			return nil
		}})
	}
	if err := n.parts.start(s.now()); err != nil {
		return nil, err
	}
	n.build()
	s.users[n] = struct{}{}
	return n, nil
}

// Close ends watching. Config goes on to work.
func (u *Upstream) Close() {
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	delete(u.store.users, u)
}

// Config returns the configuration of now for an endpoint, by its address in
// the configuration. It is for tls.Client as it is, and must not be changed: it
// has the name that is verified, and a cache of that endpoint's sessions. A new
// CA or client certificate begins with an empty one.
func (u *Upstream) Config(address string) *tls.Config {
	all := *u.configs.Load()
	if c, ok := all[address]; ok {
		return c
	}
	c := all[""].Clone()
	c.ServerName = u.serverName(address)
	return c
}

// serverName: an IP address is verified and not sent (RFC 6066 3).
func (u *Upstream) serverName(address string) string {
	if u.cfg.ServerName != "" {
		return u.cfg.ServerName
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return ""
	}
	return ap.Addr().WithZone("").String()
}

func (u *Upstream) build() {
	base := &tls.Config{
		RootCAs:            u.roots,
		MinVersion:         u.cfg.MinVersion,
		CipherSuites:       defaultSuites,
		NextProtos:         []string{"http/1.1"},
		InsecureSkipVerify: u.cfg.InsecureSkipVerify,
	}
	if u.client != nil {
		base.Certificates = []tls.Certificate{*u.client}
	}
	all := map[string]*tls.Config{"": base}
	for _, address := range u.endpoints {
		c := base.Clone()
		c.ServerName = u.serverName(address)
		// Endpoints with one name do not know each other's tickets.
		c.ClientSessionCache = tls.NewLRUClientSessionCache(2)
		all[address] = c
	}
	u.configs.Store(&all)
}

// look implements user.
func (u *Upstream) look(now time.Time, force bool) (changed, failed int) {
	changed, failed = u.parts.look(now, force)
	if changed > 0 {
		u.build()
	}
	return changed, failed
}
