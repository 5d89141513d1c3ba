package certs

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"wsgate/cmd/wsgate/internal/config"
)

// TestCheck: what is wrong with files is told where the configuration names
// them, all of it in one go.
func TestCheck(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	now := time.Now()
	a := ca.issue(request{}, "a.test")
	w.put("a", a)
	w.put("b", ca.issue(request{}, "b.test"))
	w.put("soon", ca.issue(request{to: now.Add(24 * time.Hour)}, "soon.test"))
	w.put("past", ca.issue(request{to: now.Add(-24 * time.Hour)}, "past.test"))
	w.write("a.ocsp", ca.respond(a, ocsp.Revoked, now.Add(-time.Hour), now.Add(time.Hour)))
	w.write("locked.key", block("ENCRYPTED PRIVATE KEY", []byte{1}))
	w.write("ca.pem", ca.pem)
	w.write("tickets", []byte("x"))
	t.Chdir(w.dir)
	text := `listeners:
  - address: 127.0.0.1:1
    tls:
      certificates:
        - {cert: a.pem, key: a.key, ocsp: a.ocsp}
        - {cert: a.pem, key: b.key}
        - {cert: none.pem, key: none.key}
        - {cert: a.key, key: a.key}
        - {cert: a.pem, key: a.pem}
        - {cert: a.pem, key: locked.key}
        - {cert: soon.pem, key: soon.key, ocsp: none}
        - {cert: past.pem, key: past.key}
      client_auth: {mode: require, ca: a.key}
      tickets: {file: tickets}
  - address: 127.0.0.1:2
    tls:
      acme: {domains: [a.test], storage: ca.pem, ca: ., agree: true}
routes: [{upstream: u}, {path: /v, upstream: good}]
upstreams:
  u:
    endpoints: [127.0.0.1:3]
    tls: {ca: none, cert: a.pem, key: b.key}
  good:
    endpoints: [127.0.0.1:4]
    tls: {ca: ca.pem, cert: a.pem, key: a.key}
`
	c, errs := config.Parse("test.yaml", []byte(text))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	errs, warnings := Check(c, now)
	compare := func(what, want string, got config.Errors) {
		t.Helper()
		var lines []string
		for _, e := range got {
			lines = append(lines, strings.TrimPrefix(e.Error(), "test.yaml:"))
		}
		if got := strings.Join(lines, "\n"); got != strings.TrimSpace(want) {
			t.Errorf("%s\n%s\nwant\n%s", what, got, want)
		}
	}
	compare("errors", `
6:30: listeners[0].tls.certificates[1].key: is not the key of the certificate for ["a.test"]
7:18: listeners[0].tls.certificates[2].cert: cannot be read: no such file or directory
7:33: listeners[0].tls.certificates[2].key: cannot be read: no such file or directory
8:18: listeners[0].tls.certificates[3].cert: has no certificate in PEM
9:30: listeners[0].tls.certificates[4].key: has no private key in PEM
10:30: listeners[0].tls.certificates[5].key: has an encrypted private key (decrypt it with: openssl pkey -in KEY -out NEW)
13:40: listeners[0].tls.client_auth.ca: has no certificate in PEM
14:23: listeners[0].tls.tickets.file: line 1 is not 32 bytes as base64 or hex
17:42: listeners[1].tls.acme.storage: is not a folder
17:54: listeners[1].tls.acme.ca: cannot be read: is a directory
22:15: upstreams.u.tls.ca: cannot be read: no such file or directory
22:39: upstreams.u.tls.key: is not the key of the certificate for ["a.test"]
`, errs)
	compare("warnings", `
5:43: listeners[0].tls.certificates[0].ocsp: says that the certificate was revoked on `+day(now.Add(-time.Hour))+` (nothing is stapled until that is put right)
11:18: listeners[0].tls.certificates[6].cert: expires on `+day(now.Add(24*time.Hour))+`
11:49: listeners[0].tls.certificates[6].ocsp: cannot be read: no such file or directory (nothing is stapled until that is put right)
12:18: listeners[0].tls.certificates[7].cert: expired on `+day(now.Add(-24*time.Hour))+`
`, warnings)
	if _, err := os.Stat("none"); err == nil {
		t.Error("a file was made")
	}
}
