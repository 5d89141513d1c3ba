package certs

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"wsgate/cmd/wsgate/internal/config"
)

// alpnProtocol is what a tls-alpn-01 validation speaks (RFC 8737 3). A
// connection on which it was negotiated ends with the handshake.
const alpnProtocol = "acme-tls/1"

// httpChallenge is where an http-01 validation asks (RFC 8555 8.3).
const httpChallenge = "/.well-known/acme-challenge/"

// acme obtains and renews the certificates of one acme section. It is shared by
// the listeners of an address with the same section, one for each generation.
type acme struct {
	store   *Store
	domains []string
	alpn    bool // tls-alpn-01 is on

	magic  *certmagic.Config
	cache  *certmagic.Cache
	issuer *certmagic.ACMEIssuer
	logger *zap.Logger
	ctx    context.Context
	cancel context.CancelFunc

	// Under Store.mu.
	users    int
	started  bool
	warnNext map[string]time.Time // by domain
}

// joinACME gives the listener the acme of its section. Store.mu is held.
func (l *Listener) joinACME() error {
	section := *l.cfg.ACME
	section.Pos = config.Pos{}
	// A validation has no client certificate.
	alpn := slices.Contains(section.Challenges, "tls-alpn-01") && (l.cfg.ClientAuth == nil || l.cfg.ClientAuth.Mode != "require")
	key := fmt.Sprintf("%s %v %+v", l.address, alpn, section)
	a := l.store.acmes[key]
	if a == nil {
		var err error
		if a, err = newACME(l.store, section, alpn); err != nil {
			return err
		}
		l.store.acmes[key] = a
	}
	a.users++
	l.acme, l.acmeKey = a, key
	return nil
}

// leaveACME is joinACME's reverse.
func (l *Listener) leaveACME() {
	a := l.store.acmes[l.acmeKey]
	if a == nil || a != l.acme {
		return
	}
	if a.users--; a.users == 0 {
		a.close()
		delete(l.store.acmes, l.acmeKey)
	}
}

// Serve begins to obtain certificates by ACME, if the listener has any to
// obtain. bound is the address that connections are accepted on by now, since
// that is what answers the certificate authority. Further calls change nothing.
func (l *Listener) Serve(bound net.Addr) error {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if l.acme == nil || l.acme.started {
		return nil
	}
	return l.acme.serve(bound)
}

func newACME(s *Store, section config.ACME, alpn bool) (*acme, error) {
	a := &acme{store: s, domains: section.Domains, alpn: alpn, warnNext: make(map[string]time.Time), logger: zap.New(&logCore{logf: s.logf})}
	template := certmagic.ACMEIssuer{
		CA:                      section.Directory,
		Email:                   section.Email,
		Agreed:                  true, // config refuses a section without agree: true
		DisableHTTPChallenge:    !slices.Contains(section.Challenges, "http-01"),
		DisableTLSALPNChallenge: !alpn,
		Logger:                  a.logger,
	}
	if section.CA != "" {
		data, err := read(section.CA)
		if err != nil {
			return nil, fmt.Errorf("acme: CA %s %w", section.CA, err)
		}
		if template.TrustedRoots, err = parsePool(data); err != nil {
			return nil, fmt.Errorf("acme: CA %s %w", section.CA, err)
		}
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return a.magic, nil },
		RenewCheckInterval: s.renewEvery,
		Logger:             a.logger,
	})
	a.magic = certmagic.New(a.cache, certmagic.Config{
		Storage:            &certmagic.FileStorage{Path: section.Storage},
		RenewalWindowRatio: s.renewRatio,
		OnEvent:            a.event,
		Logger:             a.logger,
	})
	a.issuer = certmagic.NewACMEIssuer(a.magic, template)
	a.magic.Issuers = []certmagic.Issuer{a.issuer}
	return a, nil
}

