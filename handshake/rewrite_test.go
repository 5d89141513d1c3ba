package handshake

import (
	"net/netip"
	"strings"
	"testing"
)

var client = netip.MustParseAddr("192.0.2.7")

// upgradeWith is upgradeHead's start and the fields that every upgrade needs,
// with lines in front of the last two.
func upgradeWith(lines ...string) string {
	all := append([]string{"GET /chat?x=%zz HTTP/1.1", "Host: a.example:81"}, lines...)
	return crlfs(append(all, "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")...)
}

func TestAppendUpgrade(t *testing.T) {
	key := []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "Connection: Upgrade", "Upgrade: websocket"}
	own := []string{"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: a.example:81", "X-Real-IP: 192.0.2.7"}
	start := []string{"GET /chat?x=%zz HTTP/1.1", "Host: a.example:81"}
	join := func(parts ...[]string) string {
		var all []string
		for _, p := range parts {
			all = append(all, p...)
		}
		return crlfs(all...)
	}
	tests := []struct {
		name  string
		in    string
		id    Identity
		rules *Rules
		want  string
	}{
		{"plain", upgradeWith(), Identity{Peer: client}, nil, join(start, key, own)},
		{
			"end-to-end byte for byte",
			upgradeWith("oRIGIN:http://o", "X-A:  \t1 \t", "Cookie: a=b", "Cookie: c=d", "X-Empty:", "X-Obs: \xff", "Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: permessage-deflate"),
			Identity{Peer: client}, nil,
			join(start, []string{"oRIGIN:http://o", "X-A:  \t1 \t", "Cookie: a=b", "Cookie: c=d", "X-Empty:", "X-Obs: \xff", "Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: permessage-deflate"}, key, own),
		},
		{
			"hop-by-hop",
			upgradeWith("Keep-Alive: 5", "A: 1", "Proxy-Connection: x", "TE: trailers", "Trailer: X", "B: 2", "HTTP2-Settings: x", "Proxy-Authorization: y", "Proxy-Authenticate: z", "Upgrade: h2c", "Connection: keep-alive"),
			Identity{Peer: client}, nil,
			join(start, []string{"A: 1", "B: 2"}, key, own),
		},
		{
			"named in Connection",
			upgradeWith("Connection: x-gone, User-Agent", "X-Gone: 1", "X-Stays: 2", "User-Agent: u", "x-GONE: 3"),
			Identity{Peer: client}, nil,
			join(start, []string{"X-Stays: 2"}, key, own),
		},
		{
			"Connection does not remove these",
			upgradeWith("Connection: Origin, Cookie, Authorization, Sec-WebSocket-Key, Sec-WebSocket-Version, Sec-WebSocket-Protocol, Sec-WebSocket-Extensions, X-Forwarded-For",
				"Origin: o", "Cookie: c", "Authorization: a", "Sec-WebSocket-Protocol: p", "Sec-WebSocket-Extensions: e"),
			Identity{Peer: client}, nil,
			join(start, []string{"Origin: o", "Cookie: c", "Authorization: a", "Sec-WebSocket-Protocol: p", "Sec-WebSocket-Extensions: e"}, key, own),
		},
		{
			"untrusted peer",
			upgradeWith("X-Forwarded-For: 1.1.1.1", "x-forwarded-port: 1", "A: 1", "Forwarded: for=1.1.1.1", "X-Real-IP: 1.1.1.1", "X-Client-Cert-Subject: cn", "X-Client-Cert: pem",
				"Client-Cert: :a:", "Client-Cert-Chain: :b:", "X-SSL-Client-S-DN: cn", "X_Forwarded_For: 1.1.1.1", "X-Real_IP: 1.1.1.1", "X_Client-Cert_Verify: ok",
				"X-Forwarded-Proto: https", "X-Forwarded-Host: evil", "X-Forwarded: kept", "X_Y: kept"),
			Identity{Peer: client}, nil,
			join(start, []string{"A: 1", "X-Forwarded: kept", "X_Y: kept"}, key, own),
		},
		{
			"trusted peer, all present",
			upgradeWith("X-Forwarded-For: 1.1.1.1", "x-forwarded-port: 1", "A: 1", "Forwarded: for=1.1.1.1", "X-Real-IP: 1.1.1.1", "X-Client-Cert-Subject: cn",
				"X-Forwarded-Proto: https", "X-Forwarded-Host: front", "X-Forwarded-For:", "X-Forwarded-For: 2.2.2.2, 3.3.3.3", "X_Real_IP: 9.9.9.9", "X-Forwarded_For: 9.9.9.9"),
			Identity{Peer: client, Trusted: true}, nil,
			join(start, []string{"x-forwarded-port: 1", "A: 1", "Forwarded: for=1.1.1.1", "X-Real-IP: 1.1.1.1", "X-Client-Cert-Subject: cn", "X-Forwarded-Proto: https", "X-Forwarded-Host: front"},
				key, []string{"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.7"}),
		},
		{
			"trusted peer, some absent",
			upgradeWith("X-Forwarded-For: 1.1.1.1"),
			Identity{Peer: client, Client: netip.MustParseAddr("1.1.1.1"), Trusted: true, TLS: true, Forwarded: true}, nil,
			join(start, key, []string{"X-Forwarded-For: 1.1.1.1, 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.example:81", "X-Real-IP: 1.1.1.1",
				`Forwarded: for=192.0.2.7;host="a.example:81";proto=https`}),
		},
		{
			"Forwarded behind a trusted peer",
			upgradeWith("Forwarded: for=1.1.1.1", "Forwarded: for=2.2.2.2"),
			Identity{Peer: netip.MustParseAddr("2001:db8::1"), Trusted: true, Forwarded: true}, nil,
			join(start, key, []string{"X-Forwarded-For: 2001:db8::1", own[1], own[2], "X-Real-IP: 2001:db8::1",
				`Forwarded: for=1.1.1.1, for=2.2.2.2, for="[2001:db8::1]";host="a.example:81";proto=http`}),
		},
		{
			"Forwarded from an untrusted peer",
			upgradeWith("Forwarded: for=1.1.1.1"),
			Identity{Peer: netip.MustParseAddr("::ffff:192.0.2.7"), Forwarded: true}, nil,
			join(start, key, own, []string{`Forwarded: for=192.0.2.7;host="a.example:81";proto=http`}),
		},
		{
			"unix socket",
			upgradeWith("X-Forwarded-For: 1.1.1.1"), Identity{Forwarded: true}, nil,
			join(start, key, own[1:3], []string{`Forwarded: for=_unix;host="a.example:81";proto=http`}),
		},
		{
			"trusted unix socket",
			upgradeWith("X-Forwarded-For: 1.1.1.1"), Identity{Trusted: true, Client: netip.MustParseAddr("1.1.1.1")}, nil,
			join(start, key, []string{"X-Forwarded-For: 1.1.1.1", own[1], own[2], "X-Real-IP: 1.1.1.1"}),
		},
		{
			"zone", upgradeWith(), Identity{Peer: netip.MustParseAddr("fe80::1%eth0")}, nil,
			join(start, key, []string{"X-Forwarded-For: fe80::1", own[1], own[2], "X-Real-IP: fe80::1"}),
		},
		{
			"absolute form",
			strings.Replace(upgradeWith("A: 1"), "/chat", "ws://b/chat", 1), Identity{Peer: client}, nil,
			join([]string{start[0], "Host: b", "A: 1"}, key, []string{own[0], own[1], "X-Forwarded-Host: b", own[3]}),
		},
		{
			"absolute form without a path",
			strings.Replace(upgradeWith("A: 1"), "/chat", "ws://b", 1), Identity{Peer: client}, nil,
			join([]string{"GET /?x=%zz HTTP/1.1", "Host: b", "A: 1"}, key, []string{own[0], own[1], "X-Forwarded-Host: b", own[3]}),
		},
		{
			"rules",
			upgradeWith("X-User: evil", "x_user: evil", "A: 1", "Cookie: c", "Sec-WebSocket-Extensions: x", "X-User: evil"),
			Identity{Peer: client, Forwarded: true},
			&Rules{
				Host:          "inner",
				RequestSet:    []Header{{"X-User", "u"}, {"X-Forwarded-Proto", "wss"}, {"Forwarded", "secret"}, {"Upgrade", "x"}, {"content-length", "5"}},
				RequestRemove: []string{"cookie", "Host", "Sec-WebSocket-Key", "X-Real-IP", "Sec-WebSocket-Extensions"},
			},
			join([]string{start[0], "Host: inner", "A: 1"}, key, []string{own[0], own[2], "X-User: u", "X-Forwarded-Proto: wss", "Forwarded: secret"}),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parseRequest(t, tt.in, nil)
			if err != nil {
				t.Fatal(err.Reason)
			}
			if !r.Upgrade {
				t.Fatal("no upgrade")
			}
			got := string(r.AppendUpgrade([]byte("prefix"), []byte(tt.in), &tt.id, tt.rules))
			if got != "prefix"+tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestClientAddr(t *testing.T) {
	proxies := netip.MustParsePrefix("10.0.0.0/8")
	trusted := func(a netip.Addr) bool {
		return proxies.Contains(a) || a == netip.MustParseAddr("2001:db8::1") || !a.IsValid()
	}
	tests := []struct{ peer, fields, want string }{
		{"192.0.2.7", "1.1.1.1", "192.0.2.7"},
		{"::ffff:192.0.2.7", "1.1.1.1", "192.0.2.7"},
		{"10.0.0.1", "", "10.0.0.1"},
		{"10.0.0.1", "1.1.1.1", "1.1.1.1"},
		{"::ffff:10.0.0.1", "1.1.1.1", "1.1.1.1"},
		{"10.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1"},
		{"10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2,,10.0.0.3, ", "1.1.1.1"},
		{"10.0.0.1", "10.0.0.9, 10.0.0.2", "10.0.0.9"},
		{"10.0.0.1", "6.6.6.6|1.1.1.1|10.0.0.2", "1.1.1.1"},
		{"10.0.0.1", "6.6.6.6|", "6.6.6.6"},
		{"10.0.0.1", "1.1.1.1, unknown", "10.0.0.1"},
		{"10.0.0.1", "1.1.1.1, <script>, 10.0.0.2", "10.0.0.2"},
		{"10.0.0.1", "1.1.1.1:8080", "1.1.1.1"},
		{"10.0.0.1", "1.1.1.1:", "1.1.1.1"},
		{"10.0.0.1", "1.1.1.1:x", "10.0.0.1"},
		{"10.0.0.1", "2001:db8::2", "2001:db8::2"},
		{"10.0.0.1", "[2001:db8::2]:443", "2001:db8::2"},
		{"10.0.0.1", "[2001:db8::2", "10.0.0.1"},
		{"10.0.0.1", "::ffff:1.1.1.1", "1.1.1.1"},
		{"10.0.0.1", "fe80::1%eth0", "10.0.0.1"},
		{"10.0.0.1", "1.1.1.1, 2001:db8::1", "1.1.1.1"},
		{"", "1.1.1.1", "1.1.1.1"},
	}
	for _, tt := range tests {
		lines := []string{"GET / HTTP/1.1", "Host: a"}
		for v := range strings.SplitSeq(tt.fields, "|") {
			lines = append(lines, "x-forwarded-for: "+v)
		}
		in := crlfs(lines...)
		r, err := parseRequest(t, in, nil)
		if err != nil {
			t.Fatal(err.Reason)
		}
		var peer netip.Addr
		if tt.peer != "" {
			peer = netip.MustParseAddr(tt.peer)
		}
		if got := r.ClientAddr([]byte(in), peer, trusted); got.String() != tt.want {
			t.Errorf("%s for %q: %s, want %s", tt.peer, tt.fields, got, tt.want)
		}
	}
}
