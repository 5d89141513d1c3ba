package plain

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wsgate/eventloop/record"
	"wsgate/handshake"
)

// wsBackend upgrades every connection and lets serve have it. more are fields
// of the 101, tail what is sent in one piece with it.
func wsBackend(t *testing.T, more, tail string, serve func(c *wsPeer)) *rawBackend {
	return newRawBackend(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		accept := handshake.AppendAccept(nil, []byte(req.Header.Get("Sec-WebSocket-Key")))
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n%s\r\n%s", accept, more, tail)
		serve(&wsPeer{t, c, r})
	})
}

// readFrame reads one frame, whole.
func readFrame(r io.Reader) (ws.Frame, error) {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return ws.Frame{}, err
	}
	if h.Length > 1<<20 {
		return ws.Frame{}, errors.New("a frame larger than any that a test sends")
	}
	p := make([]byte, h.Length)
	_, err = io.ReadFull(r, p)
	return ws.Frame{Header: h, Payload: p}, err
}

// wsPeer is the endpoint's end of a session.
type wsPeer struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

// next reads a frame and checks that it is masked.
func (p *wsPeer) next() (ws.OpCode, string, error) {
	f, err := readFrame(p.r)
	if err != nil {
		return 0, "", err
	}
	if !f.Header.Masked {
		p.t.Errorf("unmasked frame at the endpoint: %+v", f.Header)
	}
	f = ws.UnmaskFrame(f)
	return f.Header.OpCode, string(f.Payload), nil
}

func (p *wsPeer) send(f ws.Frame) { ws.WriteFrame(p, f) }

// reset ends the connection with a RST.
func (p *wsPeer) reset() {
	c := p.Conn
	for {
		w, ok := c.(tap)
		if !ok {
			break
		}
		c = w.Conn
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// echo answers messages and the Close as they come, and then closes.
func echo(p *wsPeer) {
	for {
		op, s, err := p.next()
		if err != nil {
			return
		}
		p.send(ws.NewFrame(op, true, []byte(s)))
		if op == ws.OpClose {
			return
		}
	}
}

// wsClient is the client's end of a session on a stream.
type wsClient struct {
	*h2client
	id uint32
	a  *h2answer
	at int // of the next frame in a.data
}

// connect opens a tunnel on stream id.
func (c *h2client) connectWS(id uint32, more ...string) *wsClient {
	c.t.Helper()
	c.headers(id, false, append([]string{":method: CONNECT", ":protocol: websocket", ":scheme: https", ":authority: chat.example", ":path: /ws?x=1",
		"sec-websocket-version: 13", "origin: https://chat.example"}, more...)...)
	w := &wsClient{h2client: c, id: id, a: c.stream[id]}
	w.a = c.at(id)
	c.until("the answer", func() bool { return w.a.status != "" || w.a.reset != nil })
	return w
}

func (c *wsClient) sendRaw(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.WriteData(c.id, false, b)
}

func (c *wsClient) send(f ws.Frame) {
	c.sendRaw(ws.MustCompileFrame(ws.MaskFrameInPlace(f)))
}

func (c *wsClient) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.WriteData(c.id, true, nil)
}

// next waits for a whole frame.
func (c *wsClient) next() (ws.OpCode, string) {
	c.t.Helper()
	var f ws.Frame
	c.until("a frame", func() bool {
		r := strings.NewReader(string(c.a.data[c.at:]))
		g, err := readFrame(r)
		if err != nil {
			if c.a.ended || c.a.reset != nil {
				c.t.Fatalf("the stream ended: %+v", c.a)
			}
			return false
		}
		c.at = len(c.a.data) - r.Len()
		f = g
		return true
	})
	if f.Header.Masked {
		c.t.Errorf("masked frame at the client: %+v", f.Header)
	}
	return f.Header.OpCode, string(f.Payload)
}

// wantClose reads the gateway's, or the endpoint's, Close.
func (c *wsClient) wantClose(code uint16) {
	c.t.Helper()
	op, s := c.next()
	if op != ws.OpClose || len(s) < 2 || binary.BigEndian.Uint16([]byte(s)) != code {
		c.t.Errorf("got %v %q, want a Close %d", op, s, code)
	}
}

func (c *wsClient) text(s string) { c.send(ws.NewTextFrame([]byte(s))) }

func (c *wsClient) close(code ws.StatusCode) {
	c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(code, "")))
}

// wantEnd waits for END_STREAM.
func (c *wsClient) wantEnd() {
	c.t.Helper()
	if a := c.over(c.id); !a.ended || len(a.data) != c.at {
		c.t.Errorf("ended %v, reset %v, unread %q", a.ended, a.reset, a.data[c.at:])
	}
}

func (r *recorder) open() record.Open {
	r.t.Helper()
	select {
	case o := <-r.opens:
		return o
	case <-time.After(patience):
		r.t.Fatal("no open line")
		panic("unreachable")
	}
}

// wantClose checks the close line of a session.
func (r *recorder) wantClose(who record.Who, phase record.Phase, why string, code uint16) record.Close {
	r.t.Helper()
	select {
	case c := <-r.closes:
		if c.Who != who || c.Phase != phase || c.Why != why || c.Code != code {
			r.t.Errorf("ended %c%c %s %d, want %c%c %s %d", c.Who, c.Phase, c.Why, c.Code, who, phase, why, code)
		}
		return c
	case <-time.After(patience):
		r.t.Fatal("no close line")
		panic("unreachable")
	}
}
