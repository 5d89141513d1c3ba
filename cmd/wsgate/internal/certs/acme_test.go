package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"wsgate/cmd/wsgate/internal/config"
)

// certifier is Let's Encrypt's test server, for which every name is 127.0.0.1.
type certifier struct {
	directory string
	ca        *ca.CAImpl
}

func newCertifier(t *testing.T, w *world, httpPort, tlsPort int) *certifier {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	authority := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: 90 * 24 * 3600}})
	validation := va.New(quiet, httpPort, tlsPort, true, resolver(t), store)
	front := wfe.New(quiet, store, validation, authority, []string{"pebble.test"}, true, false, 1, 1)
	server := httptest.NewUnstartedServer(front.Handler())
	own := newAuthority(t, "directory")
	w.write("directory.pem", own.pem)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{own.issue(request{}, "127.0.0.1").pair(t)}}
	server.Config.ErrorLog = quiet
	server.StartTLS()
	t.Cleanup(server.Close)
	return &certifier{directory: server.URL + wfe.DirectoryPath, ca: authority}
}

func (c *certifier) pool(t *testing.T) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(c.ca.GetRootCert(0).Cert)
	return pool
}

// resolver answers every question for an IPv4 address with 127.0.0.1.
func resolver(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1},
				A:   net.IPv4(127, 0, 0, 1),
			})
		}
		if err := w.WriteMsg(m); err != nil {
			t.Log(err)
		}
	})}
	var done sync.WaitGroup
	done.Go(func() { _ = server.ActivateAndServe() })
	t.Cleanup(func() {
		_ = server.Shutdown()
		done.Wait()
	})
	return l.Addr().String()
}

// gate is a gateway as far as ACME sees it: a port with TLS and one without.
type gate struct {
	tls, plain net.Listener
	current    atomic.Pointer[Listener]
	store      atomic.Pointer[Store]
	alpn, http atomic.Int64 // validations that came
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{}
	for _, l := range []*net.Listener{&g.tls, &g.plain} {
		var err error
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	var serving sync.WaitGroup
	serving.Go(func() { g.accept(&serving) })
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := g.store.Load().HTTPChallenge(r.Host, r.URL.Path)
		if !ok {
			http.NotFound(w, r)
			return
		}
		g.http.Add(1)
		_, _ = io.WriteString(w, body)
	})}
	serving.Go(func() { _ = server.Serve(g.plain) })
	t.Cleanup(func() {
		_ = server.Close()
		_ = g.tls.Close()
		serving.Wait()
	})
	return g
}

func (g *gate) accept(serving *sync.WaitGroup) {
	for {
		conn, err := g.tls.Accept()
		if err != nil {
			return
		}
		serving.Go(func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			c := tls.Server(conn, g.current.Load().Config().Clone())
			if c.Handshake() == nil && c.ConnectionState().NegotiatedProtocol == alpnProtocol {
				g.alpn.Add(1)
			}
		})
	}
}

// obtain waits until the gate has a certificate for name that pool trusts and
// that is not old, and returns its number.
func (g *gate) obtain(t *testing.T, name string, pool *x509.CertPool, old *big.Int) *big.Int {
	t.Helper()
	client := &tls.Config{ServerName: name, RootCAs: pool}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		c, err := tls.Dial("tcp", g.tls.Addr().String(), client)
		if err != nil {
			continue
		}
		number := c.ConnectionState().PeerCertificates[0].SerialNumber
		c.Close()
		if old == nil || number.Cmp(old) != 0 {
			return number
		}
	}
	t.Fatal("no certificate")
	return nil
}

func (g *gate) port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// open starts a store with the listener of the gate, on a storage that may be of
// another one.
func (g *gate) open(w *world, c *certifier, s *config.TLS, challenges ...string) *Store {
	w.Helper()
	store := w.open()
	s.ACME = &config.ACME{
		Domains: []string{"a.test", "b.test"}, Email: "admin@a.test", Directory: c.directory,
		Storage: w.path("storage"), CA: w.path("directory.pem"), Challenges: challenges,
	}
	l, err := store.Listener(&config.Listener{Address: g.tls.Addr().String(), TLS: s})
	if err != nil {
		w.Fatal(err)
	}
	g.current.Store(l)
	g.store.Store(store)
	return store
}

