package plain

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/net/http2"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
	"wsgate/handshake"
	"wsgate/splice/frame"
)

// TestTunnelOpen: what of an extended CONNECT reaches the endpoint, and back.
func TestTunnelOpen(t *testing.T) {
	if !withExtendedConnect(t) {
		return
	}
	b := wsBackend(t, "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\nX-Own: 1\r\nSet-Cookie: a=b\r\n",
		"\x81\x02hi", echo)
	w := newWorld(t, func(r *route.Route, _ *Settings) {
		r.Rules = &handshake.Rules{RequestSet: []handshake.Header{{Name: "X-Set", Value: "2"}}, ResponseRemove: []string{"X-Own"}}
	}, refusing(t), b.addr)
	h := dial2(t, w.listen2(true))
	c := h.connectWS(1, "sec-websocket-protocol: chat, other", "sec-websocket-extensions: permessage-deflate", "cookie: x=1", "cookie: y=2", "x-forwarded-for: 1.1.1.1")
	if !h.connect {
		t.Error("SETTINGS_ENABLE_CONNECT_PROTOCOL was not announced")
	}
	if c.a.status != "200" || c.a.fields["sec-websocket-protocol"] != "chat" || c.a.fields["sec-websocket-extensions"] != "permessage-deflate" ||
		c.a.fields["set-cookie"] != "a=b" || c.a.fields["x-own"] != "" || c.a.fields["sec-websocket-accept"] != "" || c.a.fields["upgrade"] != "" {
		t.Errorf("got %+v", c.a)
	}
	if op, s := c.next(); op != ws.OpText || s != "hi" {
		t.Errorf("behind the 101: %v %q", op, s)
	}
	c.text("hello")
	if op, s := c.next(); op != ws.OpText || s != "hello" {
		t.Errorf("echo: %v %q", op, s)
	}
	o := w.log.open()
	if o.Proto != "HTTP/2" || o.Tries != 2 || string(o.Target) != "/ws?x=1" || string(o.Host) != "chat.example" || string(o.Subprotocol) != "chat" || o.ID == 9 {
		t.Errorf("open line %+v", o)
	}
	n := record.NewCounters()
	w.srv.Counters(n)
	k := record.SessionKey{Route: "*/", Pool: "app", Endpoint: b.addr}
	if n.Relays != 1 || n.Open[k] != 1 || n.Upgrades["101"] != 1 || n.UpgradeTime.Count != 1 || n.Retries["connect"] != 1 ||
		n.BytesUp != 11 || n.BytesDown != 11 || n.MessagesUp != 1 || n.MessagesDown != 2 {
		t.Errorf("counters %+v", n)
	}
	c.close(1000)
	c.wantClose(1000)
	c.wantEnd()
	l := w.log.wantClose(record.Client, record.PhaseRelay, "close", 1000)
	if l.ID != o.ID || l.Up.Messages != 1 || l.Down.Messages != 2 || l.Up.Bytes != 19 || l.Down.Bytes != 15 {
		t.Errorf("close line %+v", l)
	}
	n = record.NewCounters()
	w.srv.Counters(n)
	if n.Relays != 0 || len(n.Open) != 0 || n.Ends[record.EndKey{Who: record.Client, Phase: record.PhaseRelay, Why: "close"}] != 1 {
		t.Errorf("counters %+v", n)
	}
	head, _, _ := strings.Cut(b.received()[0], "\r\n\r\n")
	for _, line := range []string{
		"GET /ws?x=1 HTTP/1.1", "Host: chat.example", "Sec-Websocket-Version: 13", "Origin: https://chat.example", "Cookie: x=1; y=2",
		"Sec-Websocket-Protocol: chat, other", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: https", "X-Set: 2",
	} {
		if !strings.Contains(head+"\r\n", line+"\r\n") {
			t.Errorf("no %q in %q", line, head)
		}
	}
}

