package plain

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/net/http2"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
	"wsgate/splice/frame"
)

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
