package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Listeners and endpoints may be IPv4, IPv6 and unix sockets, in every
// combination; plain requests and upgrades alike.
func TestAddressFamilies(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	socket := func(name string) string { return "unix:" + filepath.Join(w.dir, name) }
	listeners := []string{"127.0.0.1:0", "127.0.0.77:0", socket("front.sock")}
	serve := func(c *wire) {
		for {
			head, err := readHead(c.br)
			if err != nil {
				return
			}
			if field(string(head), "Upgrade") == nil {
				_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain"))
				continue
			}
			_, _ = c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
				sampleAccept + "\r\n\r\n"))
			for {
				f, err := c.readFrame()
				if err != nil {
					return
				}
				_, _ = c.Write(encode(true, 0, f.head.OpCode, false, f.payload))
			}
		}
	}
	c := conf{routes: []routeConf{
		{path: "/v4", to: []string{w.rawBackend(serve)}},
		{path: "/unix", to: []string{w.rawBackendOn(socket("back.sock"), serve)}},
	}}
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
		l.Close()
		listeners = append(listeners, "[::1]:0")
		c.routes = append(c.routes, routeConf{path: "/v6", to: []string{w.rawBackendOn("[::1]:0", serve)}})
	} else {
		t.Logf("no IPv6 here: %v", err)
	}
	c.listeners = listeners
	g := w.start(c)
	if len(g.listeners) != len(listeners) {
		t.Fatalf("Ready names %q, want %d addresses", g.listeners, len(listeners))
	}
	for _, l := range g.listeners {
		for _, r := range c.routes {
			conn := w.dial(l)
			conn.sends("GET " + r.path + " HTTP/1.1\r\nHost: chat.test\r\n\r\n")
			if resp, body := conn.response("GET"); resp.StatusCode != 200 || body != "plain" {
				t.Errorf("%s to %s: %d %q", l, r.path, resp.StatusCode, body)
			}
			conn.sends(upgradeRequest("chat.test", r.path))
			conn.accepted()
			conn.echo("from " + l + " to " + r.path)
			conn.goodbye()
			conn.Close()
		}
	}
	for _, l := range g.waitLog("open", len(listeners)*len(c.routes), nil) {
		if strings.HasPrefix(l.Listener, "unix:") != (l.Client == "") {
			t.Errorf("open line: %+v", l)
		}
	}
	// The socket file goes with the gateway; one that a killed gateway leaves
	// behind does not stop the next.
	g.signal(9)
	g.waitExit(stopLimit)
	path := strings.TrimPrefix(socket("front.sock"), "unix:")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("a killed process removed its socket file? %v", err)
	}
	c.listeners = []string{socket("front.sock")}
	g = w.start(c)
	conn := w.dial(g.listeners[0])
	conn.sends(upgradeRequest("chat.test", "/v4"))
	conn.accepted()
	conn.echo("again")
	conn.goodbye()
}
