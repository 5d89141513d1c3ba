package e2e

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// stuckAddress accepts connections in the kernel and nowhere else: the queue of
// a listening socket that nobody accepts from.
func stuckAddress(w *world) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.atEnd(func() { l.Close() })
	return l.Addr().String()
}

// closedAddress refuses connections: a socket that is bound, so that nobody
// else gets the port, and does not listen.
func closedAddress(w *world) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.atEnd(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		w.t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
}

// Faults of endpoints have the answers of DESIGN.md section 6, for upgrades
// and for plain requests.
func TestEndpointFaults(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	raw := func(answer string) string {
		return w.rawBackend(func(c *wire) {
			if _, err := readHead(c.br); err == nil {
				_, _ = io.WriteString(c, answer)
			}
		})
	}
	accept := "Sec-WebSocket-Accept: " + sampleAccept + crlf
	switching := "HTTP/1.1 101 Switching Protocols\r\n"
	cases := []struct {
		path, endpoint string
		upgrade, plain int
	}{
		{"/refused", closedAddress(w), 502, 502},
		{"/stuck", stuckAddress(w), 504, 504},
		{"/silent-close", raw(""), 502, 502},
		{"/garbage", raw("hello, this is no HTTP\r\n\r\n"), 502, 502},
		{"/half-head", raw("HTTP/1.1 200 OK\r\nX-A"), 502, 502},
		{"/two-lengths", raw("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), 502, 502},
		{"/long-head", raw("HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 2<<20) + "\r\n\r\n"), 502, 502},
		{"/wrong-accept", raw(switching + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"), 502, 0},
		{"/no-accept", raw(switching + "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), 502, 0},
		{"/two-accepts", raw(switching + "Upgrade: websocket\r\nConnection: Upgrade\r\n" + accept + accept + crlf), 502, 0},
		{"/no-upgrade", raw(switching + "Connection: Upgrade\r\n" + accept + crlf), 502, 0},
		{"/no-connection", raw(switching + "Upgrade: websocket\r\n" + accept + crlf), 502, 0},
		{"/other-upgrade", raw(switching + "Upgrade: h2c\r\nConnection: Upgrade\r\n" + accept + crlf), 502, 0},
	}
	var c conf
	for _, k := range cases {
		c.routes = append(c.routes, routeConf{path: k.path, to: []string{k.endpoint}})
	}
	c.timeouts = map[string]string{"upgrade": "700ms", "response": "700ms", "connect": "700ms"}
	g := w.start(c)
	check := func(path, request string, want int) {
		t.Helper()
		conn := w.dial(g.addr(path))
		conn.sends(request)
		r, body := conn.response("GET")
		if r.StatusCode != want || strings.Count(strings.TrimSpace(body), "\n") > 0 || body == "" {
			t.Errorf("%s: %d %q, want %d", request[:strings.Index(request, crlf)], r.StatusCode, body, want)
		}
		conn.Close()
		g.waitLog("request", 1, func(l logLine) bool { return l.Target == path && l.Status == want && l.Refusal != "" })
	}
	for _, k := range cases {
		check(k.path, upgradeRequest("chat.test", k.path), k.upgrade)
		if k.plain != 0 {
			check(k.path, "GET "+k.path+" HTTP/1.1\r\nHost: chat.test\r\n\r\n", k.plain)
		}
	}
	check("/nowhere", upgradeRequest("chat.test", "/nowhere"), 404)
	check("/nowhere", "GET /nowhere HTTP/1.1\r\nHost: chat.test\r\n\r\n", 404)
}

// Endpoints that refuse, or end before a byte of their answer, are passed over
// for the next; the client sees the one that works.
func TestRetries(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	mute := w.rawBackend(func(c *wire) { _, _ = readHead(c.br) })
	reset := w.rawBackend(func(c *wire) {
		if _, err := readHead(c.br); err == nil {
			c.reset()
		}
	})
	good := w.httpBackend(newSite())
	g := w.start(simple(closedAddress(w), reset, closedAddress(w), mute, good))
	for i := range 20 {
		path := fmt.Sprint("/ws/", i)
		c := g.open(path)
		c.echo("hello")
		c.goodbye()
		if opened, _ := g.closeOf(path); opened.Endpoint != good || opened.Tries < 1 || opened.Tries > 5 {
			t.Errorf("open line %+v", opened)
		}
		p := w.dial(g.addr("/"))
		p.sends("GET /name HTTP/1.1\r\nHost: chat.test\r\n\r\n")
		if r, body := p.response("GET"); r.StatusCode != 200 {
			t.Errorf("plain request: %d %q", r.StatusCode, body)
		}
		p.Close()
	}
	if n := g.scrape().sum("wsgate_retries_total"); n < 20 {
		t.Errorf("%v retries counted", n)
	}
}

// A request head that does not come is answered 408, the first of a connection
// and a later one, of a plain request and of an upgrade; so is a body.
func TestRequestTimeouts(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	c := simple(w.httpBackend(newSite()))
	c.timeouts = map[string]string{"request_head": "600ms", "request_body": "600ms", "keepalive": "600ms"}
	g := w.start(c)
	for name, k := range map[string]struct{ first, part string }{
		"first request":      {"", "GET /na"},
		"upgrade":            {"", strings.TrimSuffix(upgradeRequest("chat.test", "/"), crlf)},
		"second request":     {"GET /name HTTP/1.1\r\nHost: chat.test\r\n\r\n", "GET /name HTTP/1.1\r\nHo"},
		"body of a length":   {"", "POST /echo HTTP/1.1\r\nHost: chat.test\r\nContent-Length: 10\r\n\r\nhalf"},
		"chunked body":       {"", "POST /echo HTTP/1.1\r\nHost: chat.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha"},
		"body of the second": {"GET /name HTTP/1.1\r\nHost: chat.test\r\n\r\n", "POST /echo HTTP/1.1\r\nHost: chat.test\r\nContent-Length: 10\r\n\r\n"},
	} {
		c := w.dial(g.addr("/"))
		if k.first != "" {
			c.sends(k.first)
			c.response("GET")
		}
		c.sends(k.part)
		if r, body := c.response("GET"); r.StatusCode != 408 || !r.Close {
			t.Errorf("%s: %d %q close=%v", name, r.StatusCode, body, r.Close)
		}
		c.wantEOF()
	}
	// Between two requests there is nobody to answer: the connection just ends.
	idle := w.dial(g.addr("/"))
	idle.sends("GET /name HTTP/1.1\r\nHost: chat.test\r\n\r\n")
	idle.response("GET")
	idle.wantEOF()
}
