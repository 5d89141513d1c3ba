package load

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestModesOverTLS(t *testing.T) {
	leaks(t)
	id := identified(t, "ECDSA P-256")
	for version, tests := range map[uint16]map[string]Config{
		tls.VersionTLS12: {
			"echo in flight":  {Mode: Echo, Conns: 5, InFlight: 9, Size: 300},
			"echo of nothing": {Mode: Echo, Conns: 3, Size: -1},
			"rate":            {Mode: Rate, Conns: 20, Rate: 1000},
			"churn":           {Mode: Churn, Conns: 10},
			"down large":      {Mode: Down, Conns: 2, Size: 900_000},
			"up":              {Mode: Up, Conns: 3, Size: 65536, InFlight: 2},
		},
		tls.VersionTLS13: {
			"echo two loops":  {Mode: Echo, Conns: 20, Loops: 2, Warmup: 20 * time.Millisecond},
			"echo of much":    {Mode: Echo, Conns: 2, Size: 300_000, InFlight: 3},
			"idle":            {Mode: Idle, Conns: 100},
			"churn two loops": {Mode: Churn, Conns: 10, Loops: 2, TLS: &TLS{Resume: true}},
			"down small":      {Mode: Down, Conns: 2, Size: 16},
			"up large":        {Mode: Up, Conns: 2, Size: 900_000, InFlight: 3},
			"fanout":          {Mode: Fanout, Conns: 12, Room: 4},
			"up small":        {Mode: Up, Conns: 3, Size: 20, InFlight: 8},
		},
	} {
		for name, c := range tests {
			t.Run(name+", "+tls.VersionName(version), func(t *testing.T) {
				t.Parallel()
				if c.TLS == nil {
					c.TLS = &TLS{}
				}
				how := *c.TLS
				how.Version, how.Roots = version, id.roots
				c.TLS = &how
				f := &front{cfg: &tls.Config{Certificates: []tls.Certificate{id.cert}}}
				c = quickly(f.listen(t, serve(t)), c)
				c.Duration = 200 * time.Millisecond // something must be completed on a busy machine too
				c.Sources = sources(t)
				r := mustRun(t, c)
				if err := r.Err(); err != nil {
					t.Fatalf("%v %q", err, r.Examples)
				}
				if r.Units == 0 || r.Opened < int64(r.Conns) || r.Closed != r.Opened || r.Answered == 0 || r.Upgrade.Count != r.Opened {
					t.Errorf("%+v", r)
				}
				s := r.TLS
				if s == nil || s.Version != tls.VersionName(version) || s.Full+s.Resumed != r.Opened || s.Handshake.Count != r.Opened || s.Handshake.Min <= 0 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

// TestStormOverTLS: who was there before comes back with a resumed session.
func TestStormOverTLS(t *testing.T) {
	leaks(t)
	const conns, storms = 20, 2
	id := identified(t, "ECDSA P-256")
	f := &front{cfg: &tls.Config{Certificates: []tls.Certificate{id.cert}}}
	c := Config{Mode: Storm, Conns: conns, Storms: storms, TLS: &TLS{Roots: id.roots, Resume: true}}
	r := mustRun(t, quickly(f.listen(t, serve(t)), c))
	if r.Err() != nil || len(r.Storm.Seconds) != storms || r.Units != conns*storms {
		t.Fatalf("%+v", r)
	}
	if s := r.TLS; s.Full+s.Resumed != r.Opened || s.Full > conns || s.Resumed < conns*storms {
		t.Fatalf("%d opened, %+v", r.Opened, s)
	}
}

// TestTLSAsAsked: what was agreed on is what was asked for, whatever else the
// server would take, and the report says so.
func TestTLSAsAsked(t *testing.T) {
	tests := []struct {
		name string
		key  string
		ask  TLS
		want TLSReport
	}{
		{"1.3", "ECDSA P-256", TLS{Version: tls.VersionTLS13, Group: tls.X25519}, TLSReport{Version: "TLS 1.3", Group: "X25519"}},
		{"1.3, resumed", "ECDSA P-256", TLS{Version: tls.VersionTLS13, Group: tls.X25519, Resume: true}, TLSReport{Version: "TLS 1.3", Group: "X25519"}},
		{"1.3, RSA", "RSA 2048", TLS{Version: tls.VersionTLS13, Group: tls.CurveP256}, TLSReport{Version: "TLS 1.3", Group: "P-256"}},
		{"1.3, Ed25519", "Ed25519", TLS{Version: tls.VersionTLS13, Group: tls.CurveP384}, TLSReport{Version: "TLS 1.3", Group: "P-384"}},
		{"1.3, hybrid, resumed", "ECDSA P-256", TLS{Group: tls.X25519MLKEM768, Resume: true}, TLSReport{Version: "TLS 1.3", Group: "X25519MLKEM768"}},
		{"1.2", "ECDSA P-256", TLS{Version: tls.VersionTLS12, Group: tls.X25519, Cipher: tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
			TLSReport{Version: "TLS 1.2", Group: "X25519", Cipher: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"}},
		{"1.2, resumed", "RSA 2048", TLS{Version: tls.VersionTLS12, Group: tls.CurveP256, Cipher: tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, Resume: true},
			TLSReport{Version: "TLS 1.2", Group: "P-256", Cipher: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"}},
		{"1.2, CBC", "RSA 2048", TLS{Version: tls.VersionTLS12, Group: tls.CurveP384, Cipher: tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
			TLSReport{Version: "TLS 1.2", Group: "P-384", Cipher: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"}},
		{"insecure", "Ed25519", TLS{Version: tls.VersionTLS13, Group: tls.X25519, Insecure: true, Resume: true}, TLSReport{Version: "TLS 1.3", Group: "X25519"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			leaks(t)
			id := identified(t, tt.key)
			// A churn until cycles have followed the first of each place.
			const places = 3
			ctx, enough := context.WithCancel(t.Context())
			defer enough()
			f := &front{cfg: &tls.Config{Certificates: []tls.Certificate{id.cert}}}
			f.wrap = func(conn int, c net.Conn) net.Conn {
				if conn == 3*places {
					enough()
				}
				return c
			}
			if tt.ask.ServerName = "gateway.test"; !tt.ask.Insecure {
				tt.ask.Roots = id.roots
			}
			c := quickly(f.listen(t, serve(t)), Config{Mode: Churn, Conns: places, TLS: &tt.ask})
			c.Duration = time.Hour
			r, err := Run(ctx, c)
			if err != nil || r.Err() != nil || r.Closed < 2*places {
				t.Fatalf("%v, %d closed, %v %q", err, r.Closed, r.Faults, r.Examples)
			}
			got, want := *r.TLS, tt.want
			if want.Cipher == "" && strings.HasPrefix(got.Cipher, "TLS_AES_128_GCM") || got.Cipher == "TLS_CHACHA20_POLY1305_SHA256" {
				want.Cipher = got.Cipher // the server chooses by its processor
			}
			// Full are those begun before a session was known. A handshake may be
			// done and its 101 not have come when the run ends.
			done := got.Full + got.Resumed
			if tt.ask.Resume != (got.Resumed > 0) || tt.ask.Resume && (got.Full == 0 || got.Full > places) || done < r.Opened || done > r.Opened+places || got.Handshake.Count != done {
				t.Errorf("opened %d: %+v", r.Opened, got)
			}
			want.KeyType, want.Full, want.Resumed, want.Handshake = tt.key, got.Full, got.Resumed, got.Handshake
			if got != want {
				t.Fatalf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestConnectionsThatDiffer(t *testing.T) {
	leaks(t)
	ec, rs := identified(t, "ECDSA P-256"), identified(t, "RSA 2048")
	var mu sync.Mutex
	n := 0
	f := &front{cfg: &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		if n++; n%2 == 0 {
			return &tls.Config{Certificates: []tls.Certificate{ec.cert}}, nil
		}
		return &tls.Config{Certificates: []tls.Certificate{rs.cert}, MaxVersion: tls.VersionTLS12, CurvePreferences: []tls.CurveID{tls.CurveP256}}, nil
	}}}
	c := Config{Conns: 4, Loops: 2, TLS: &TLS{Insecure: true}}
	r := mustRun(t, quickly(f.listen(t, serve(t)), c))
	s := r.TLS
	if r.Err() != nil || s.Version != "mixed: TLS 1.2, TLS 1.3" || s.KeyType != "mixed: ECDSA P-256, RSA 2048" || !strings.HasPrefix(s.Group, "mixed: P-256, X25519") {
		t.Fatalf("%v %+v", r.Faults, s)
	}
}

// TestRecordsInPieces cuts what the server sends anywhere, and fills its socket
// with more than it holds.
func TestRecordsInPieces(t *testing.T) {
	sizes := []int{1, 4, 5, 6, 21, 300, 1000}
	id := identified(t, "ECDSA P-256")
	for name, c := range map[string]Config{
		"echo": {Mode: Echo, Conns: 3, InFlight: 4, Size: 2000},
		"down": {Mode: Down, Conns: 2, Size: 20_000},
		"up":   {Mode: Up, Conns: 2, Size: 900_000, InFlight: 8},
	} {
		t.Run(name, func(t *testing.T) {
			leaks(t)
			f := &front{cfg: &tls.Config{Certificates: []tls.Certificate{id.cert}}}
			f.wrap = func(_ int, c net.Conn) net.Conn {
				_ = c.(*net.TCPConn).SetReadBuffer(64 << 10)
				turn := 0
				return &tapped{c, func(b []byte) (n int, err error) {
					for len(b) > 0 && err == nil {
						k := min(sizes[turn%len(sizes)], len(b))
						turn++
						k, err = c.Write(b[:k])
						n += k
						b = b[k:]
					}
					return n, err
				}}
			}
			c.TLS = &TLS{Roots: id.roots}
			r := mustRun(t, quickly(f.listen(t, serve(t)), c))
			if r.Err() != nil || r.Closed != int64(r.Conns) || r.Answered == 0 {
				t.Fatalf("%+v", r)
			}
		})
	}
}

// TestCloseNotify: a client's last record is its only alert, and nothing is
// cut, whoever of the two ends first.
func TestCloseNotify(t *testing.T) {
	t.Run("server first", func(t *testing.T) { closeNotify(t, false) })
	t.Run("client first", func(t *testing.T) { closeNotify(t, true) })
}

func closeNotify(t *testing.T, last bool) {
	leaks(t)
	id := identified(t, "ECDSA P-256")
	var mu sync.Mutex
	var all []*heard
	f := &front{cfg: &tls.Config{Certificates: []tls.Certificate{id.cert}}, last: last}
	f.wrap = func(_ int, c net.Conn) net.Conn {
		h := &heard{Conn: c}
		mu.Lock()
		all = append(all, h)
		mu.Unlock()
		return h
	}
	t.Run("run", func(t *testing.T) { // the front has read everything when it has ended
		c := Config{Conns: 6, TLS: &TLS{Roots: id.roots, Version: tls.VersionTLS12}} // 1.3 hides the types
		if r := mustRun(t, quickly(f.listen(t, serve(t)), c)); r.Err() != nil || r.Closed != 6 {
			t.Fatalf("%+v", r)
		}
	})
	if len(all) != 6 {
		t.Fatalf("%d connections", len(all))
	}
	for i, h := range all {
		const alert = 21
		types, whole := h.records()
		if at := strings.IndexByte(string(types), alert); !whole || at < 0 || at != len(types)-1 {
			t.Errorf("connection %d: records %v, whole: %v", i, types, whole)
		}
	}
}

func TestTLSConfigIsChecked(t *testing.T) {
	roots := identified(t, "RSA 2048").roots
	tests := map[string]struct {
		url string
		tls TLS
	}{
		"does not speak TLS":                    {"ws://127.0.0.1:1", TLS{}},
		"version 0x0301":                        {"wss://127.0.0.1:1", TLS{Version: tls.VersionTLS10}},
		"group CurveID(77)":                     {"wss://127.0.0.1:1", TLS{Group: 77}},
		"it came with TLS 1.3":                  {"wss://127.0.0.1:1", TLS{Group: tls.X25519MLKEM768, Version: tls.VersionTLS12}},
		"only together with version 1.2":        {"wss://127.0.0.1:1", TLS{Cipher: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}},
		"it is no cipher suite of TLS 1.2":      {"wss://127.0.0.1:1", TLS{Cipher: tls.TLS_AES_128_GCM_SHA256, Version: tls.VersionTLS12}},
		"when any certificate is taken":         {"wss://127.0.0.1:1", TLS{Insecure: true, Roots: roots}},
		"cipher TLS_AES_128_GCM_SHA256: it can": {"wss://127.0.0.1:1", TLS{Cipher: tls.TLS_AES_128_GCM_SHA256, Version: tls.VersionTLS13}},
	}
	for says, tt := range tests {
		if _, err := Run(t.Context(), Config{URL: tt.url, TLS: &tt.tls}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", tt, err, says)
		}
	}
	ports := map[string]string{"wss://127.0.0.1": "127.0.0.1:443", "ws://127.0.0.1": "127.0.0.1:80", "wss://127.0.0.1:9/x/": "127.0.0.1:9"}
	for url, want := range ports {
		if to, err := (&Config{URL: url}).resolve(); err != nil || to.addr.String() != want || to.name != "127.0.0.1" || to.secure != strings.HasPrefix(url, "wss") {
			t.Errorf("%s: %+v, %v", url, to, err)
		}
	}
}

func TestTLSNames(t *testing.T) {
	if v, err := ParseTLSVersion("1.2"); v != tls.VersionTLS12 || err != nil {
		t.Error(v, err)
	}
	for _, id := range groups {
		if got, err := ParseTLSGroup(groupName(id)); got != id || err != nil {
			t.Errorf("%v: %v, %v", id, got, err)
		}
	}
	const suite = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
	if c, err := ParseTLSCipher(suite); tls.CipherSuiteName(c) != suite || err != nil {
		t.Error(c, err)
	}
	for _, bad := range []string{"1.1", "TLS 1.3", "x25519"} {
		if _, err := ParseTLSVersion(bad); err == nil {
			t.Errorf("version %q is taken", bad)
		}
		if _, err := ParseTLSGroup(bad); err == nil {
			t.Errorf("group %q is taken", bad)
		}
		if _, err := ParseTLSCipher(bad); err == nil {
			t.Errorf("cipher %q is taken", bad)
		}
	}
	if _, err := ParseTLSCipher("TLS_AES_128_GCM_SHA256"); err == nil {
		t.Error("a cipher of 1.3 is taken")
	}
}

func TestTLSInTheReport(t *testing.T) {
	r := &Report{Mode: Echo, URL: "wss://x", TLS: &TLSReport{Version: "TLS 1.3", Group: "X25519", Cipher: "C", KeyType: "RSA 2048", Full: 3, Resumed: 4, Handshake: Summary{Count: 7, P50: 99}}}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"tls          TLS 1.3, X25519, C, RSA 2048; handshakes: 3 full, 4 resumed\n", "handshake    p50 99 "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	js, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(js, &back); err != nil || *back.TLS != *r.TLS {
		t.Fatalf("%s: %v", js, err)
	}
	if js, err := json.Marshal(&Report{}); err != nil || strings.Contains(string(js), "tls") {
		t.Fatalf("%s: %v", js, err)
	}
}
