package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"wsgate/cmd/wsgate/internal/config"
)

const (
	// warnAhead is how long before its end a certificate is warned of.
	warnAhead = 14 * 24 * time.Hour
	warnEvery = 24 * time.Hour
)

// Listener provides the TLS configuration of a listener.
type Listener struct {
	parts
	cfg     *config.TLS
	address string
	certs   []*certificate // in the order of the configuration
	clients *x509.CertPool
	ring    *ring       // nil with a file, and without tickets
	shared  []ticketKey // from the file
	keyLog  io.Writer
	acme    *acme
	acmeKey string

	index    atomic.Pointer[index]
	config   atomic.Pointer[tls.Config]
	status   atomic.Pointer[[]CertificateStatus]
	lastMiss atomic.Int64 // when a handshake without a certificate was logged, Unix seconds
}

// defaultSuites are the suites of TLS 1.2 that have forward secrecy and an AEAD
// (RFC 9325 4.2), the only ones that HTTP/2 allows (RFC 9113 9.2.2).
var defaultSuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// Listener reads the files of l, whose TLS must be set, and watches them until
// Close. Another call for the same address, for the next generation, goes on
// with the ticket keys and the ACME account of the one before. It fails when a
// file is missing or broken, an OCSP response apart.
func (s *Store) Listener(l *config.Listener) (*Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &Listener{parts: parts{store: s, who: "listener " + l.Address}, cfg: l.TLS, address: l.Address}
	now := s.now()
	n.declare()
	if err := n.parts.start(now); err != nil {
		return nil, err
	}
	if l.TLS.SelfSigned {
		if err := n.selfSign(now); err != nil {
			return nil, err
		}
	}
	if l.TLS.KeyLog != "" {
		f, err := s.keyLog(l.TLS.KeyLog)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.who, err)
		}
		n.keyLog = f
	}
	if t := l.TLS.Tickets; !t.Off && t.File == "" {
		if s.rings[l.Address] == nil {
			s.rings[l.Address] = newRing(now)
		}
		n.ring = s.rings[l.Address]
	}
	if l.TLS.ACME != nil {
		if err := n.joinACME(); err != nil {
			return nil, fmt.Errorf("%s: %w", n.who, err)
		}
	}
	n.build()
	n.warn(now)
	s.users[n] = struct{}{}
	s.list.Lock()
	s.listeners[n] = struct{}{}
	s.list.Unlock()
	return n, nil
}

// Config returns the configuration of now. It is not changed after that, but for
// its ticket keys, and meant to be cloned: its certificates are chosen by a
// function, and whoever sets a KeyLogWriter of his own must pass on to the one
// that is there.
func (l *Listener) Config() *tls.Config { return l.config.Load() }

// Close ends watching for this listener. Config goes on to work.
func (l *Listener) Close() {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	delete(l.store.users, l)
	l.store.list.Lock()
	delete(l.store.listeners, l)
	l.store.list.Unlock()
	l.leaveACME()
}

// declare lists the files.
func (l *Listener) declare() {
	for _, c := range l.cfg.Certificates {
		one := &certificate{file: c.Cert}
		l.certs = append(l.certs, one)
		pair := &part{name: "certificate", paths: []string{c.Cert, c.Key}}
		var staple *part
		if c.OCSP != "" {
			staple = &part{name: "OCSP response", paths: []string{c.OCSP}, optional: true}
			staple.apply = func(contents [][]byte) error {
				r, err := parseStaple(contents[0], one.pair, l.store.now())
				if err != nil {
					return err
				}
				one.staple, one.stapled = r, contents[0]
				return nil
			}
		}
		pair.apply = func(contents [][]byte) error {
			fresh, err := parsePair(contents[0], contents[1])
			if err != nil {
				return err
			}
			if err := supersede(one.pair, fresh, l.store.now()); err != nil {
				return err
			}
			one.pair, one.loaded, one.warnNext = fresh, l.store.now(), time.Time{}
			one.staple, one.stapled = nil, nil
			if staple != nil {
				staple.forget()
			}
			return nil
		}
		l.all = append(l.all, pair)
		if staple != nil {
			l.all = append(l.all, staple)
		}
	}
	if l.cfg.ClientAuth != nil {
		l.all = append(l.all, &part{name: "client CA", paths: []string{l.cfg.ClientAuth.CA}, apply: func(contents [][]byte) (err error) {
			pool, err := parsePool(contents[0])
			if err == nil {
				l.clients = pool
			}
			return err
		}})
	}
	if l.cfg.Tickets.File != "" {
		l.all = append(l.all, &part{name: "ticket keys", paths: []string{l.cfg.Tickets.File}, apply: func(contents [][]byte) error {
			keys, err := parseTickets(contents[0])
			if err == nil {
				l.shared = keys
			}
			return err
		}})
	}
}

// supersede: an expired certificate does not take the place of one that is
// valid.
func supersede(old, fresh *tls.Certificate, now time.Time) error {
	if old != nil && now.After(fresh.Leaf.NotAfter) && now.Before(old.Leaf.NotAfter) {
		return fmt.Errorf("expired on %s", day(fresh.Leaf.NotAfter))
	}
	return nil
}