// TestACME: both challenges obtain certificates that clients see; before that
// handshakes fail and are counted; a store that comes later has them at once.
func TestACME(t *testing.T) {
	for _, challenge := range []string{"tls-alpn-01", "http-01"} {
		t.Run(challenge, func(t *testing.T) {
			w, g := newWorld(t), newGate(t)
			c := newCertifier(t, w, g.port(g.plain), g.port(g.tls))
			store := g.open(w, c, section(), challenge)

			_, err := tls.Dial("tcp", g.tls.Addr().String(), &tls.Config{ServerName: "a.test", RootCAs: c.pool(t)})
			var alert tls.AlertError
			if op := new(net.OpError); !errors.As(err, &op) && !errors.As(err, &alert) {
				t.Errorf("%v, not an alert", err)
			}
			if n := store.Status().Missing; n != 1 {
				t.Errorf("%d handshakes without a certificate", n)
			}
			w.expect("a handshake failed: there is no certificate yet")

			if err := g.current.Load().Serve(g.tls.Addr()); err != nil {
				t.Fatal(err)
			}
			number := g.obtain(t, "a.test", c.pool(t), nil)
			g.obtain(t, "b.test", c.pool(t), nil)
			if alpn, plain := g.alpn.Load() > 0, g.http.Load() > 0; alpn != (challenge == "tls-alpn-01") || plain != (challenge == "http-01") {
				t.Errorf("tls-alpn-01 %v, http-01 %v", alpn, plain)
			}
			st := store.Status()
			if st.Obtained != 2 || st.Refused != 0 || len(st.Certificates) != 2 || st.Certificates[0].File != "acme:a.test" || st.Certificates[0].Names[0] != "a.test" {
				t.Errorf("%+v", st)
			}
			w.logged()
			g.current.Load().look(st.Certificates[0].NotAfter.Add(-10*24*time.Hour), false)
			w.expect(`certificate acme:a.test for ["a.test"] expires on `, `certificate acme:b.test for ["b.test"] expires on `)
			// An unknown name gets the first domain's.
			if got := w.serves(g.current.Load(), "other.test"); got.Cmp(number) != 0 {
				t.Error("another certificate by default")
			}
			store.Close()

			again := g.open(w, c, section(), challenge)
			if err := g.current.Load().Serve(g.tls.Addr()); err != nil {
				t.Fatal(err)
			}
			if got := g.obtain(t, "a.test", c.pool(t), nil); got.Cmp(number) != 0 {
				t.Error("another certificate than in the storage")
			}
			if n := again.Status().Obtained; n != 0 {
				t.Errorf("%d certificates obtained again", n)
			}
			again.Close()
		})
	}
}

// TestRenewal: a certificate is renewed while the listener serves, beside one
// from a file.
func TestRenewal(t *testing.T) {
	w, g := newWorld(t), newGate(t)
	// certmagic waits a minute behind a renewal that was cut short, as the last
	// one of this test is; it remembers that by name, for the whole process.
	name := fmt.Sprintf("renewed-%d.test", time.Now().UnixNano())
	c := newCertifier(t, w, g.port(g.plain), g.port(g.tls))
	file := newAuthority(t, "CA").issue(request{}, "file.test")
	store := w.open()
	store.renewEvery, store.renewRatio = 20*time.Millisecond, 1 // at once, and again and again
	s := section(w.put("file", file))
	s.ACME = &config.ACME{
		Domains: []string{name}, Directory: c.directory, Storage: w.path("storage"), CA: w.path("directory.pem"),
		Challenges: []string{"tls-alpn-01", "http-01"},
	}
	l, err := store.Listener(&config.Listener{Address: g.tls.Addr().String(), TLS: s})
	if err != nil {
		t.Fatal(err)
	}
	g.current.Store(l)
	g.store.Store(store)
	w.shows(l, name, file) // better than nothing
	for range 2 {
		if err := l.Serve(g.tls.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	first := g.obtain(t, name, c.pool(t), nil)
	g.obtain(t, name, c.pool(t), first)
	w.shows(l, "file.test", file)
	w.shows(l, "other.test", file)
	store.Close()
	renewed := false
	for _, line := range w.logged() {
		renewed = renewed || line == "acme: certificate for "+name+" renewed"
	}
	if !renewed {
		t.Error("not told")
	}
}

// TestHTTPChallenge: what is no validation is not answered.
func TestHTTPChallenge(t *testing.T) {
	w, g := newWorld(t), newGate(t)
	c := newCertifier(t, w, g.port(g.plain), g.port(g.tls))
	store := g.open(w, c, section(), "http-01")
	for _, r := range [][2]string{
		{"a.test", "/"}, {"a.test", httpChallenge}, {"a.test", httpChallenge + "token"}, {"a.test:80", httpChallenge + "../x"},
		{"other.test", httpChallenge + "token"}, {"", httpChallenge + "token"}, {"[::1", httpChallenge + strings.Repeat("x", 1000)},
	} {
		if body, ok := store.HTTPChallenge(r[0], r[1]); ok || body != "" {
			t.Errorf("%v: %q", r, body)
		}
	}
	store.Close()
}

// TestGenerations: a generation with the same section goes on with what the one
// before has begun, and the last to leave ends it.
func TestGenerations(t *testing.T) {
	w, g := newWorld(t), newGate(t)
	c := newCertifier(t, w, g.port(g.plain), g.port(g.tls))
	s := section()
	store := g.open(w, c, s, "tls-alpn-01")
	first := g.current.Load()
	second, err := store.Listener(&config.Listener{Address: g.tls.Addr().String(), TLS: s})
	if err != nil {
		t.Fatal(err)
	}
	if first.acme != second.acme {
		t.Error("two of the same")
	}
	first.Close()
	if second.acme.ctx.Err() != nil {
		t.Error("ended under the second generation")
	}
	second.Close()
	if second.acme.ctx.Err() == nil || len(store.acmes) != 0 {
		t.Error("goes on without a listener")
	}
	// With client certificates required no validation comes by TLS.
	s.ClientAuth = &config.ClientAuth{Mode: "require", CA: w.path("directory.pem")}
	g.open(w, c, s, "tls-alpn-01", "http-01")
	if l := g.current.Load(); l.acme.alpn || !l.acme.issuer.DisableTLSALPNChallenge || l.acme.issuer.DisableHTTPChallenge {
		t.Error("tls-alpn-01 with required client certificates")
	}
	if err := g.current.Load().Serve(&net.UnixAddr{Name: "/x", Net: "unix"}); err == nil {
		t.Error("a unix socket that an authority can reach")
	}
}
