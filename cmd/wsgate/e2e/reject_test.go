package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// rejections are the answers other than 101 that the backend of
// TestRejections gives: the body is framed as the path says.
var rejections = []struct {
	status int
	field  string
	value  string
}{
	{401, "Www-Authenticate", `Basic realm="chat"`},
	{403, "X-Reason", "not you"},
	{302, "Location", "https://elsewhere.example/?a=b"},
	{200, "Content-Type", "text/html"},
	{204, "X-Reason", "nothing"},
	{304, "Etag", `"v1"`},
	{426, "Upgrade", ""},
	{404, "X-Reason", "no such room"},
	{500, "X-Reason", "oops"},
	{503, "Retry-After", "7"},
}

// serveRejection answers /status/framing/bytes, and echoes on any other path.
func serveRejection(rw http.ResponseWriter, r *http.Request) {
	part := strings.Split(r.URL.Path, "/")
	if len(part) != 4 {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(rw, "plain")
			return
		}
		upgradeAndEcho(rw, r)
		return
	}
	status, _ := strconv.Atoi(part[1])
	n, _ := strconv.Atoi(part[3])
	for _, k := range rejections {
		if k.status == status && k.value != "" {
			rw.Header().Set(k.field, k.value)
		}
	}
	if part[2] == "length" {
		rw.Header().Set("Content-Length", part[3])
	}
	rw.WriteHeader(status)
	if part[2] == "chunked" {
		rw.(http.Flusher).Flush()
	}
	_, _ = rw.Write(payload(n, true))
}

// An endpoint's answer other than 101 reaches the client whole; the connection
// goes on as HTTP says, for plain requests and for an upgrade.
func TestRejections(t *testing.T) {
	w := newWorld(t)
	g := w.start(simple(w.httpBackend(http.HandlerFunc(serveRejection))))
	for _, k := range rejections {
		for _, framing := range []string{"length", "chunked"} {
			for _, size := range []int{0, 33, 300_000} {
				none := k.status == 204 || k.status == 304
				if none && (size > 0 || framing == "length") {
					continue
				}
				name := fmt.Sprintf("/%d/%s/%d", k.status, framing, size)
				c := w.dial(g.addr(name))
				c.sends(upgradeRequest("chat.test", name))
				r, body := c.response("GET")
				if r.StatusCode != k.status || body != string(payload(size, true)) {
					t.Fatalf("%s: answer %d with %d bytes", name, r.StatusCode, len(body))
				}
				if k.value != "" && r.Header.Get(k.field) != k.value {
					t.Errorf("%s: %s is %q", name, k.field, r.Header.Get(k.field))
				}
				if r.Close && target == targetGateway {
					t.Errorf("%s: the connection is to be closed", name)
				}
				if r.Close {
					continue
				}
				c.sends("GET /after HTTP/1.1\r\nHost: chat.test\r\n\r\n")
				if r, body := c.response("GET"); r.StatusCode != 200 || body != "plain" {
					t.Fatalf("%s: next request answered %d %q", name, r.StatusCode, body)
				}
				if target == targetNginx {
					continue // its answers to plain requests are its own here
				}
				c.sends(upgradeRequest("chat.test", "/ws"))
				c.accepted()
				c.echo("hello after " + name)
				c.goodbye()
			}
		}
	}
}

// The body of an answer without framing ends with the connection.
func TestRejectionUntilClose(t *testing.T) {
	w := newWorld(t)
	body := string(payload(500_000, true))
	g := w.start(simple(w.rawBackend(func(c *wire) {
		if _, err := readHead(c.br); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.0 403 Forbidden\r\nX-A: b\r\n\r\n"+body)
		}
	})))
	c := w.dial(g.addr("/"))
	c.sends(upgradeRequest("chat.test", "/"))
	r, got := c.response("GET")
	if r.StatusCode != 403 || got != body || r.Header.Get("X-A") != "b" {
		t.Fatalf("answer %d with %d bytes", r.StatusCode, len(got))
	}
	if target == targetGateway {
		c.wantEOF()
	}
}

// What a client sends behind an upgrade request is the next request when the
// upgrade is turned down.
func TestBytesBehindRejectedUpgrade(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	g := w.start(simple(w.httpBackend(http.HandlerFunc(serveRejection))))
	c := w.dial(g.addr("/"))
	c.sends(upgradeRequest("chat.test", "/401/length/10") +
		"GET /next HTTP/1.1\r\nHost: chat.test\r\n\r\n" +
		upgradeRequest("chat.test", "/403/chunked/70000") +
		upgradeRequest("chat.test", "/ws") + string(fromClient(1, "early")))
	for _, want := range []int{401, 200, 403} {
		if r, _ := c.response("GET"); r.StatusCode != want {
			t.Fatalf("status %d, want %d", r.StatusCode, want)
		}
	}
	c.accepted()
	c.wantFrame(1, "early")
	c.goodbye()
	if got := g.waitLog("request", 3, nil); len(got) != 3 {
		t.Errorf("%d request lines, want 3", len(got))
	}
}

// 100 before the answer to an upgrade is dropped, other 1xx are passed on, and
// the 101 is still waited for.
func TestInterimAnswers(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	g := w.start(simple(w.rawBackend(func(c *wire) {
		head, err := readHead(c.br)
		if err != nil {
			return
		}
		key := field(string(head), "Sec-WebSocket-Key")
		_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"+
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
			acceptOf(key[0])+"\r\n\r\n"+string(fromServer(1, "right behind")))
		f, err := c.readFrame()
		if err == nil {
			_, _ = c.Write(fromServer(1, string(f.payload)))
		}
		_, _ = c.readFrame()
	})))
	c := w.dial(g.addr("/"))
	c.sends(upgradeRequest("chat.test", "/"))
	if r, _ := c.response("GET"); r.StatusCode != 103 || r.Header.Get("Link") == "" {
		t.Fatalf("first answer %d %v", r.StatusCode, r.Header)
	}
	c.accepted()
	c.wantFrame(1, "right behind")
	c.echo("then the session")
}
