package handshake

import (
	"strings"
	"testing"
)

func TestKindOf(t *testing.T) {
	names := map[string]Kind{
		"Host": KindHost, "Connection": KindConnection, "Upgrade": KindUpgrade, "Sec-WebSocket-Key": KindKey,
		"Sec-WebSocket-Accept": KindAccept, "Sec-WebSocket-Version": KindVersion, "Sec-WebSocket-Protocol": KindProtocol,
		"Sec-WebSocket-Extensions": KindExtensions, "Content-Length": KindContentLength, "Transfer-Encoding": KindTransferEncoding,
		"Origin": KindOrigin, "User-Agent": KindUserAgent, "Forwarded": KindForwarded, "X-Forwarded-For": KindXForwardedFor,
		"X-Forwarded-Proto": KindXForwardedProto, "X-Forwarded-Host": KindXForwardedHost, "X-Forwarded-Port": KindXForwardedOther,
		"X-Forwarded-Client-Cert": KindXForwardedOther, "X-Forwarded-": KindOther, "X-Forwarded": KindOther, "X-Real-IP": KindXRealIP,
		"Client-Cert": KindClientCert, "Client-Cert-Chain": KindClientCert, "X-Client-Cert": KindClientCert,
		"X-Client-Cert-Subject": KindClientCert, "X-Client-Certs": KindOther, "X-SSL-Client": KindClientCert,
		"X-SSL-Client-Verify": KindClientCert, "X-SSL-Clients": KindOther, "Keep-Alive": KindKeepAlive,
		"Proxy-Connection": KindProxyConnection, "Proxy-Authenticate": KindProxyAuthenticate,
		"Proxy-Authorization": KindProxyAuthorization, "HTTP2-Settings": KindHTTP2Settings, "TE": KindTE, "Trailer": KindTrailer,
		"Expect": KindExpect, "Cookie": KindCookie, "Set-Cookie": KindSetCookie, "Authorization": KindAuthorization,
		"": KindOther, "X": KindOther, "Hosts": KindOther, "H~st": KindOther, "Content-Lengti": KindOther,
		"Accept": KindOther, "X-Forwarded~For": KindOther, "X_Real_IP": KindOther,
	}
	for name, want := range names {
		for _, n := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := kindOf([]byte(n)); got != want {
				t.Errorf("%s: kind %d, want %d", n, got, want)
			}
		}
	}
}

func TestFieldClasses(t *testing.T) {
	tests := []struct {
		name                    string
		identity, hop, reserved bool
	}{
		{"Host", false, false, true},
		{"Origin", false, false, false},
		{"Forwarded", true, false, false},
		{"X-FORWARDED-anything", true, false, false},
		{"x_forwarded_anything_at_all_and_longer_than_that", true, false, false},
		{"x-real_ip", true, false, false},
		{"X_SSL_Client_S_DN_and_much_more_behind_it", true, false, false},
		{"X-Real-IP-And-Something-With_Underscores", false, false, false},
		{"Sec_WebSocket_Extensions_longer", false, false, false},
		{"connection", false, true, true},
		{"Upgrade", false, true, true},
		{"Transfer-Encoding", false, true, true},
		{"te", false, true, true},
		{"Proxy-Authorization", false, true, true},
		{"Content-Length", false, false, true},
		{"Sec-WebSocket-Key", false, false, true},
		{"Sec-WebSocket-Protocol", false, false, false},
		{"X-Forwarded", false, false, false},
	}
	for _, tt := range tests {
		if got := IsIdentityField(tt.name); got != tt.identity {
			t.Errorf("IsIdentityField(%s) = %v", tt.name, got)
		}
		if got := IsHopByHop(tt.name); got != tt.hop {
			t.Errorf("IsHopByHop(%s) = %v", tt.name, got)
		}
		if got := Reserved(tt.name); got != tt.reserved {
			t.Errorf("Reserved(%s) = %v", tt.name, got)
		}
	}
}

func TestValidHost(t *testing.T) {
	for h, want := range map[string]bool{
		"a": true, "A.example": true, "a.example.": true, "a_b-c.d": true, "a:80": true, "a:": true, "a:65535": true,
		"192.0.2.1:80": true, "[::1]": true, "[::1]:80": true, "[2001:db8::1]:": true, "[::ffff:1.2.3.4]": true,
		"": false, ".": false, ".a": false, "a..b": false, "a..": false, ":80": false, ".:80": false, "a:65536": false,
		"a:080000": false, "a:8o": false, "a:1:2": false, "a:-1": false, "::1": false, "[::1": false, "[::1]80": false,
		"[1.2.3.4]": false, "[fe80::1%eth0]": false, "[]": false, "[v1.x]": false, "a b": false, "a/b": false,
		"a@b": false, "a,b": false, "a%41": false, "a\\b": false, "a?b": false, "a#b": false, "\xc3\xa4": false, "a!": false,
		"a\x00": false, "a]": false, "a[": false,
	} {
		if got := validHost([]byte(h)); got != want {
			t.Errorf("validHost(%q) = %v", h, got)
		}
	}
}

func TestSplitHost(t *testing.T) {
	for _, tt := range []struct{ host, name, port string }{
		{"", "", ""},
		{"a.Example", "a.Example", ""},
		{"a.example.", "a.example", ""},
		{"a.example.:80", "a.example", "80"},
		{"a:", "a", ""},
		{"[::1]", "[::1]", ""},
		{"[::1]:8080", "[::1]", "8080"},
	} {
		name, port := SplitHost([]byte(tt.host))
		if string(name) != tt.name || string(port) != tt.port {
			t.Errorf("SplitHost(%q) = %q, %q", tt.host, name, port)
		}
	}
}

// TestValueEnd compares the eight-byte steps with a plain loop.
func TestValueEnd(t *testing.T) {
	for _, c := range []byte{0, 1, '\t', '\n', '\r', 0x1f, ' ', '!', '~', 0x7f, 0x80, 0xff} {
		for at := range 20 {
			for _, fill := range []byte{'a', ' ', '\t', 0x80, 0xff} {
				b := make([]byte, 20)
				for i := range b {
					b[i] = fill
				}
				b[at] = c
				want := 20
				if c < ' ' && c != '\t' || c == 0x7f {
					want = at
				}
				if got := valueEnd(b, 0, 20); got != want {
					t.Errorf("%#x at %d in %#x: %d", c, at, fill, got)
				}
				if got := valueEnd(b, 0, at); got != at {
					t.Errorf("%#x at %d in %#x: %d, stop at %d", c, at, fill, got, at)
				}
			}
		}
	}
}
