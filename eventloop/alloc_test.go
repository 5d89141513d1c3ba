package eventloop

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// BenchmarkSession is the life of a short session over loopback: connect,
// upgrade, one echo, close. Its allocations are those of the test's client and
// backend too; the gateway's own are the Close frames' payloads.
func BenchmarkSession(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	const answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	go func() {
		buf := make([]byte, 4096)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Read(buf)
			io.WriteString(c, answer)
			c.Read(buf)
			c.Close()
		}
	}()
	rg := newRig(b, rigOptions{}, ln.Addr().String())
	closing := ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(nil)))
	const request = "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	buf := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("tcp", rg.Addrs()[0])
		if err != nil {
			b.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(c, request)
		if n, _ := c.Read(buf); n == 0 {
			b.Fatal("no answer")
		}
		c.Write(closing)
		io.Copy(io.Discard, c)
		c.Close()
	}
}
