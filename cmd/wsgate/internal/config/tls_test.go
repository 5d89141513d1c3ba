package config

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
	"time"
)

// documentedTLS is the listener with TLS of the package's documentation.
var documentedTLS = Listener{
	Address: "0.0.0.0:8443", PlainHTTP: "redirect",
	TLS: &TLS{
		Certificates: []Certificate{{Cert: "/etc/wsgate/example.pem", Key: "/etc/wsgate/example.key", OCSP: "/etc/wsgate/example.ocsp"}},
		MinVersion:   tls.VersionTLS12, MaxVersion: tls.VersionTLS13,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
		Curves:       []uint16{uint16(tls.X25519MLKEM768), uint16(tls.X25519), uint16(tls.CurveP256)},
		ALPN:         []string{"h2", "http/1.1"},
		Tickets:      Tickets{File: "/etc/wsgate/tickets"},
		ClientAuth:   &ClientAuth{Mode: "request", CA: "/etc/wsgate/clients.pem"},
		KeyLog:       "/tmp/keys.log",
		ACME: &ACME{
			Domains: []string{"example.com", "www.example.com"}, Email: "admin@example.com",
			Directory: LetsEncrypt, Storage: "/var/lib/wsgate/acme", CA: "/etc/wsgate/acme-ca.pem",
			Challenges: []string{"tls-alpn-01", "http-01"},
		},
	},
}

// listener parses one listener with that tls section.
func listener(t *testing.T, section string) *Listener {
	t.Helper()
	c := mustParse(t, "listeners: [{address: '127.0.0.1:1', tls: {certificates: [{cert: a, key: b}], "+section+"}}]"+tail)
	return &c.Listeners[0]
}

func TestTLSDefaults(t *testing.T) {
	l := listener(t, "")
	s := l.TLS
	if l.PlainHTTP != "redirect" || s.MinVersion != tls.VersionTLS12 || s.MaxVersion != tls.VersionTLS13 ||
		s.CipherSuites != nil || s.Curves != nil || !slices.Equal(s.ALPN, []string{"h2", "http/1.1"}) ||
		s.Tickets != (Tickets{Rotate: time.Hour}) || s.ClientAuth != nil || s.ACME != nil || s.KeyLog != "" || s.SelfSigned {
		t.Errorf("%+v %+v", l, s)
	}
	if l := mustParse(t, "listeners: ['127.0.0.1:1']"+tail).Listeners[0]; l.PlainHTTP != "" || l.TLS != nil {
		t.Errorf("without tls: %+v", l)
	}
}