// serve obtains what is not in the storage, and renews from then on. certmagic
// would listen on the ports of the challenges by itself unless they are taken:
// it is told that they are the one of this listener, which answers both.
func (a *acme) serve(bound net.Addr) error {
	host, port, err := net.SplitHostPort(bound.String())
	if err != nil {
		return fmt.Errorf("acme: a listener at %s cannot be reached by a certificate authority: %w", bound, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("acme: port %q: %w", port, err)
	}
	a.issuer.ListenHost, a.issuer.AltHTTPPort, a.issuer.AltTLSALPNPort = host, number, number
	if err := a.magic.ManageAsync(a.ctx, a.domains); err != nil {
		return fmt.Errorf("acme: %w", err)
	}
	a.started = true
	return nil
}

func (a *acme) close() {
	a.cancel()
	a.cache.Stop()
}

// event counts and tells what certmagic has come to.
func (a *acme) event(_ context.Context, event string, data map[string]any) error {
	switch event {
	case "cert_obtained":
		a.store.obtained.Add(1)
		what := "obtained"
		if data["renewal"] == true {
			what = "renewed"
		}
		a.store.logf("acme: certificate for %v %s", data["identifier"], what)
	case "cert_failed":
		a.store.refused.Add(1)
		a.store.logf("acme: certificate for %v: %v", data["identifier"], data["error"])
	}
	return nil
}

// certificate returns the one for a handshake, nil for none. alone: there are no
// others, so that the first domain's is the default.
func (a *acme) certificate(hello *tls.ClientHelloInfo, alone bool) (*tls.Certificate, error) {
	if a.alpn && hello.ServerName != "" && len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == alpnProtocol {
		return a.magic.GetCertificate(hello)
	}
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	if !slices.Contains(a.domains, name) {
		if !alone {
			return nil, nil
		}
		name = a.domains[0]
	}
	return a.current(name), nil
}

// current is the certificate for a domain that lasts longest, nil for none.
func (a *acme) current(domain string) *tls.Certificate {
	var best *certmagic.Certificate
	for _, c := range a.cache.AllMatchingCertificates(domain) {
		if best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter) {
			best = &c
		}
	}
	if best == nil {
		return nil
	}
	return &best.Certificate
}

// status returns one entry for each domain that has a certificate.
func (a *acme) status(listener string) []CertificateStatus {
	var list []CertificateStatus
	for _, domain := range a.domains {
		if c := a.current(domain); c != nil {
			list = append(list, CertificateStatus{
				Listener: listener, File: "acme:" + domain, Names: names(c.Leaf), NotAfter: c.Leaf.NotAfter, Loaded: c.Leaf.NotBefore,
			})
		}
	}
	return list
}

// HTTPChallenge answers a GET that came over plain HTTP, if it is an http-01
// validation for a certificate that is being obtained: body is then the content
// of a 200 with text/plain. host is as in the request, with or without a port.
// For all other requests it costs a comparison.
func (s *Store) HTTPChallenge(host, path string) (body string, ok bool) {
	if !strings.HasPrefix(path, httpChallenge) {
		return "", false
	}
	bare := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		bare = h
	}
	for _, i := range s.issuers(strings.ToLower(bare)) {
		w := &answer{header: make(http.Header)}
		r := (&http.Request{Method: http.MethodGet, Host: host, URL: &url.URL{Path: path}, Header: make(http.Header)}).WithContext(context.Background())
		if i.HandleHTTPChallenge(w, r) {
			return w.body.String(), true
		}
	}
	return "", false
}

// issuers are those that obtain a certificate for a domain.
func (s *Store) issuers(domain string) (list []*certmagic.ACMEIssuer) {
	s.list.RLock()
	defer s.list.RUnlock()
	for l := range s.listeners {
		if l.acme != nil && slices.Contains(l.acme.domains, domain) {
			list = append(list, l.acme.issuer)
		}
	}
	return list
}

// answer keeps what an http.Handler writes.
type answer struct {
	header http.Header
	body   strings.Builder
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
func (a *answer) WriteHeader(int)             {}

// Intervals of certmagic that tests shorten; 0 is its default: certificates are
// looked at every 10 minutes, and renewed in the last third of their life or
// when the authority says so (RFC 9773).
type renewal struct {
	renewEvery time.Duration
	renewRatio float64
}