// TestTunnelRefusals: what is refused, and what of the endpoints' answers passes.
func TestTunnelRefusals(t *testing.T) {
	if !withExtendedConnect(t) {
		return
	}
	answer := func(text string) string {
		return newRawBackend(t, func(c net.Conn) {
			io.ReadAtLeast(c, make([]byte, 4096), 1)
			io.WriteString(c, text)
		}).addr
	}
	silent := newRawBackend(t, func(c net.Conn) { io.Copy(io.Discard, c) }).addr
	routes := []struct{ path, addr string }{
		{"/403", answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-A: b\r\n\r\nno")},
		{"/chunked", answer("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")},
		{"/close", answer("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\ntext")},
		{"/103", answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")},
		{"/short", answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nno")},
		{"/ok", answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")},
		{"/accept", answer("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: xxxx\r\n\r\n")},
		{"/garbage", answer("SSH-2.0\r\n\r\n")},
		{"/big", answer("HTTP/1.1 101 X\r\n" + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 40))},
		{"/eof", answer("")},
		{"/down", refusing(t)},
		{"/silent", silent},
	}
	w := newWorld(t, func(_ *route.Route, s *Settings) {
		var all []*route.Route
		for _, r := range routes {
			all = append(all, &route.Route{Name: r.path, Host: "*", Path: r.path, Pool: pool(t, r.path, r.addr), Frames: frame.Observe})
		}
		s.Routes, _ = route.NewTable(all)
		s.Upgrade = 500 * time.Millisecond
	}, silent)
	h := dial2(t, w.listen2(false))
	base := []string{":method: CONNECT", ":protocol: websocket", ":scheme: http", ":authority: a", "sec-websocket-version: 13"}
	tests := []struct {
		name, path string
		fields     []string
		status     string
		body       string // "" is one line of the gateway's own
		reason     string
	}{
		{name: "403", path: "/403", status: "403", body: "no"},
		{name: "chunked", path: "/chunked", status: "404", body: "abcde"},
		{name: "until close", path: "/close", status: "302", body: "text"},
		{name: "interim", path: "/103", status: "400", body: "-"},
		{name: "200 is no tunnel", path: "/ok", status: "502", reason: "upstream_not_switching"},
		{name: "accept", path: "/accept", status: "502", reason: "upstream_bad_accept"},
		{name: "garbage", path: "/garbage", status: "502", reason: "upstream_"},
		{name: "big", path: "/big", status: "502", reason: "upstream_"},
		{name: "eof", path: "/eof", status: "502", reason: "bad_gateway"},
		{name: "down", path: "/down", status: "502", reason: "bad_gateway"},
		{name: "silent", path: "/silent", status: "504", reason: "upstream_timeout"},
		{name: "no route", path: "/none", status: "404", reason: "no_route"},
		{name: "absolute", path: "http://evil/403", status: "400", reason: "bad_target"},
		{name: "version", path: "/403", fields: append(base[:4:4], "sec-websocket-version: 12"), status: "426", reason: "websocket_version"},
		{name: "no version", path: "/403", fields: base[:4:4], status: "426", reason: "websocket_version"},
		{name: "key", path: "/403", fields: append(base[:5:5], "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="), status: "400", reason: "key_over_http2"},
		{name: "protocol", path: "/403", fields: append([]string{":protocol: connect-udp"}, base[0], base[2], base[3]), status: "501", reason: "unknown_protocol"},
		{name: "length", path: "/403", fields: append(base[:5:5], "content-length: 3"), status: "400", reason: "upgrade_body"},
	}
	for i, tt := range tests {
		id := uint32(2*i + 1)
		if tt.fields == nil {
			tt.fields = base
		}
		h.headers(id, false, append([]string{":path: " + tt.path}, tt.fields...)...)
		a := h.over(id)
		switch {
		case a.status != tt.status:
			t.Errorf("%s: got %s %q, want %s", tt.name, a.status, a.data, tt.status)
		case tt.body == "" && strings.Count(string(a.data), "\n") != 1, tt.body != "" && string(a.data) != strings.Trim(tt.body, "-"):
			t.Errorf("%s: body %q", tt.name, a.data)
		}
		if tt.status == "426" && (a.fields["sec-websocket-version"] != "13" || a.fields["upgrade"] != "") {
			t.Errorf("fields %v", a.fields)
		}
		if tt.name == "interim" && (len(a.interim) != 1 || a.interim[0] != "103map[link:</a>]") {
			t.Errorf("interim %v", a.interim)
		}
		r := w.log.next()
		if !strings.HasPrefix(r.Refusal, tt.reason) || !r.Upgrade || r.Proto != "HTTP/2" || string(r.Method) != "CONNECT" {
			t.Errorf("%s: record %+v", tt.name, r)
		}
	}
	id := uint32(2*len(tests) + 1)
	h.headers(id, false, append([]string{":path: /short"}, base...)...)
	if a := h.over(id); a.reset == nil || a.ended {
		t.Errorf("short: %+v", a)
	}
	if h.goaway != nil {
		t.Errorf("the connection ends: %v", h.goaway)
	}
	n := record.NewCounters()
	w.srv.Counters(n)
	if n.Upgrades["4xx"] != 4 || n.Upgrades["3xx"] != 1 || n.Upgrades["refused"] != 14 {
		t.Errorf("upgrades %v", n.Upgrades)
	}
}

// TestTunnelLimit: Settings.Tunnels.
func TestTunnelLimit(t *testing.T) {
	if !withExtendedConnect(t) {
		return
	}
	b := wsBackend(t, "", "", echo)
	w := newWorld(t, func(_ *route.Route, s *Settings) { s.Tunnels = 1 }, b.addr)
	h := dial2(t, w.listen2(false))
	c := h.connectWS(1)
	d := h.connectWS(3)
	if c.a.status != "200" || d.a.status != "429" || d.a.fields["retry-after"] == "" {
		t.Errorf("got %s and %+v", c.a.status, d.a)
	}
	c.close(1000)
	c.wantClose(1000)
	c.wantEnd()
	w.log.wantClose(record.Client, record.PhaseRelay, "close", 1000)
	if e := h.connectWS(5); e.a.status != "200" {
		t.Errorf("got %+v", e.a)
	}
}

// TestTunnelNotAnnounced: without GODEBUG the setting is not sent and an
// extended CONNECT is malformed.
func TestTunnelNotAnnounced(t *testing.T) {
	if strings.Contains(os.Getenv("GODEBUG"), extended) {
		t.Skip("this process announces it")
	}
	w := newWorld(t, nil, refusing(t))
	c := dial2(t, w.listen2(false))
	c.headers(1, false, ":method: CONNECT", ":protocol: websocket", ":scheme: https", ":authority: a", ":path: /")
	if a := c.over(1); a.reset == nil || *a.reset != http2.ErrCodeProtocol || c.connect {
		t.Errorf("got %+v, announced %v", a, c.connect)
	}
}
