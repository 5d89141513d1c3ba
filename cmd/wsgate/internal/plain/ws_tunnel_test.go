package plain

import (
	"bytes"
	"context"
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

// TestTunnelEnds: how a session ends from each side, and what the other is told.
func TestTunnelEnds(t *testing.T) {
	if !withExtendedConnect(t) {
		return
	}
	type side struct {
		*wsPeer
		done chan string
	}
	// wait tells what the endpoint sees until its stream ends.
	wait := func(s side) {
		var seen []string
		for {
			op, p, err := s.next()
			if err != nil {
				end := "reset"
				if err == io.EOF {
					end = "eof"
				}
				s.done <- strings.Join(append(seen, end), " ")
				return
			}
			if op == ws.OpClose && len(p) >= 2 {
				code, _ := ws.ParseCloseFrameData([]byte(p))
				seen = append(seen, "close:"+code2(code))
				s.send(ws.NewCloseFrame([]byte(p)))
				continue
			}
			seen = append(seen, p)
		}
	}
	tests := []struct {
		name   string
		route  func(*route.Route, *Settings)
		client func(t *testing.T, w *world, c *wsClient)
		peer   func(s side)
		seen   string // by the endpoint
		who    record.Who
		phase  record.Phase
		why    string
		code   uint16
	}{
		{name: "client END_STREAM", client: func(t *testing.T, w *world, c *wsClient) {
			c.text("a")
			c.finish()
			c.wantEnd()
		}, seen: "a eof", who: record.Client, phase: record.PhaseRelay, why: "fin", code: 1006},
		{name: "client RST_STREAM", client: func(t *testing.T, w *world, c *wsClient) {
			c.text("a")
			c.mu.Lock()
			c.WriteRSTStream(c.id, http2.ErrCodeCancel)
			c.mu.Unlock()
		}, seen: "a close:1011 eof", who: record.Client, phase: record.PhaseRelay, why: "reset", code: 1011},
		{name: "client connection gone", client: func(t *testing.T, w *world, c *wsClient) {
			c.conn.Close()
		}, seen: "close:1011 eof", who: record.Client, phase: record.PhaseRelay, why: "reset", code: 1011},
		{name: "endpoint FIN", client: func(t *testing.T, w *world, c *wsClient) {
			if _, s := c.next(); s != "bye" {
				t.Errorf("got %q", s)
			}
			c.wantEnd()
		}, peer: func(s side) { s.send(ws.NewTextFrame([]byte("bye"))) }, who: record.Upstream, phase: record.PhaseRelay, why: "fin", code: 1006},
		{name: "endpoint RST", client: func(t *testing.T, w *world, c *wsClient) {
			c.text("go")
			c.wantClose(1011)
			c.close(1011)
			c.wantEnd()
		}, peer: func(s side) { s.next(); s.reset() }, who: record.Upstream, phase: record.PhaseRelay, why: "reset", code: 1011},
		{name: "endpoint RST inside a frame", route: func(_ *route.Route, s *Settings) { s.Close = 100 * time.Millisecond }, client: func(t *testing.T, w *world, c *wsClient) {
			c.until("bytes", func() bool { return len(c.a.data) == 3 })
			c.text("go")
			if a := c.over(c.id); len(a.data) != 3 {
				t.Errorf("got %+v", a)
			}
		}, peer: func(s side) { s.Write([]byte{0x81, 5, 'x'}); s.next(); s.reset() }, who: record.Upstream, phase: record.PhaseRelay, why: "reset", code: 1011},
		{name: "endpoint closes", client: func(t *testing.T, w *world, c *wsClient) {
			c.wantClose(4000)
			c.close(4000)
			c.wantEnd()
		}, peer: func(s side) {
			s.send(ws.NewCloseFrame(ws.NewCloseFrameBody(4000, "")))
			s.next()
		}, who: record.Upstream, phase: record.PhaseRelay, why: "close", code: 4000},
		{name: "enforce", route: func(r *route.Route, _ *Settings) { r.Frames = frame.Enforce }, client: func(t *testing.T, w *world, c *wsClient) {
			c.text("a")
			c.sendRaw([]byte("\x81\x01b")) // not masked
			c.wantClose(1002)
			c.wantEnd()
		}, seen: "a close:1002 eof", who: record.Client, phase: record.PhaseRelay, why: "violation", code: 1002},
		{name: "enforce, endpoint", route: func(r *route.Route, _ *Settings) { r.Frames = frame.Enforce }, client: func(t *testing.T, w *world, c *wsClient) {
			c.wantClose(1002)
			c.close(1002)
			c.wantEnd()
		}, peer: func(s side) { s.Write([]byte("\x83\x00")); wait(s) }, seen: "close:1002 eof", who: record.Upstream, phase: record.PhaseRelay, why: "violation", code: 1002},
		{name: "observe", client: func(t *testing.T, w *world, c *wsClient) {
			c.sendRaw([]byte("\xc1\x01b"))
			c.finish()
			c.wantEnd()
		}, peer: func(s side) {
			b, _ := io.ReadAll(s.r)
			s.done <- string(b)
		}, seen: "\xc1\x01b", who: record.Client, phase: record.PhaseRelay, why: "fin", code: 1006},
		{name: "too big", route: func(r *route.Route, _ *Settings) { r.MaxMessage = 10 }, client: func(t *testing.T, w *world, c *wsClient) {
			c.text("0123456789")
			// In one piece: the client's Close is behind what is refused.
			big := ws.MustCompileFrame(ws.MaskFrameInPlace(ws.NewTextFrame([]byte("0123456789a"))))
			c.sendRaw(append(big, ws.MustCompileFrame(ws.MaskFrameInPlace(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))...))
			c.wantClose(1009)
			c.wantEnd()
		}, seen: "0123456789 close:1009 eof", who: record.Client, phase: record.PhaseRelay, why: "too_big", code: 1009},
		{name: "idle", route: func(r *route.Route, _ *Settings) { r.IdleTimeout = 50 * time.Millisecond }, client: func(t *testing.T, w *world, c *wsClient) {
			c.wantClose(1001)
			c.close(1001)
			c.wantEnd()
		}, seen: "close:1001 eof", who: record.Gateway, phase: record.PhaseRelay, why: "idle_timeout", code: 1001},
		{name: "drain", client: func(t *testing.T, w *world, c *wsClient) {
			// In the middle of a message: the Close comes at its end.
			f := ws.MustCompileFrame(ws.MaskFrameInPlace(ws.NewTextFrame([]byte("half"))))
			c.sendRaw(f[:7])
			c.next() // the endpoint has them
			drained := make(chan error, 1)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			go func() { drained <- w.srv.Drain(ctx) }()
			c.wantClose(1001)
			c.sendRaw(f[7:])
			c.text("too late")
			c.close(1001)
			c.wantEnd()
			if err := <-drained; err != nil {
				t.Error(err)
			}
		}, peer: func(s side) {
			s.r.Peek(7)
			s.send(ws.NewTextFrame(nil))
			wait(s)
		}, seen: "half close:1001 eof", who: record.Operator, phase: record.PhaseRelay, why: "drain", code: 1001},
		{name: "kill", client: func(t *testing.T, w *world, c *wsClient) {
			w.srv.each(served.kill)
		}, seen: "reset", who: record.Operator, phase: record.PhaseRelay, why: "stop", code: 1006},
		{name: "half-close timeout", route: func(_ *route.Route, s *Settings) { s.HalfClose, s.Close = 50*time.Millisecond, 50*time.Millisecond }, client: func(t *testing.T, w *world, c *wsClient) {
			c.finish()
			c.wantClose(1001)
			c.over(c.id)
		}, peer: func(s side) {
			_, err := s.r.ReadByte()
			<-s.done // until the test ends
			_ = err
		}, who: record.Client, phase: record.PhaseRelay, why: "fin", code: 1006},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			done := make(chan string, 1)
			b := wsBackend(t, "", "", func(p *wsPeer) {
				s := side{p, done}
				if tt.peer != nil {
					tt.peer(s)
					return
				}
				wait(s)
			})
			w := newWorld(t, tt.route, b.addr)
			c := dial2(t, w.listen2(false)).connectWS(1)
			if c.a.status != "200" {
				t.Fatalf("got %+v", c.a)
			}
			tt.client(t, w, c)
			w.log.wantClose(tt.who, tt.phase, tt.why, tt.code)
			if tt.seen != "" {
				if got := <-done; got != tt.seen {
					t.Errorf("the endpoint saw %q, want %q", got, tt.seen)
				}
			} else if tt.name == "half-close timeout" {
				close(done)
			}
		})
	}
}

