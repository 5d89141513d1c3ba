package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// The access log says what was done, session by session.
func TestAccessLog(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	echo := w.coderEcho(false, false)
	g := w.start(simple(echo))
	c := g.open("/room/1?x=y", "Origin: https://chat.example", "User-Agent: test \"quoted\" \\ \xff",
		"Sec-WebSocket-Protocol: chat.v2, chat.v1")
	peer := c.LocalAddr().String()
	up, down := 0, 0
	for _, n := range []int{0, 10, 200, 70_000} {
		f := fromClient(ws.OpBinary, strings.Repeat("x", n))
		c.send(f)
		c.wantFrame(ws.OpBinary, strings.Repeat("x", n))
		up += len(f)
		down += len(fromServer(ws.OpBinary, strings.Repeat("x", n)))
	}
	ping := fromClient(ws.OpPing, "p") // no message
	c.send(ping)
	c.wantFrame(ws.OpPong, "p")
	bye := fromClient(ws.OpClose, closeBody(4321, "so long"))
	c.send(bye)
	c.wantClose(4321)
	c.closeWrite()
	c.waitEnd()
	up += len(ping) + len(bye)
	opened, closed := g.closeOf("/room/1?x=y")
	if opened.Client != "127.0.0.1" || opened.Peer != peer || opened.Host != "chat.test" ||
		opened.Origin != "https://chat.example" || opened.UserAgent != "test \"quoted\" \\ \ufffd" ||
		opened.Endpoint != echo || opened.Tries != 1 || opened.Subprotocol == "" || opened.UpgradeMS <= 0 ||
		opened.Route == "" || opened.Pool != "u0" || opened.Listener == "" || len(opened.ID) != 16 {
		t.Errorf("open line: %+v", opened)
	}
	if closed.BytesUp != uint64(up) || closed.BytesDown < uint64(down) || closed.BytesDown > uint64(down+200) ||
		closed.MessagesUp != 4 || closed.MessagesDn != 4 ||
		closed.Code != 4321 || closed.Reason != "so long" || closed.By != "client" || closed.Why != "close" ||
		closed.EndState == "" || closed.Violation != "" || closed.Truncated ||
		closed.Route != opened.Route || closed.Endpoint != echo {
		t.Errorf("close line: %+v; %d bytes up, at least %d down", closed, up, down)
	}
	for _, l := range []logLine{opened, closed} {
		if at, err := time.Parse(time.RFC3339Nano, l.Time); err != nil || !strings.HasSuffix(l.Time, "Z") || time.Since(at).Abs() > time.Hour {
			t.Errorf("time %q: %v", l.Time, err)
		}
	}

	p := w.dial(g.addr("/"))
	p.sends("POST /plain HTTP/1.1\r\nHost: chat.test\r\nContent-Length: 5\r\nUser-Agent: ua\r\n\r\nhello")
	r, body := p.response("POST")
	l := g.waitLog("request", 1, func(l logLine) bool { return l.Target == "/plain" })[0]
	if l.Status != r.StatusCode || l.Method != "POST" || l.Received != 5 || l.Sent != uint64(len(body)) ||
		l.Endpoint != echo || l.UserAgent != "ua" || l.Refusal != "" || l.Client != "127.0.0.1" {
		t.Errorf("request line: %+v; answer %d with %d bytes", l, r.StatusCode, len(body))
	}
}

// The metrics count what was done, and every open session is back at none
// when all have left.
func TestMetrics(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	g := w.start(conf{routes: []routeConf{
		{path: "/", to: []string{w.httpBackend(newSite())}},
		{path: "/rejects", to: []string{w.httpBackend(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			http.Error(rw, "no", http.StatusForbidden)
		}))}},
	}})
	const sessions, messages = 25, 8
	var open []*wire
	for i := range sessions {
		c := g.open("/ws")
		for j := range messages {
			c.echo(fmt.Sprint("message ", i, " ", j))
		}
		open = append(open, c)
	}
	expect := func(what string, want float64, name string, labels ...string) {
		t.Helper()
		var got float64
		if !poll(10*time.Second, func() bool {
			m, err := g.tryScrape()
			got = m.sum(name, labels...)
			return err == nil && got == want
		}) {
			t.Errorf("%s: %s%v is %v, want %v", what, name, labels, got, want)
		}
	}
	expect("open sessions", sessions, "wsgate_sessions_open")
	expect("client connections", sessions, "wsgate_connections")
	expect("upgrades", sessions, "wsgate_upgrades_total", `outcome="101"`)
	expect("messages up", sessions*messages, "wsgate_relay_messages_total", `direction="up"`)
	expect("messages down", sessions*messages, "wsgate_relay_messages_total", `direction="down"`)
	expect("upgrade times", sessions, "wsgate_upgrade_duration_seconds_count")
	for range 3 {
		c := w.dial(g.addr("/"))
		c.sends(upgradeRequest("chat.test", "/rejects"))
		if r, _ := c.response("GET"); r.StatusCode != 403 {
			t.Fatalf("status %d", r.StatusCode)
		}
		c.Close()
		c = w.dial(g.addr("/"))
		c.sends("nonsense\r\n\r\n")
		c.waitEnd()
		c.Close()
	}
	expect("rejected upgrades", 3, "wsgate_upgrades_total", `outcome="4xx"`)
	expect("refusals", 3, "wsgate_refusals_total")
	for _, c := range open {
		c.goodbye()
		c.Close()
	}
	expect("open sessions at the end", 0, "wsgate_sessions_open")
	expect("connections at the end", 0, "wsgate_connections")
	expect("ends", sessions, "wsgate_session_ends_total", `why="close"`)
	var up, down uint64
	for _, l := range g.waitLog("close", sessions, nil) {
		up, down = up+l.BytesUp, down+l.BytesDown
	}
	expect("bytes up as in the log", float64(up), "wsgate_relay_bytes_total", `direction="up"`)
	expect("bytes down as in the log", float64(down), "wsgate_relay_bytes_total", `direction="down"`)
	m := g.scrape()
	for _, name := range []string{"wsgate_build_info", "go_goroutines", "process_open_fds", "wsgate_accepted_total"} {
		if m.sum(name) == 0 {
			t.Errorf("no %s", name)
		}
	}
}

// /healthz answers 200 while the gateway serves, and 503 while it drains.
func TestHealth(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	addr, accepted := w.handBackend()
	g := w.start(simple(addr))
	if status, body, err := g.adminGet("/healthz"); err != nil || status != 200 {
		t.Errorf("/healthz: %d %q %v", status, body, err)
	}
	if status, body, err := g.adminGet("/version"); err != nil || status != 200 || body == "" {
		t.Errorf("/version: %d %q %v", status, body, err)
	}
	p := g.pair("/", accepted)
	g.signal(15)
	p.client.wantClose(1001)
	if status, body, err := g.adminGet("/healthz"); err != nil || status != 503 {
		t.Errorf("/healthz while draining: %d %q %v", status, body, err)
	}
	p.client.Close()
	p.backend.Close()
	if code := g.waitExit(stopLimit); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
