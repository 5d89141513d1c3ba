package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// wireLimit bounds every single wait on a socket of a test.
const wireLimit = 30 * time.Second

// The key of RFC 6455 1.3 and the Accept that belongs to it.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// A wire is a connection on which a test writes and reads bytes as it likes.
type wire struct {
	net.Conn
	t  *testing.T
	br *bufio.Reader
}

// dial connects a wire to an address.
func (w *world) dial(addr string) *wire {
	w.t.Helper()
	c, err := net.DialTimeout("tcp", addr, wireLimit)
	if n, a := network(addr); n == "unix" {
		c, err = net.DialTimeout(n, a, wireLimit)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.keep(c)
	return newWire(w.t, c)
}

func newWire(t *testing.T, c net.Conn) *wire {
	_ = c.SetDeadline(time.Now().Add(wireLimit))
	return &wire{Conn: c, t: t, br: bufio.NewReader(c)}
}

// extend gives the wire another wireLimit.
func (c *wire) extend() { _ = c.SetDeadline(time.Now().Add(wireLimit)) }

// send writes b or fails the test.
func (c *wire) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

func (c *wire) sends(s string) { c.t.Helper(); c.send([]byte(s)) }

// closeWrite sends FIN.
func (c *wire) closeWrite() {
	c.t.Helper()
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Fatalf("close write: %v", err)
	}
}

// reset closes the connection with RST.
func (c *wire) reset() {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// readAll reads until end of stream. gone tells that a reset ended it.
func (c *wire) readAll() (b []byte, gone bool) {
	c.t.Helper()
	b, err := io.ReadAll(c.br)
	switch {
	case err == nil:
		return b, false
	case errors.Is(err, syscall.ECONNRESET):
		return b, true
	}
	c.t.Fatalf("read: %v", err)
	return nil, false
}

// waitEnd reads until the connection has ended, however, throws away what
// came and closes.
func (c *wire) waitEnd() {
	c.t.Helper()
	c.readAll()
	c.Close()
}

// upgradeRequest is a valid upgrade request; extra lines end without CRLF.
func upgradeRequest(host, target string, extra ...string) string {
	lines := append([]string{
		"GET " + target + " HTTP/1.1",
		"Host: " + host,
		"Upgrade: websocket",
		"Connection: Upgrade",
		"Sec-WebSocket-Key: " + sampleKey,
		"Sec-WebSocket-Version: 13",
	}, extra...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// response reads one whole answer, body included, to a request by method.
func (c *wire) response(method string) (*http.Response, string) {
	c.t.Helper()
	r, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("read response: %v", err)
	}
	if r.StatusCode < 200 {
		return r, ""
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatalf("read body: %v", err)
	}
	r.Body.Close()
	return r, string(b)
}

// accepted reads a response and requires a correct 101.
func (c *wire) accepted() *http.Response {
	c.t.Helper()
	r, body := c.response("GET")
	if r.StatusCode != 101 || r.Header.Get("Sec-WebSocket-Accept") != sampleAccept {
		c.t.Fatalf("upgrade answered with %s %v %q", r.Status, r.Header, body)
	}
	return r
}

// open connects to path of g and upgrades.
func (g *gateway) open(path string, extra ...string) *wire {
	g.w.t.Helper()
	c := g.w.dial(g.addr(path))
	c.sends(upgradeRequest("chat.test", path, extra...))
	c.accepted()
	return c
}

// A frame is one RFC 6455 frame; its payload is unmasked.
type frame struct {
	head    ws.Header
	payload []byte
}

// encode writes a frame as it goes over the wire: masked with a key when
// masked is set. Nothing is checked, so that bad frames can be built too.
func encode(fin bool, rsv byte, op ws.OpCode, masked bool, payload []byte) []byte {
	h := ws.Header{Fin: fin, Rsv: rsv, OpCode: op, Masked: masked, Length: int64(len(payload))}
	var b bytes.Buffer
	body := payload
	if masked {
		h.Mask = [4]byte{0x11, 0x22, 0x33, 0x44}
		body = bytes.Clone(payload)
		ws.Cipher(body, h.Mask, 0)
	}
	if err := ws.WriteHeader(&b, h); err != nil {
		panic(err)
	}
	b.Write(body)
	return b.Bytes()
}

// fromClient is a whole masked frame.
func fromClient(op ws.OpCode, payload string) []byte {
	return encode(true, 0, op, true, []byte(payload))
}

// fromServer is a whole unmasked frame.
func fromServer(op ws.OpCode, payload string) []byte {
	return encode(true, 0, op, false, []byte(payload))
}

// closeBody is the payload of a Close frame.
func closeBody(code int, reason string) string {
	return string([]byte{byte(code >> 8), byte(code)}) + reason
}

// readFrame reads one frame; err is io.EOF only at a frame boundary.
func (c *wire) readFrame() (frame, error) {
	if _, err := c.br.Peek(1); err != nil {
		return frame{}, err
	}
	h, err := ws.ReadHeader(c.br)
	if err != nil {
		return frame{}, fmt.Errorf("in a frame header: %w", err)
	}
	p := make([]byte, h.Length)
	if _, err := io.ReadFull(c.br, p); err != nil {
		return frame{}, fmt.Errorf("in a frame of %d bytes: %w", h.Length, err)
	}
	if h.Masked {
		ws.Cipher(p, h.Mask, 0)
	}
	return frame{h, p}, nil
}

// wantFrame reads a frame and requires it to be this one.
func (c *wire) wantFrame(op ws.OpCode, payload string) frame {
	c.t.Helper()
	f, err := c.readFrame()
	if err != nil {
		c.t.Fatalf("want a frame %x %.40q: %v", op, payload, err)
	}
	if f.head.OpCode != op || string(f.payload) != payload {
		c.t.Fatalf("got frame %x %.80q, want %x %.80q", f.head.OpCode, f.payload, op, payload)
	}
	return f
}

// wantClose reads a frame and requires a Close with code.
func (c *wire) wantClose(code int) frame {
	c.t.Helper()
	f, err := c.readFrame()
	if err != nil {
		c.t.Fatalf("want a Close with %d: %v", code, err)
	}
	if f.head.OpCode != ws.OpClose || len(f.payload) < 2 || int(f.payload[0])<<8|int(f.payload[1]) != code {
		c.t.Fatalf("got frame %x %.80q, want a Close with %d", f.head.OpCode, f.payload, code)
	}
	return f
}

// wantEOF requires end of stream, without a reset and without further bytes.
func (c *wire) wantEOF() {
	c.t.Helper()
	b, gone := c.readAll()
	if gone || len(b) > 0 {
		c.t.Fatalf("want end of stream; reset: %v, bytes: %.80q", gone, b)
	}
}

// echo sends a text message and requires it back.
func (c *wire) echo(text string) {
	c.t.Helper()
	c.send(fromClient(ws.OpText, text))
	c.wantFrame(ws.OpText, text)
}

// goodbye closes the session politely and waits for its end.
func (c *wire) goodbye() {
	c.t.Helper()
	c.send(fromClient(ws.OpClose, closeBody(1000, "")))
	c.wantClose(1000)
	c.closeWrite()
	c.waitEnd()
}
