package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"

	"wsgate/cmd/wsgate/internal/config"
)

// TestNames: the certificate is that for the name that the client asks for.
func TestNames(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	first, wild, exact := ca.issue(request{}, "first.test", "192.0.2.1"), ca.issue(request{}, "*.wild.test"), ca.issue(request{}, "Exact.wild.test")
	l := w.listener(section(w.put("first", first), w.put("wild", wild), w.put("exact", exact)))
	for name, want := range map[string]issued{
		"":                first,
		"first.test":      first,
		"FIRST.test":      first,
		"other.test":      first,
		"a.first.test":    first,
		"a.wild.test":     wild,
		"A.WILD.test":     wild,
		"wild.test":       first,
		"a.b.wild.test":   first,
		"exact.wild.test": exact,
		"eXact.wild.test": exact,
	} {
		w.shows(l, name, want)
	}
}

// TestKeyTypes: with ECDSA and RSA beside each other a client gets what it can
// verify, for a name, for a wildcard and by default; ECDSA if it can do both.
func TestKeyTypes(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	r, e := ca.issue(request{rsa: true}, "a.test", "*.b.test"), ca.issue(request{}, "a.test", "*.b.test")
	only := ca.issue(request{}, "only.test")
	l := w.listener(section(w.put("r", r), w.put("e", e), w.put("only", only)))
	both := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	for _, name := range []string{"a.test", "x.b.test", "unknown.test", ""} {
		for _, tt := range []struct {
			suites []uint16
			want   issued
		}{{both, e}, {both[:1], r}, {both[1:], e}} {
			c := w.mustMeet(l, &tls.Config{ServerName: name, InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: tt.suites})
			if c.PeerCertificates[0].SerialNumber.Cmp(tt.want.leaf.SerialNumber) != 0 {
				t.Errorf("%q %x: the other certificate", name, tt.suites)
			}
		}
	}
	// What a client cannot verify fails, and is not replaced by another name's.
	if _, c, err := meet(l.Config(), &tls.Config{ServerName: "only.test", InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: both[:1]}); err == nil {
		t.Errorf("got the certificate for %v", c.PeerCertificates[0].DNSNames)
	}
}

// TestProtocols: versions, suites, groups and ALPN are those of the section.
func TestProtocols(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	pair := w.put("a", ca.issue(request{}, "a.test"))
	const gcm128, chacha, cbc = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
	for _, tt := range []struct {
		name   string
		change func(*config.TLS)
		client *tls.Config
		want   tls.ConnectionState // fields that are 0 do not matter; Version 0: no handshake
	}{
		{"defaults", func(*config.TLS) {}, &tls.Config{NextProtos: []string{"http/1.1", "h2"}},
			tls.ConnectionState{Version: tls.VersionTLS13, NegotiatedProtocol: "h2", CurveID: tls.X25519MLKEM768}},
		{"1.2", func(*config.TLS) {}, &tls.Config{MaxVersion: tls.VersionTLS12}, tls.ConnectionState{Version: tls.VersionTLS12}},
		{"1.1", func(*config.TLS) {}, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, tls.ConnectionState{}},
		{"min", func(s *config.TLS) { s.MinVersion = tls.VersionTLS13 }, &tls.Config{MaxVersion: tls.VersionTLS12}, tls.ConnectionState{}},
		{"max", func(s *config.TLS) { s.MaxVersion = tls.VersionTLS12 }, &tls.Config{}, tls.ConnectionState{Version: tls.VersionTLS12}},
		{"no CBC", func(*config.TLS) {}, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{cbc}}, tls.ConnectionState{}},
		{"CBC by name", func(s *config.TLS) { s.CipherSuites = []uint16{cbc} }, &tls.Config{MaxVersion: tls.VersionTLS12},
			tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: cbc}},
		{"suite", func(s *config.TLS) { s.CipherSuites = []uint16{chacha} }, &tls.Config{MaxVersion: tls.VersionTLS12},
			tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: chacha}},
		{"other suite", func(s *config.TLS) { s.CipherSuites = []uint16{chacha} }, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{gcm128}},
			tls.ConnectionState{}},
		{"curve", func(s *config.TLS) { s.Curves = []uint16{uint16(tls.CurveP384)} }, &tls.Config{}, tls.ConnectionState{Version: tls.VersionTLS13, CurveID: tls.CurveP384}},
		{"other curve", func(s *config.TLS) { s.Curves = []uint16{uint16(tls.CurveP384)} }, &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}}, tls.ConnectionState{}},
		{"no h2", func(s *config.TLS) { s.ALPN = []string{"http/1.1"} }, &tls.Config{NextProtos: []string{"h2", "http/1.1"}},
			tls.ConnectionState{Version: tls.VersionTLS13, NegotiatedProtocol: "http/1.1"}},
		{"no ALPN in common", func(*config.TLS) {}, &tls.Config{NextProtos: []string{"acme-tls/1"}}, tls.ConnectionState{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := section(pair)
			tt.change(s)
			tt.client.InsecureSkipVerify, tt.client.ServerName = true, "a.test"
			_, c, err := meet(w.listener(s).Config(), tt.client)
			if (err == nil) != (tt.want.Version != 0) {
				t.Fatalf("error %v, version %x", err, c.Version)
			}
			if err != nil {
				return
			}
			if c.Version != tt.want.Version || tt.want.CipherSuite != 0 && c.CipherSuite != tt.want.CipherSuite ||
				tt.want.CurveID != 0 && c.CurveID != tt.want.CurveID || c.NegotiatedProtocol != tt.want.NegotiatedProtocol {
				t.Errorf("version %x suite %x curve %v protocol %q", c.Version, c.CipherSuite, c.CurveID, c.NegotiatedProtocol)
			}
		})
	}
}