// TestCipherSuiteNames: every suite of TLS 1.2 that crypto/tls calls safe goes
// by both of its names, and each that it does not is refused by both.
func TestCipherSuiteNames(t *testing.T) {
	// As openssl ciphers -stdname has them.
	openssl := map[uint16]string{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       "ECDHE-ECDSA-AES128-GCM-SHA256",
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA:          "ECDHE-ECDSA-AES128-SHA",
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA:          "ECDHE-ECDSA-AES256-SHA",
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         "ECDHE-RSA-AES256-GCM-SHA384",
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA:            "ECDHE-RSA-AES128-SHA",
		tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA:            "ECDHE-RSA-AES256-SHA",
		tls.TLS_RSA_WITH_RC4_128_SHA:                      "RC4-SHA",
		tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA:                 "DES-CBC3-SHA",
		tls.TLS_RSA_WITH_AES_128_CBC_SHA:                  "AES128-SHA",
		tls.TLS_RSA_WITH_AES_256_CBC_SHA:                  "AES256-SHA",
		tls.TLS_RSA_WITH_AES_128_CBC_SHA256:               "AES128-SHA256",
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256:               "AES128-GCM-SHA256",
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384:               "AES256-GCM-SHA384",
		tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA:              "ECDHE-ECDSA-RC4-SHA",
		tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA:                "ECDHE-RSA-RC4-SHA",
		tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA:           "ECDHE-RSA-DES-CBC3-SHA",
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256:       "ECDHE-ECDSA-AES128-SHA256",
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256:         "ECDHE-RSA-AES128-SHA256",
	}
	for _, c := range tls.CipherSuites() {
		if !slices.Contains(c.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		for _, name := range []string{c.Name, strings.ToLower(c.Name), openssl[c.ID]} {
			if got := listener(t, "cipher_suites: ["+name+"]").TLS.CipherSuites; !slices.Equal(got, []uint16{c.ID}) {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
	for _, c := range tls.InsecureCipherSuites() {
		for _, name := range []string{c.Name, openssl[c.ID]} {
			_, errs := Parse("test.yaml", []byte("listeners: [{address: '127.0.0.1:1', tls: {certificates: [{cert: a, key: b}], cipher_suites: ["+name+"]}}]"+tail))
			if len(errs) != 1 || !strings.Contains(errs[0].Msg, "is not safe") {
				t.Errorf("%s: %v", name, errs)
			}
		}
	}
}

func TestCurveNames(t *testing.T) {
	for name, want := range map[string]tls.CurveID{
		"X25519": tls.X25519, "x25519": tls.X25519, "X25519MLKEM768": tls.X25519MLKEM768,
		"SecP256r1MLKEM768": tls.SecP256r1MLKEM768, "SecP384r1MLKEM1024": tls.SecP384r1MLKEM1024,
		"P-256": tls.CurveP256, "prime256v1": tls.CurveP256, "secp256r1": tls.CurveP256,
		"P-384": tls.CurveP384, "secp384r1": tls.CurveP384, "P-521": tls.CurveP521, "secp521r1": tls.CurveP521,
	} {
		if got := listener(t, `min_version: "1.3", curves: [`+name+"]").TLS.Curves; !slices.Equal(got, []uint16{uint16(want)}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestComparison: the file that the comparison with other gateways writes.
func TestComparison(t *testing.T) {
	for version, suite := range map[string]string{"1.2": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "1.3": "TLS_AES_128_GCM_SHA256"} {
		l := listener(t, `min_version: "`+version+`", max_version: "`+version+`", curves: [X25519], cipher_suites: [`+suite+"]")
		if l.TLS.MinVersion != l.TLS.MaxVersion || versionText(l.TLS.MinVersion) != version {
			t.Errorf("%s: %+v", version, l.TLS)
		}
	}
}

func TestTLSWarnings(t *testing.T) {
	c := mustParse(t, `websocket_over_h2: true
listeners:
  - address: 127.0.0.1:1
    tls:
      self_signed: true
      key_log: keys
      alpn: [http/1.1]
  - address: 127.0.0.1:2
    tls:
      certificates: [{cert: a, key: b}]
      min_version: "1.3"
      cipher_suites: [TLS_AES_128_GCM_SHA256, ECDHE-RSA-AES128-GCM-SHA256]
      alpn: [http/1.1]
routes: [{upstream: a}]
upstreams:
  a:
    endpoints: [127.0.0.1:3]
    tls: {insecure_skip_verify: true, ca: x}
`)
	var got []string
	for _, w := range c.Warnings {
		place, _, _ := strings.Cut(strings.TrimPrefix(w.Error(), "test.yaml:"), " ")
		got = append(got, place+" "+w.Msg)
	}
	want := []string{
		"1:20: websocket_over_h2: no listener has tls with h2",
		"5:20: listeners[0].tls.self_signed: no client trusts the certificate; a new one is made at every start",
		`6:16: listeners[0].tls.key_log: the secrets of all sessions are written to "keys"`,
		"12:22: listeners[1].tls.cipher_suites: those of TLS 1.2 are not used with min_version 1.3",
		`12:23: listeners[1].tls.cipher_suites[0]: "TLS_AES_128_GCM_SHA256" is a suite of TLS 1.3, which cannot be chosen`,
		"18:33: upstreams.a.tls.insecure_skip_verify: anyone between gateway and endpoints can read and change everything",
		"18:43: upstreams.a.tls.ca: has no meaning with insecure_skip_verify",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestFinding: what is wrong with a named file is told where it is named.
func TestFinding(t *testing.T) {
	c := mustParse(t, "listeners:\n  - address: 127.0.0.1:1\n    tls:\n      certificates:\n        - {cert: a, key:  b}\n"+tail)
	e := c.Finding("listeners[0].tls.certificates[0].key", "cannot be read", "look")
	want := "test.yaml:5:27: listeners[0].tls.certificates[0].key: cannot be read\n            - {cert: a, key:  b}\n                              ^\n    hint: look\n"
	if got := (Errors{e}).Error(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := c.Finding("nothing", "m", "").Error(); got != "test.yaml: nothing: m" {
		t.Error(got)
	}
}
