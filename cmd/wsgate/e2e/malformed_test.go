package e2e

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every malformed head is refused as DESIGN.md section 6 says, whether it is
// the first request of a connection, comes one byte at a time, follows an
// answered request or is pipelined behind one; nothing of it reaches a backend,
// and each is in the log and in the counters.
func TestMalformedHeads(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	backend, got := w.recordingBackend()
	fine := w.httpBackend(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = rw.Write([]byte("fine"))
	}))
	g := w.start(conf{routes: []routeConf{
		{path: "/", to: []string{backend}},
		{path: "/fine", to: []string{fine}},
	}})
	const first = "GET /fine HTTP/1.1\r\nHost: chat.test\r\n\r\n"
	refused := 0
	for _, k := range malformedHeads() {
		variants := map[string]func(c *wire){
			"alone":     func(c *wire) { c.writeRefused([]byte(k.bytes), len(k.bytes)) },
			"pipelined": func(c *wire) { c.writeRefused([]byte(first+k.bytes), len(first+k.bytes)); c.wantFine(k) },
			"second": func(c *wire) {
				c.sends(first)
				c.wantFine(k)
				c.writeRefused([]byte(k.bytes), len(k.bytes))
			},
		}
		if len(k.bytes) < 400 {
			variants["byte by byte"] = func(c *wire) { c.writeRefused([]byte(k.bytes), 1) }
		}
		for how, send := range variants {
			c := w.dial(g.addr("/"))
			send(c)
			c.wantRefusal(k, how)
			c.Close()
			refused++
		}
		if b := got.bytes(); len(b) > 0 {
			t.Fatalf("%s: the backend got %q", k.name, b)
		}
	}
	lines := g.waitLog("request", refused, func(l logLine) bool { return l.Refusal != "" })
	for _, l := range lines {
		if l.Status < 400 {
			t.Errorf("refusal with status %d: %+v", l.Status, l)
		}
	}
	if len(lines) != refused {
		t.Errorf("%d refusals in the log, want %d", len(lines), refused)
	}
	g.waitMetric("every refusal is counted", func(m metrics) bool {
		return m.sum("wsgate_refusals_total") == float64(refused)
	})
	t.Logf("%d malformed heads, %d requests", len(malformedHeads()), refused)
}

// writeRefused writes b in steps. The gateway may answer and close before all
// of it is written, so an error is not one here.
func (c *wire) writeRefused(b []byte, step int) {
	for at := 0; at < len(b); at += step {
		if _, err := c.Write(b[at:min(at+step, len(b))]); err != nil {
			return
		}
	}
}

// wantFine reads the answer of the request before the malformed one.
func (c *wire) wantFine(k badRequest) {
	c.t.Helper()
	if r, body := c.response("GET"); r.StatusCode != 200 || body != "fine" {
		c.t.Fatalf("%s: the request before it was answered %d %q", k.name, r.StatusCode, body)
	}
}

// wantRefusal requires one of the case's answers, a body of one line, and the
// end of the connection.
func (c *wire) wantRefusal(k badRequest, how string) {
	c.t.Helper()
	r, err := http.ReadResponse(c.br, &http.Request{Method: "GET"})
	if err != nil {
		c.t.Errorf("%s, %s: %v", k.name, how, err)
		return
	}
	var body bytes.Buffer
	_, err = body.ReadFrom(r.Body)
	text := body.String()
	if err != nil || !slices.Contains(k.status, r.StatusCode) || !r.Close && !k.keeps {
		c.t.Errorf("%s, %s: %d close=%v %q %v, want %v", k.name, how, r.StatusCode, r.Close, text, err, k.status)
	}
	if strings.Count(text, "\n") > 1 || len(text) > 500 || strings.TrimSpace(text) == "" {
		c.t.Errorf("%s, %s: body is not one line: %q", k.name, how, text)
	}
	if r.StatusCode == 426 && r.Header.Get("Sec-Websocket-Version") != "13" {
		c.t.Errorf("%s, %s: 426 without the version: %v", k.name, how, r.Header)
	}
	if !r.Close {
		return
	}
	if rest, _ := c.readAll(); len(rest) > 0 {
		c.t.Errorf("%s, %s: behind the answer: %q", k.name, how, rest)
	}
}