// TestClientCertificates: require needs one, request takes none, neither takes
// one of another authority; a new CA file ends trust in the old one, for
// sessions that are resumed, too.
func TestClientCertificates(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		w := newWorld(t)
		ca, other := newAuthority(t, "CA"), newAuthority(t, "other")
		pair := w.put("a", ca.issue(request{}, "a.test"))
		file := w.write("clients.pem", ca.pem)
		good, bad := ca.issue(request{}, "good").pair(t), other.issue(request{}, "bad").pair(t)
		client := func(c ...tls.Certificate) *tls.Config {
			out := &tls.Config{ServerName: "a.test", RootCAs: ca.pool(), MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			if len(c) > 0 {
				// Whatever the server asks for.
				out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c[0], nil }
			}
			return out
		}
		for mode, none := range map[string]bool{"require": false, "request": true} {
			s := section(pair)
			s.ClientAuth = &config.ClientAuth{Mode: mode, CA: file}
			l := w.listener(s)
			if _, _, err := meet(l.Config(), client()); (err == nil) != none {
				t.Errorf("%s, none: %v", mode, err)
			}
			if _, _, err := meet(l.Config(), client(bad)); err == nil {
				t.Errorf("%s: one of another authority", mode)
			}
			c := client(good)
			for _, resumed := range []bool{false, true} {
				got, _, err := meet(l.Config(), c)
				if err != nil || len(got.VerifiedChains) == 0 || got.DidResume != resumed {
					t.Errorf("%s: %v, %d chains, resumed %v", mode, err, len(got.VerifiedChains), got.DidResume)
				}
			}
			w.write("clients.pem", other.pem)
			w.pass(0)
			if got, _, err := meet(l.Config(), c); err == nil {
				t.Errorf("%s: the old authority is trusted, resumed %v", mode, got.DidResume)
			}
			if _, _, err := meet(l.Config(), client(bad)); err != nil {
				t.Errorf("%s: the new authority: %v", mode, err)
			}
			w.write("clients.pem", ca.pem)
			l.Close()
		}
	}
}

// TestKeyLog: secrets go to the file, which nobody else can read, and only with
// the key in the section.
func TestKeyLog(t *testing.T) {
	w := newWorld(t)
	s := section(w.put("a", newAuthority(t, "CA").issue(request{}, "a.test")))
	if w.listener(s).Config().KeyLogWriter != nil {
		t.Error("secrets are logged unasked")
	}
	s.KeyLog = w.path("keys")
	var mine bytes.Buffer
	w.mustMeet(w.listener(s), &tls.Config{InsecureSkipVerify: true, KeyLogWriter: &mine})
	got, err := os.ReadFile(s.KeyLog)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(mine.String()) {
		if !strings.Contains(string(got), line) {
			t.Errorf("missing: %s", line)
		}
	}
	info, err := os.Stat(s.KeyLog)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestSelfSigned(t *testing.T) {
	w := newWorld(t)
	s := section()
	s.SelfSigned = true
	l := w.listener(s)
	leaf := w.mustMeet(l, &tls.Config{InsecureSkipVerify: true}).PeerCertificates[0]
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		w.mustMeet(l, &tls.Config{ServerName: name, RootCAs: pool})
	}
	// The next generation has the same; long after, there is a new one.
	if again := w.serves(w.listener(s), "localhost"); again.Cmp(leaf.SerialNumber) != 0 {
		t.Error("a new certificate for the next generation")
	}
	w.pass(selfSignedFor - warnAhead + 1)
	if again := w.serves(l, "localhost"); again.Cmp(leaf.SerialNumber) == 0 {
		t.Error("it expires while in use")
	}
}

// TestRefused: without its files a listener does not start, and says why.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	a, b := w.put("a", ca.issue(request{}, "a.test")), w.put("b", ca.issue(request{}, "b.test"))
	for want, change := range map[string]func(*config.TLS){
		"cert: none.pem cannot be read: no such file or directory": func(s *config.TLS) { s.Certificates[0].Cert = "none.pem" },
		"b.key is not the key of the certificate for":              func(s *config.TLS) { s.Certificates[0].Key = b.Key },
		"client CA " + a.Key + " has no certificate in PEM":        func(s *config.TLS) { s.ClientAuth = &config.ClientAuth{Mode: "require", CA: a.Key} },
		"ticket keys " + a.Key + " line 1 is not 32 bytes":         func(s *config.TLS) { s.Tickets = config.Tickets{File: a.Key} },
		"key log: open " + w.dir + ": is a directory":              func(s *config.TLS) { s.KeyLog = w.dir },
	} {
		s := section(a)
		change(s)
		_, err := w.store.Listener(&config.Listener{Address: "127.0.0.1:1", TLS: s})
		if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(want, "cert: ")) || !strings.HasPrefix(err.Error(), "listener 127.0.0.1:1: ") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if len(w.store.users) != 0 {
		t.Error("one is watched")
	}
	var f *fault
	if _, err := parsePair(nil, nil); !errors.As(err, &f) || f.path != 0 {
		t.Error(err)
	}
}