// selfSign takes the certificate that was made for the address before, or makes
// one.
func (l *Listener) selfSign(now time.Time) error {
	c := l.store.selfs[l.address]
	if c == nil {
		names := []string{"localhost", "127.0.0.1", "::1"}
		if host, _, err := net.SplitHostPort(l.address); err == nil {
			if ip := net.ParseIP(host); ip != nil && !ip.IsUnspecified() && !ip.IsLoopback() {
				names = append(names, host)
			}
		}
		pair, err := selfSigned(now, names...)
		if err != nil {
			return err
		}
		c = &certificate{file: "self-signed", pair: &pair, loaded: now}
		l.store.selfs[l.address] = c
	}
	l.certs = append(l.certs, c)
	return nil
}

// build makes the configuration of what has been read.
func (l *Listener) build() {
	served := make([]*tls.Certificate, len(l.certs))
	for i, c := range l.certs {
		served[i] = c.served()
	}
	l.index.Store(newIndex(served))
	t := l.cfg
	c := &tls.Config{
		GetCertificate:         l.certificate,
		MinVersion:             t.MinVersion,
		MaxVersion:             t.MaxVersion,
		CipherSuites:           t.CipherSuites,
		NextProtos:             append([]string(nil), t.ALPN...),
		SessionTicketsDisabled: t.Tickets.Off,
	}
	if len(c.CipherSuites) == 0 {
		c.CipherSuites = defaultSuites
	}
	for _, id := range t.Curves {
		c.CurvePreferences = append(c.CurvePreferences, tls.CurveID(id))
	}
	if l.keyLog != nil {
		c.KeyLogWriter = l.keyLog
	}
	if t.ClientAuth != nil {
		c.ClientCAs = l.clients
		c.ClientAuth = tls.VerifyClientCertIfGiven
		if t.ClientAuth.Mode == "require" {
			c.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	if l.acme != nil && l.acme.alpn {
		c.NextProtos = append(c.NextProtos, alpnProtocol)
	}
	switch {
	case l.ring != nil:
		c.SetSessionTicketKeys(l.ring.keys)
	case len(l.shared) > 0:
		c.SetSessionTicketKeys(l.shared)
	}
	l.config.Store(c)
	l.publish()
}

var errNoCertificate = errors.New("there is no certificate yet")

// certificate implements tls.Config.GetCertificate.
func (l *Listener) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if l.acme != nil {
		if c, err := l.acme.certificate(hello, len(l.certs) == 0); c != nil || err != nil {
			return c, err
		}
	}
	if c := l.index.Load().choose(hello); c != nil {
		return c, nil
	}
	l.store.missing.Add(1)
	now := l.store.now().Unix()
	if last := l.lastMiss.Load(); now-last >= 60 && l.lastMiss.CompareAndSwap(last, now) {
		l.store.logf("tls: %s: a handshake failed: %v", l.who, errNoCertificate)
	}
	return nil, errNoCertificate
}

// look implements user.
func (l *Listener) look(now time.Time, force bool) (changed, failed int) {
	changed, failed = l.parts.look(now, force)
	rebuild := changed > 0
	for _, c := range l.certs {
		if c.staple != nil && !c.staple.NextUpdate.IsZero() && now.After(c.staple.NextUpdate) {
			l.store.logf("tls: %s: the OCSP response for %s expired; it is left out", l.who, c.file)
			c.staple, c.stapled = nil, nil
			rebuild = true
		}
		if c.file == "self-signed" && now.After(c.pair.Leaf.NotAfter.Add(-warnAhead)) {
			delete(l.store.selfs, l.address)
			l.certs = nil
			if err := l.selfSign(now); err != nil {
				l.store.logf("tls: %s: %v", l.who, err)
				l.certs = []*certificate{c}
			}
			rebuild = true
		}
	}
	turned := l.ring != nil && l.ring.turn(now, l.cfg.Tickets.Rotate)
	if rebuild {
		l.build()
	} else if turned {
		l.config.Load().SetSessionTicketKeys(l.ring.keys)
	}
	l.warn(now)
	return changed, failed
}

// warn tells once a day of certificates that are about to end.
func (l *Listener) warn(now time.Time) {
	for _, c := range l.certs {
		c.warnNext = l.warnOf(c.file, c.pair.Leaf, c.warnNext, now)
	}
	if l.acme == nil {
		return
	}
	for _, domain := range l.acme.domains {
		if c := l.acme.current(domain); c != nil {
			l.acme.warnNext[domain] = l.warnOf("acme:"+domain, c.Leaf, l.acme.warnNext[domain], now)
		}
	}
}

// warnOf warns of one certificate unless it is too early to do so again, and
// returns when it is not.
func (l *Listener) warnOf(file string, leaf *x509.Certificate, next, now time.Time) time.Time {
	if now.Before(next) || now.Before(leaf.NotAfter.Add(-warnAhead)) && !now.Before(leaf.NotBefore) {
		return next
	}
	about := fmt.Sprintf("warning: tls: %s: certificate %s for %s", l.who, file, title(leaf))
	switch left := leaf.NotAfter.Sub(now); {
	case now.Before(leaf.NotBefore):
		l.store.logf("%s is valid only from %s on", about, leaf.NotBefore.UTC().Format(time.RFC3339))
	case left < 0:
		l.store.logf("%s expired on %s", about, day(leaf.NotAfter))
	default:
		l.store.logf("%s expires on %s, in %d days", about, day(leaf.NotAfter), int(left/(24*time.Hour)))
	}
	return now.Add(warnEvery)
}
