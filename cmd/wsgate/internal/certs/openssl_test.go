package certs

import (
	"context"
	"crypto/tls"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"wsgate/cmd/wsgate/internal/config"
)

// greeting is what a connection gets once its handshake is done.
const greeting = "<handshake is done>\n"

// served accepts connections for the listener until the test ends, and greets
// them.
func (w *world) served(l *Listener) string {
	w.Helper()
	accept, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := accept.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				c := tls.Server(conn, l.Config().Clone())
				if c.Handshake() == nil {
					_, _ = c.Write([]byte(greeting))
					_ = c.CloseWrite()
				}
			})
		}
	})
	w.Cleanup(func() {
		accept.Close()
		serving.Wait()
	})
	return accept.Addr().String()
}

// TestOpenSSL: every setting as OpenSSL's client sees it.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	w := newWorld(t)
	ca, now := newAuthority(t, "CA"), time.Now()
	e, r, wild := ca.issue(request{}, "a.test"), ca.issue(request{rsa: true}, "a.test"), ca.issue(request{}, "*.wild.test")
	ec := w.put("e", e)
	ec.OCSP = w.write("e.ocsp", ca.respond(e, ocsp.Good, now.Add(-time.Hour), now.Add(time.Hour)))
	all := []config.Certificate{ec, w.put("r", r), w.put("wild", wild)}
	client := w.put("client", ca.issue(request{}, "client"))
	roots := w.write("ca.pem", ca.pem)

	run := func(t *testing.T, address string, args ...string) (out string, served bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		args = append([]string{"s_client", "-connect", address, "-CAfile", roots, "-verify_return_error", "-ign_eof"}, args...)
		all, _ := exec.CommandContext(ctx, "openssl", args...).CombinedOutput()
		// It is written past what waits in a buffer, and so anywhere.
		return strings.Replace(string(all), greeting, "", 1), strings.Contains(string(all), greeting)
	}
	for _, tt := range []struct {
		name   string
		change func(*config.TLS)
		args   string
		want   []string // parts of what it prints; none: the handshake fails
	}{
		{"name", nil, "-servername a.test -verify_hostname a.test", []string{"Verify return code: 0 (ok)", "New, TLSv1.3", "Peer signature type: ECDSA"}},
		{"wildcard", nil, "-servername x.wild.test -verify_hostname x.wild.test", []string{"Verify return code: 0 (ok)"}},
		{"no name", nil, "-noservername -verify_hostname a.test", []string{"Verify return code: 0 (ok)"}},
		{"unknown name", nil, "-servername unknown.test -verify_hostname a.test", []string{"Verify return code: 0 (ok)"}},
		{"RSA 1.3", nil, "-servername a.test -sigalgs rsa_pss_rsae_sha256", []string{"New, TLSv1.3", "Peer signature type: RSA-PSS"}},
		{"RSA 1.2", nil, "-servername a.test -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", []string{"New, TLSv1.2", "Cipher is ECDHE-RSA-AES128-GCM-SHA256"}},
		{"ECDSA 1.2", nil, "-servername a.test -tls1_2", []string{"New, TLSv1.2", "Cipher is ECDHE-ECDSA-AES"}},
		{"staple", nil, "-servername a.test -status", []string{"OCSP Response Status: successful", "Cert Status: good"}},
		{"no staple", nil, "-servername x.wild.test -status", []string{"OCSP response: no response sent"}},
		{"1.1", nil, "-tls1_1 -cipher ALL:@SECLEVEL=0", nil},
		{"CBC", nil, "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES256-SHA", nil},
		{"RSA key exchange", nil, "-tls1_2 -cipher AES128-GCM-SHA256", nil},
		{"min 1.3", func(s *config.TLS) { s.MinVersion = tls.VersionTLS13 }, "-tls1_2", nil},
		{"max 1.2", func(s *config.TLS) { s.MaxVersion = tls.VersionTLS12 }, "", []string{"New, TLSv1.2"}},
		{"suite", func(s *config.TLS) { s.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256} }, "-tls1_2", []string{"Cipher is ECDHE-ECDSA-CHACHA20-POLY1305"}},
		{"curve", func(s *config.TLS) { s.Curves = []uint16{uint16(tls.CurveP521)} }, "", []string{"Server Temp Key: ECDH, secp521r1, 521 bits"}},
		{"other curve", func(s *config.TLS) { s.Curves = []uint16{uint16(tls.CurveP521)} }, "-groups X25519", nil},
		{"h2", nil, "-alpn http/1.1,h2", []string{"ALPN protocol: h2"}},
		{"no h2", func(s *config.TLS) { s.ALPN = []string{"http/1.1"} }, "-alpn h2,http/1.1", []string{"ALPN protocol: http/1.1"}},
		{"other protocol", nil, "-alpn spdy/3", nil},
		{"client certificate", func(s *config.TLS) { s.ClientAuth = &config.ClientAuth{Mode: "require", CA: roots} },
			"-cert " + client.Cert + " -key " + client.Key, []string{"Acceptable client certificate CA names", "CN = CA"}},
		{"none", func(s *config.TLS) { s.ClientAuth = &config.ClientAuth{Mode: "require", CA: roots} }, "", nil},
		{"none, asked", func(s *config.TLS) { s.ClientAuth = &config.ClientAuth{Mode: "request", CA: roots} }, "", []string{"Acceptable client certificate CA names"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := section(all...)
			if tt.change != nil {
				tt.change(s)
			}
			got, served := run(t, w.served(w.listener(s)), strings.Fields(tt.args)...)
			if served != (tt.want != nil) {
				t.Errorf("served %v\n%s", served, got)
			}
			for _, part := range tt.want {
				if !strings.Contains(got, part) {
					t.Errorf("%q is missing in\n%s", part, got)
				}
			}
		})
	}

	t.Run("resumption", func(t *testing.T) {
		for _, version := range []string{"-tls1_2", "-tls1_3"} {
			l := w.listener(section(all...))
			address, file := w.served(l), w.path("session"+version)
			run(t, address, "-servername", "a.test", version, "-sess_out", file)
			// Another generation, another certificate.
			w.put("wild", ca.issue(request{}, "*.wild.test"))
			next := w.listener(section(all...))
			if got, served := run(t, w.served(next), "-servername", "a.test", version, "-sess_in", file); !strings.Contains(got, "Reused, TLSv1") || !served {
				t.Errorf("%s: %s", version, got)
			}
		}
	})
}
