package certs

import (
	"crypto/tls"
	"testing"

	"wsgate/cmd/wsgate/internal/config"
)

const endpoint, endpoint2 = "127.0.0.1:9001", "127.0.0.2:9001"

func (w *world) upstream(t config.UpstreamTLS) *Upstream {
	w.Helper()
	if t.MinVersion == 0 {
		t.MinVersion = tls.VersionTLS12
	}
	u, err := w.store.Upstream(&config.Upstream{Name: "u", TLS: &t, Endpoints: []config.Endpoint{{Address: endpoint}, {Address: endpoint2}}})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(u.Close)
	return u
}

// TestVerify: endpoints are verified by address or name, unless that is turned
// off.
func TestVerify(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	file := w.write("ca.pem", ca.pem)
	byIP, byName := ca.issue(request{}, "127.0.0.1").pair(t), ca.issue(request{}, "backend.test").pair(t)
	for _, tt := range []struct {
		name    string
		section config.UpstreamTLS
		server  tls.Certificate
		address string
		ok      bool
	}{
		{"address", config.UpstreamTLS{CA: file}, byIP, endpoint, true},
		{"other address", config.UpstreamTLS{CA: file}, byIP, endpoint2, false},
		{"address not in the configuration", config.UpstreamTLS{CA: file}, byIP, "127.0.0.1:1", true},
		{"name instead of address", config.UpstreamTLS{CA: file}, byName, endpoint, false},
		{"name", config.UpstreamTLS{CA: file, ServerName: "backend.test"}, byName, endpoint, true},
		{"name not in the configuration", config.UpstreamTLS{CA: file, ServerName: "backend.test"}, byName, "unix:/x", true},
		{"other name", config.UpstreamTLS{CA: file, ServerName: "other.test"}, byName, endpoint, false},
		{"the system's authorities", config.UpstreamTLS{}, byIP, endpoint, false},
		{"insecure", config.UpstreamTLS{InsecureSkipVerify: true}, byName, endpoint, true},
	} {
		server := &tls.Config{Certificates: []tls.Certificate{tt.server}, NextProtos: []string{"h2", "http/1.1"}}
		s, _, err := meet(server, w.upstream(tt.section).Config(tt.address))
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil && (s.NegotiatedProtocol != "http/1.1" || s.ServerName != tt.section.ServerName) {
			t.Errorf("%s: protocol %q, name %q", tt.name, s.NegotiatedProtocol, s.ServerName)
		}
	}
	old := &tls.Config{Certificates: []tls.Certificate{byIP}, MaxVersion: tls.VersionTLS12}
	if _, _, err := meet(old, w.upstream(config.UpstreamTLS{CA: file}).Config(endpoint)); err != nil {
		t.Error(err)
	}
	if _, _, err := meet(old, w.upstream(config.UpstreamTLS{CA: file, MinVersion: tls.VersionTLS13}).Config(endpoint)); err == nil {
		t.Error("TLS 1.2 below min_version")
	}
}

// TestUpstreamResumption: each endpoint's sessions are resumed, and those of one
// are not offered to another.
func TestUpstreamResumption(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	u := w.upstream(config.UpstreamTLS{CA: w.write("ca.pem", ca.pem), ServerName: "backend.test"})
	pair := ca.issue(request{}, "backend.test").pair(t)
	a, b := &tls.Config{Certificates: []tls.Certificate{pair}}, &tls.Config{Certificates: []tls.Certificate{pair}}
	a.SetSessionTicketKeys([][32]byte{{1}})
	b.SetSessionTicketKeys([][32]byte{{2}})
	for i := range 4 {
		for address, server := range map[string]*tls.Config{endpoint: a, endpoint2: b} {
			_, c, err := meet(server, u.Config(address))
			if err != nil || c.DidResume != (i > 0) {
				t.Errorf("%d: %v, resumed %v", i, err, c.DidResume)
			}
		}
	}
}

// TestUpstreamReload: a new authority and a new client certificate are used at
// once, for resumed sessions, too.
func TestUpstreamReload(t *testing.T) {
	w := newWorld(t)
	ca, other := newAuthority(t, "CA"), newAuthority(t, "other")
	first, second := ca.issue(request{}, "first"), ca.issue(request{}, "second")
	c := w.put("client", first)
	u := w.upstream(config.UpstreamTLS{CA: w.write("ca.pem", ca.pem), Cert: c.Cert, Key: c.Key})
	server := &tls.Config{Certificates: []tls.Certificate{ca.issue(request{}, "127.0.0.1").pair(t)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool()}
	server.SetSessionTicketKeys([][32]byte{{1}})
	is := func(want issued, resumed bool) {
		t.Helper()
		s, _, err := meet(server, u.Config(endpoint))
		if err != nil || s.PeerCertificates[0].SerialNumber.Cmp(want.leaf.SerialNumber) != 0 || s.DidResume != resumed {
			t.Errorf("%v, resumed %v", err, s.DidResume)
		}
	}
	is(first, false)
	is(first, true)
	w.put("client", second)
	w.pass(0)
	w.expect("tls: upstream u: client certificate " + c.Cert + " is loaded")
	is(second, false)
	is(second, true)
	w.write("ca.pem", []byte("garbage"))
	w.pass(0)
	w.pass(grace)
	w.expect("tls: upstream u: CA " + w.path("ca.pem") + " has no certificate in PEM; the last good one stays in use")
	is(second, true)
	w.write("ca.pem", other.pem)
	w.pass(0)
	if _, _, err := meet(server, u.Config(endpoint)); err == nil {
		t.Error("the old authority is trusted")
	}
}
