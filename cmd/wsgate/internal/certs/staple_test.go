package certs

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"wsgate/cmd/wsgate/internal/config"
)

// respond makes an OCSP response.
func (a *authority) respond(i issued, status int, from, to time.Time) []byte {
	a.t.Helper()
	der, err := ocsp.CreateResponse(a.cert, a.cert, ocsp.Response{
		Status: status, SerialNumber: i.leaf.SerialNumber, ThisUpdate: from, NextUpdate: to, RevokedAt: from,
	}, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

// TestStaple: a good response is stapled, from file, until it expires or its
// certificate is replaced.
func TestStaple(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	i := ca.issue(request{}, "a.test")
	good := ca.respond(i, ocsp.Good, from, to)
	c := w.put("a", i)
	c.OCSP = w.write("a.ocsp", good)
	l := w.listener(section(c))
	stapled := func() string {
		t.Helper()
		return string(w.mustMeet(l, &tls.Config{ServerName: "a.test", RootCAs: ca.pool()}).OCSPResponse)
	}
	if stapled() != string(good) {
		t.Error("not stapled")
	}
	if st := w.store.Status().Certificates; len(st) != 1 || !st[0].Staple.Equal(to.Truncate(time.Second)) {
		t.Errorf("%+v", st)
	}
	w.expect()

	// A bad one is not taken, and does not end the good one.
	other := newAuthority(t, "other")
	for reason, der := range map[string][]byte{
		"is no OCSP response for the certificate": []byte("garbage"),
		"bad OCSP signature":                      other.respond(i, ocsp.Good, from, to),
		"says that the certificate was revoked":   ca.respond(i, ocsp.Revoked, from, to),
		"says that the certificate is unknown":    ca.respond(i, ocsp.Unknown, from, to),
		"expired on ":                             ca.respond(i, ocsp.Good, from, from.Add(time.Minute)),
		"is valid only from ":                     ca.respond(i, ocsp.Good, to, to.Add(time.Hour)),
	} {
		w.write("a.ocsp", der)
		w.pass(0)
		w.pass(grace)
		lines := w.logged()
		if len(lines) != 1 || !strings.Contains(lines[0], "OCSP response "+w.path("a.ocsp")+" ") || !strings.Contains(lines[0], reason) {
			t.Errorf("%q, want %s", lines, reason)
		}
		if stapled() != string(good) {
			t.Errorf("%s: no longer stapled", reason)
		}
	}

	// Another certificate: the response of the old one is of no use.
	next := ca.issue(request{}, "a.test")
	w.write("a.ocsp", good)
	w.pass(0)
	w.put("a", next)
	w.pass(0)
	if stapled() != "" {
		t.Error("stapled to the wrong certificate")
	}
	w.logged()
	w.write("a.ocsp", ca.respond(next, ocsp.Good, from, to))
	w.pass(0)
	w.expect("OCSP response " + w.path("a.ocsp") + " is loaded")
	if stapled() == "" {
		t.Error("not stapled")
	}
	w.pass(2 * time.Hour)
	w.expect("the OCSP response for " + w.path("a.pem") + " expired; it is left out")
	if stapled() != "" {
		t.Error("stapled beyond its end")
	}
}

// TestStapleIsOptional: without it the listener starts, and says so.
func TestStapleIsOptional(t *testing.T) {
	w := newWorld(t)
	c := w.put("a", newAuthority(t, "CA").issue(request{}, "a.test"))
	c.OCSP = w.path("none")
	w.serves(w.listener(section(c)), "a.test")
	w.expect("OCSP response " + c.OCSP + " cannot be read: no such file or directory; it is left out")
}

// TestExpiry: two weeks ahead a certificate is warned of, at start and once a
// day.
func TestExpiry(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	end := time.Now().Add(16 * 24 * time.Hour)
	w.listener(section(w.put("a", ca.issue(request{to: end}, "a.test"))))
	w.expect()
	for range 47 {
		w.pass(time.Hour)
	}
	w.expect()
	w.pass(2 * time.Hour)
	w.expect(`warning: tls: listener 127.0.0.1:443: certificate ` + w.path("a.pem") + ` for ["a.test"] expires on ` + day(end) + ", in 13 days")
	for range 23 {
		w.pass(time.Hour)
	}
	w.expect()
	w.pass(time.Hour)
	w.expect("in 12 days")
	w.listener(section(w.put("b", ca.issue(request{to: end}, "b.test"))))
	w.expect("b.pem for [\"b.test\"] expires on ")
	w.put("a", ca.issue(request{}, "a.test"))
	w.pass(0)
	w.expect("a.pem is loaded")
	w.pass(24 * time.Hour)
	w.expect("b.pem for ")
	w.listener(section(w.put("c", ca.issue(request{from: time.Now().Add(1000 * time.Hour)}, "c.test"))))
	w.expect("c.pem for [\"c.test\"] is valid only from ")
}

func TestStatus(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	a, b := ca.issue(request{}, "a.test", "192.0.2.1"), ca.issue(request{}, "*.b.test")
	s := section(w.put("b", b), w.put("a", a))
	w.listener(s)
	w.listener(s) // while generations change places
	l, err := w.store.Listener(&config.Listener{Address: "127.0.0.1:1", TLS: section(w.put("a", a))})
	if err != nil {
		t.Fatal(err)
	}
	got := w.store.Status()
	var lines []string
	for _, c := range got.Certificates {
		lines = append(lines, c.Listener+" "+strings.TrimPrefix(c.File, w.dir)+" "+strings.Join(c.Names, ","))
		if c.Loaded.IsZero() || !c.NotAfter.Equal(a.leaf.NotAfter) && !c.NotAfter.Equal(b.leaf.NotAfter) {
			t.Errorf("%+v", c)
		}
	}
	if s := strings.Join(lines, "\n"); s != "127.0.0.1:1 /a.pem a.test,192.0.2.1\n127.0.0.1:443 /a.pem a.test,192.0.2.1\n127.0.0.1:443 /b.pem *.b.test" {
		t.Error(s)
	}
	l.Close()
	if n := len(w.store.Status().Certificates); n != 2 {
		t.Errorf("%d certificates", n)
	}
}