// malformedBodies are chunked bodies behind a good head. Each goes on with a
// request that a reader who took the body to have ended would find.
var malformedBodies = map[string]string{
	"size of letters":           "zz\r\nhello\r\n",
	"empty size":                "\r\nhello\r\n",
	"negative size":             "-1\r\nhello\r\n",
	"size with a plus":          "+5\r\nhello\r\n",
	"size with 0x":              "0x5\r\nhello\r\n",
	"space before the size":     " 5\r\nhello\r\n",
	"space behind the size":     "5 \r\nhello\r\n",
	"tab behind the size":       "5\t\r\nhello\r\n",
	"size over 64 bits":         "10000000000000005\r\nhello\r\n",
	"very long size":            strings.Repeat("0", 400) + "5\r\nhello\r\n",
	"LF behind the size":        "5\nhello\r\n",
	"CR behind the size":        "5\rhello\r\n",
	"LF behind the data":        "5\r\nhello\n",
	"next size behind the data": "5\r\nhello0\r\n",
	"more data than the size":   "5\r\nhello world\r\n",
	"NUL in the extension":      "5;a=\x00\r\nhello\r\n",
	"LF in the extension":       "5;a=b\nc\r\nhello\r\n",
	"CR in the extension":       "5;a=b\rc\r\nhello\r\n",
	"long extension":            "5;" + strings.Repeat("a", 20<<10) + "\r\nhello\r\n",
	"LF behind the last":        "5\r\nhello\r\n0\n",
	"trailer without a colon":   "5\r\nhello\r\n0\r\nbad trailer\r\n",
	"trailer space, then colon": "5\r\nhello\r\n0\r\nX : y\r\n",
	"folded trailer":            "5\r\nhello\r\n0\r\nX: y\r\n z\r\n",
	"trailer with framing":      "5\r\nhello\r\n0\r\nContent-Length: 5\r\n",
	"trailer with a NUL":        "5\r\nhello\r\n0\r\nX: \x00\r\n",
	"trailer with a bare LF":    "5\r\nhello\r\n0\r\nX: y\n",
}

// A malformed body ends its request with 400: the endpoint never sees a
// complete request and nothing of what is behind the fault.
func TestMalformedBodies(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	rec := &recorder{}
	backend := w.rawBackend(func(c *wire) {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			rec.add(buf[:n])
			if err != nil {
				rec.add([]byte("\n--end--\n"))
				return
			}
		}
	})
	fine := w.httpBackend(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = rw.Write([]byte("fine"))
	}))
	g := w.start(conf{routes: []routeConf{{path: "/", to: []string{backend}}, {path: "/fine", to: []string{fine}}}})
	for name, body := range malformedBodies {
		for _, second := range []bool{false, true} {
			k := badRequest{name: name, status: []int{400}}
			c := w.dial(g.addr("/"))
			if second {
				c.sends("GET /fine HTTP/1.1\r\nHost: chat.test\r\n\r\n")
				c.wantFine(k)
			}
			c.writeRefused([]byte("POST /body HTTP/1.1\r\nHost: chat.test\r\nTransfer-Encoding: chunked\r\n\r\n"+
				body+"\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: chat.test\r\n\r\n"), 1<<20)
			c.wantRefusal(k, "as a body")
			c.Close()
		}
		for _, bad := range []string{"smuggled", "0\r\n\r\n", "\x00"} {
			if b := rec.bytes(); bytes.Contains(b, []byte(bad)) {
				t.Fatalf("%s: the backend got %q in %q", name, bad, b)
			}
		}
	}
}

// Everything that asks for an upgrade without being a WebSocket upgrade is an
// ordinary request: the field does not reach the endpoint, and an endpoint
// that answers 101 all the same gets no tunnel.
func TestUpgradeToOthers(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	heads := make(chan string, 100)
	backend := w.rawBackend(func(c *wire) {
		head, err := readHead(c.br)
		if err != nil {
			return
		}
		heads <- string(head)
		if strings.HasPrefix(string(head), "GET /101") {
			_, _ = c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"))
			_, _ = c.readFrame()
			return
		}
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"))
	})
	g := w.start(simple(backend))
	key := "Sec-WebSocket-Key: " + sampleKey + "\r\nSec-WebSocket-Version: 13\r\n"
	for name, fields := range map[string]string{
		"h2c":                  "HTTP/1.1\r\nHost: chat.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
		"other protocol":       "HTTP/1.1\r\nHost: chat.test\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
		"websocketx":           "HTTP/1.1\r\nHost: chat.test\r\nConnection: Upgrade\r\nUpgrade: websocketx\r\n" + key,
		"no Connection":        "HTTP/1.1\r\nHost: chat.test\r\nUpgrade: websocket\r\n" + key,
		"Connection: close":    "HTTP/1.1\r\nHost: chat.test\r\nConnection: close\r\nUpgrade: websocket\r\n" + key,
		"HTTP/1.0":             "HTTP/1.0\r\nHost: chat.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + key,
		"HTTP/1.0, keep-alive": "HTTP/1.0\r\nHost: chat.test\r\nConnection: Upgrade, keep-alive\r\nUpgrade: websocket\r\n" + key,
	} {
		for path, want := range map[string]int{"/200": 200, "/101": 502} {
			c := w.dial(g.addr("/"))
			c.sends("GET " + path + " " + fields + crlf)
			r, body := c.response("GET")
			if r.StatusCode != want {
				t.Errorf("%s %s: answered %d %q", name, path, r.StatusCode, body)
			}
			c.Close()
			select {
			case head := <-heads:
				if field(head, "Upgrade") != nil || slices.ContainsFunc(field(head, "Connection"), func(v string) bool {
					return strings.Contains(strings.ToLower(v), "upgrade")
				}) || field(head, "HTTP2-Settings") != nil {
					t.Errorf("%s: the backend got\n%s", name, head)
				}
			case <-time.After(wireLimit):
				t.Fatalf("%s: nothing reached the backend", name)
			}
		}
	}
}