func code2(c ws.StatusCode) string {
	var b [4]byte
	for i := 3; i >= 0; i-- {
		b[i] = byte('0' + c%10)
		c /= 10
	}
	return string(b[:])
}

// TestTunnelFlow: a peer that does not read stops the other, whatever the
// direction, and nothing is lost when it reads again.
func TestTunnelFlow(t *testing.T) {
	if !withExtendedConnect(t) {
		return
	}
	const total = 24 << 20
	payload := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	t.Run("down", func(t *testing.T) {
		sent := make(chan int, total/len(payload)+1)
		b := wsBackend(t, "", "", func(p *wsPeer) {
			p.Conn.SetWriteDeadline(time.Now().Add(patience))
			for n := 0; n < total; n += len(payload) {
				p.send(ws.NewBinaryFrame(payload))
				sent <- n
			}
			p.send(ws.NewCloseFrame(nil))
			p.next()
		})
		w := newWorld(t, nil, b.addr)
		h := dial2(t, w.listen2(false))
		h.grant = false
		c := h.connectWS(1)
		c.until("a full window", func() bool { return len(c.a.data) == 65535 })
		h.mu.Lock()
		h.grant = true
		h.WriteWindowUpdate(0, 1<<20)
		h.WriteWindowUpdate(1, 1<<20)
		h.mu.Unlock()
		for range total / len(payload) {
			if _, s := c.next(); s != string(payload) {
				t.Fatalf("a message of %d bytes", len(s))
			}
			c.a.data, c.at = c.a.data[c.at:], 0
		}
		c.next()
		c.send(ws.NewCloseFrame(nil))
		c.wantEnd()
		w.log.wantClose(record.Upstream, record.PhaseRelay, "close", 1005)
	})
	t.Run("up", func(t *testing.T) {
		release := make(chan struct{})
		got := make(chan int, 1)
		b := wsBackend(t, "", "", func(p *wsPeer) {
			<-release
			n := 0
			for {
				_, s, err := p.next()
				if err != nil {
					got <- n
					return
				}
				if s != string(payload) {
					t.Errorf("a message of %d bytes", len(s))
				}
				n++
			}
		})
		w := newWorld(t, nil, b.addr)
		c := dial2(t, w.listen2(false)).connectWS(1)
		windows := make(chan uint32, 1<<16)
		go func() {
			for {
				f, err := c.ReadFrame()
				if err != nil {
					close(windows)
					return
				}
				if u, ok := f.(*http2.WindowUpdateFrame); ok && u.StreamID == 1 {
					windows <- u.Increment
				}
			}
		}()
		window, sent := 256<<10, 0
		frame := ws.MustCompileFrame(ws.MaskFrameInPlace(ws.NewBinaryFrame(bytes.Clone(payload))))
		stalled := false
		var stream []byte
		const messages = 512 // more than the socket buffers of three connections take
		for range messages {
			stream = append(stream, frame...)
		}
		for len(stream) > 0 {
			if window < 16<<10 {
				select {
				case n := <-windows:
					window += int(n)
					continue
				case <-time.After(300 * time.Millisecond):
					if !stalled {
						stalled = true
						close(release)
					}
					window += int(<-windows)
					continue
				}
			}
			n := min(16<<10, len(stream))
			c.sendRaw(stream[:n])
			stream = stream[n:]
			window -= n
			sent += n
		}
		c.finish()
		if !stalled {
			close(release)
			t.Errorf("an endpoint that reads nothing has not stopped the client in %d bytes", sent)
		}
		if n := <-got; n != messages {
			t.Errorf("%d messages arrived, want %d", n, messages)
		}
		c.conn.Close()
		for range windows {
		}
	})
}
