package load

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// TestFaultsOverTLS: the faulty gateway stands behind the front.
func TestFaultsOverTLS(t *testing.T) {
	for want, change := range map[string]func(ws.Frame) []ws.Frame{"lost": drop, "corrupt": flip, "duplicate": double, "cut": reset, "closed early": byeFirst} {
		t.Run(want, func(t *testing.T) {
			leaks(t)
			id := identified(t, "ECDSA P-256")
			g := &faulty{down: once(1, change)}
			f := &front{cfg: &tls.Config{Certificates: []tls.Certificate{id.cert}}}
			plain := strings.TrimPrefix(g.listen(t), "ws://")
			c := quickly(f.listen(t, plain), Config{Mode: Echo, Conns: 3, InFlight: 4, TLS: &TLS{Roots: id.roots}})
			c.Timeout = time.Second
			if r := mustRun(t, c); r.Faults[want] == 0 {
				t.Fatalf("%v %q", r.Faults, r.Examples)
			}
		})
	}
}

// TestBrokenStreams breaks connection 1 of 3 in or after its handshake.
func TestBrokenStreams(t *testing.T) {
	// at calls spoil for write number n of connection 1.
	at := func(n int, spoil func(c net.Conn, b []byte) (int, error)) func(int, net.Conn) net.Conn {
		return func(id int, c net.Conn) net.Conn {
			if id != 1 {
				return c
			}
			i := 0
			return &tapped{c, func(b []byte) (int, error) {
				if i++; i == n+1 {
					return spoil(c, b)
				}
				return c.Write(b)
			}}
		}
	}
	flipped := func(c net.Conn, b []byte) (int, error) {
		b = append([]byte(nil), b...)
		b[len(b)-1] ^= 1
		return c.Write(b)
	}
	halved := func(c net.Conn, b []byte) (int, error) {
		_, _ = c.Write(b[:len(b)/2])
		c.Close()
		return 0, net.ErrClosed
	}
	ended := func(c net.Conn, b []byte) (int, error) {
		c.Close()
		return 0, net.ErrClosed
	}
	const data = 20 // a write that comes long after the 101
	tests := []struct {
		name string
		wrap func(int, net.Conn) net.Conn
		want string
		says string
	}{
		{"first flight spoilt", at(0, flipped), "tls", "handshake"},
		{"first flight cut", at(0, halved), "tls", "end of stream inside a TLS record"},
		{"no first flight", at(0, ended), "tls", "end of stream without close_notify"},
		{"record spoilt", at(data, flipped), "tls", "bad record MAC"},
		{"record cut", at(data, halved), "cut", "end of stream inside a TLS record"},
		{"end without close_notify", at(data, ended), "cut", "end of stream without close_notify"},
	}
	id := identified(t, "ECDSA P-256")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			leaks(t)
			f := &front{cfg: &tls.Config{Certificates: []tls.Certificate{id.cert}}, wrap: tt.wrap}
			c := quickly(f.listen(t, serve(t)), Config{Mode: Echo, Conns: 3, TLS: &TLS{Roots: id.roots, Version: tls.VersionTLS13}})
			r := mustRun(t, c)
			if r.Faults[tt.want] != 1 || r.Closed != 2 || !strings.Contains(strings.Join(r.Examples, "\n"), tt.says) {
				t.Fatalf("%+v", r)
			}
		})
	}
}

// TestHandshakesThatFail: none of these connections is opened.
func TestHandshakesThatFail(t *testing.T) {
	id, other := identified(t, "ECDSA P-256"), identified(t, "RSA 2048")
	trust := TLS{Roots: id.roots}
	behind := func(cfg *tls.Config) func(*testing.T) string {
		cfg.Certificates = []tls.Certificate{id.cert}
		return func(t *testing.T) string { return (&front{cfg: cfg}).listen(t, "127.0.0.1:0") }
	}
	raw := func(serve func(net.Conn)) func(*testing.T) string {
		return func(t *testing.T) string { return accepting(t, serve) }
	}
	drain := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	tests := []struct {
		name string
		at   func(*testing.T) string
		ask  TLS
		want string
		says string
	}{
		{"unknown root", behind(&tls.Config{}), TLS{Roots: other.roots}, "tls", "unknown authority"},
		{"another name", behind(&tls.Config{}), TLS{Roots: id.roots, ServerName: "other.test"}, "tls", "other.test"},
		{"old server", behind(&tls.Config{MaxVersion: tls.VersionTLS12}), TLS{Roots: id.roots, Version: tls.VersionTLS13}, "tls", "protocol version"},
		{"other group", behind(&tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP256}}), TLS{Roots: id.roots, Group: tls.X25519}, "tls", "handshake failure"},
		{"other group of 1.2", behind(&tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP256}}), TLS{Roots: id.roots, Group: tls.X25519, Version: tls.VersionTLS12}, "tls", "chose group P-256 instead of X25519"},
		{"wants a certificate", behind(&tls.Config{ClientAuth: tls.RequireAnyClientCert}), trust, "tls", "certificate required"},
		{"garbage", raw(func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); drain(c) }), trust, "tls", "does not look like a TLS handshake"},
		{"endless garbage", raw(func(c net.Conn) {
			for b := make([]byte, 64<<10); ; {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}), trust, "tls", "does not look like a TLS handshake"},
		{"hangs up", raw(func(net.Conn) {}), trust, "tls", ""},
		{"silent", raw(drain), trust, "timeout", "TLS handshake"},
		{"stops in a record", raw(func(c net.Conn) { _, _ = c.Write([]byte{22, 3, 3, 1, 0, 2}); drain(c) }), trust, "timeout", "TLS handshake"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			leaks(t)
			const conns = 3
			c := quickly(tt.at(t), Config{Conns: conns, TLS: &tt.ask})
			if tt.want == "timeout" {
				c.Timeout = 100 * time.Millisecond
			}
			r, err := Run(t.Context(), c)
			if err == nil || r == nil || r.Faults[tt.want] != conns || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("%+v, %v", r, err)
			}
			if s := r.TLS; tt.name != "wants a certificate" && (s.Full != 0 || s.Version != "none") {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestInterruptInHandshakes: the run ends while every handshake waits.
func TestInterruptInHandshakes(t *testing.T) {
	for _, mode := range []Mode{Echo, Churn} {
		t.Run(string(mode), func(t *testing.T) {
			leaks(t)
			const conns = 5
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var hellos sync.WaitGroup
			hellos.Add(conns)
			url := accepting(t, func(c net.Conn) {
				if n, _ := c.Read(make([]byte, 4096)); n > 0 {
					hellos.Done()
				}
				_, _ = io.Copy(io.Discard, c)
			})
			go func() { hellos.Wait(); cancel() }()
			c := quickly(url, Config{Mode: mode, Conns: conns, TLS: &TLS{Insecure: true}})
			c.Duration = time.Hour
			r, err := Run(ctx, c)
			if err != nil || !r.Interrupted || r.Opened != 0 || r.FaultCount() != 0 {
				t.Fatalf("%+v, %v", r, err)
			}
		})
	}
}
