package certs

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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wsgate/cmd/wsgate/internal/config"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// pebble, in the tests of ACME, ends with the process.
		goleak.IgnoreAnyFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"),
		// certmagic's rate limiters, one for each directory and account, stay;
		// who keeps a lock file fresh finds it gone after five seconds.
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
	)
}

// authority issues certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  crypto.Signer
	pem  []byte
}

var serial int64 = 1000

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t: t, cert: cert, key: key, pem: block("CERTIFICATE", der)}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// issued is a certificate in PEM, with the issuer behind it.
type issued struct {
	leaf       *x509.Certificate
	chain, key []byte
}

// request is what a certificate is to be like; the zero value is an ECDSA one
// that is valid for a year.
type request struct {
	rsa      bool
	from, to time.Time
}

var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func (a *authority) issue(r request, names ...string) issued {
	a.t.Helper()
	var key crypto.Signer
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if r.rsa {
		key, err = rsaKey()
	}
	if err != nil {
		a.t.Fatal(err)
	}
	if r.from.IsZero() {
		r.from = time.Now().Add(-time.Hour)
	}
	if r.to.IsZero() {
		r.to = time.Now().Add(365 * 24 * time.Hour)
	}
	serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "certificate of a test"},
		NotBefore: r.from, NotAfter: r.to, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return issued{leaf, slices.Concat(block("CERTIFICATE", der), a.pem), block("PRIVATE KEY", private)}
}

func (i issued) pair(t testing.TB) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(i.chain, i.key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// world is a store with a clock of its own, whose files are looked at only when
// the test says so.
type world struct {
	*testing.T
	dir   string
	store *Store
	mu    sync.Mutex
	clock time.Time
	lines []string
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, dir: t.TempDir(), clock: time.Now()}
	w.store = w.open()
	return w
}

func (w *world) open() *Store {
	s := Open(Options{Every: -1, Now: w.now, Logf: func(format string, args ...any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lines = append(w.lines, fmt.Sprintf(format, args...))
	}})
	w.Cleanup(s.Close)
	return s
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

// pass lets time go by, and the store look.
func (w *world) pass(d time.Duration) (changed, failed int) {
	w.mu.Lock()
	w.clock = w.clock.Add(d)
	w.mu.Unlock()
	return w.store.look(false)
}

// logged returns the lines since the last call.
func (w *world) logged() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.lines
	w.lines = nil
	return lines
}

// expect compares the log since the last call; each line must have its part.
func (w *world) expect(parts ...string) {
	w.Helper()
	got := w.logged()
	ok := len(got) == len(parts)
	for i := 0; ok && i < len(parts); i++ {
		ok = strings.Contains(got[i], parts[i])
	}
	if !ok {
		w.Errorf("logged\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(parts, "\n"))
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// write replaces a file as editors do, by a new one in its place.
func (w *world) write(name string, data []byte) string {
	w.Helper()
	path := w.path(name)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		w.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		w.Fatal(err)
	}
	return path
}

// put writes a certificate and its key, and returns their paths.
func (w *world) put(name string, i issued) config.Certificate {
	w.Helper()
	return config.Certificate{Cert: w.write(name+".pem", i.chain), Key: w.write(name+".key", i.key)}
}

// section is the tls section of a listener, as the configuration has it by
// default.
func section(certificates ...config.Certificate) *config.TLS {
	return &config.TLS{
		Certificates: certificates, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13,
		ALPN: []string{"h2", "http/1.1"}, Tickets: config.Tickets{Rotate: time.Hour},
	}
}

func (w *world) listener(t *config.TLS) *Listener {
	w.Helper()
	l, err := w.store.Listener(&config.Listener{Address: "127.0.0.1:443", TLS: t})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(l.Close)
	return l
}

// connected returns both ends of a connection. Unlike those of net.Pipe they
// take bytes that nobody reads yet.
func connected() (server, client net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if server, err = l.Accept(); err != nil {
		client.Close()
	}
	return server, client, err
}

// meet makes a handshake between two configurations, and passes a byte from the
// server to the client, behind which all tickets are.
func meet(server, client *tls.Config) (s, c tls.ConnectionState, err error) {
	a, b, err := connected()
	if err != nil {
		return s, c, err
	}
	defer a.Close()
	defer b.Close()
	ends := make(chan error, 1)
	srv, cli := tls.Server(a, server.Clone()), tls.Client(b, client)
	go func() {
		err := srv.Handshake()
		if err == nil {
			_, err = srv.Write([]byte{1})
		}
		if err != nil {
			a.Close()
		}
		ends <- err
	}()
	one := make([]byte, 1)
	_, err = cli.Read(one)
	if err != nil {
		b.Close()
	}
	if serverErr := <-ends; serverErr != nil && err == nil {
		err = serverErr
	} else if serverErr != nil {
		err = fmt.Errorf("client: %w; server: %w", err, serverErr)
	}
	return srv.ConnectionState(), cli.ConnectionState(), err
}

// mustMeet is meet for those that must understand each other; it returns the
// client's state.
func (w *world) mustMeet(l *Listener, client *tls.Config) tls.ConnectionState {
	w.Helper()
	_, c, err := meet(l.Config(), client)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// serves is the serial number of the certificate that a client gets.
func (w *world) serves(l *Listener, name string) *big.Int {
	w.Helper()
	return w.mustMeet(l, &tls.Config{ServerName: name, InsecureSkipVerify: true}).PeerCertificates[0].SerialNumber
}

// shows fails unless that certificate is served to a client that asks for name.
func (w *world) shows(l *Listener, name string, want issued) {
	w.Helper()
	if got := w.serves(l, name); got.Cmp(want.leaf.SerialNumber) != 0 {
		w.Errorf("%q: certificate %v is served, not %v", name, got, want.leaf.SerialNumber)
	}
}
