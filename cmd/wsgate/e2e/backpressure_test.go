package e2e

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// shrink makes the kernel hold little for a connection, so that full buffers
// come soon.
func (c *wire) shrink() {
	tcp := c.Conn.(*net.TCPConn)
	_ = tcp.SetReadBuffer(4 << 10)
	_ = tcp.SetWriteBuffer(4 << 10)
}

// Order and bytes are exact for receivers that read a few bytes at a time, in
// both directions at once.
func TestTinyReads(t *testing.T) {
	w := newWorld(t)
	addr, accepted := w.handBackend()
	g := w.start(simple(addr))
	p := g.pair("/", accepted)
	var up, down []byte
	for i := range 400 {
		body := payload(i*i%30_000, false)
		fin := i%7 != 0
		op := ws.OpBinary
		if i > 0 && (i-1)%7 == 0 {
			op = ws.OpContinuation
		}
		if i == 399 {
			fin = true
		}
		up = append(up, encode(fin, 0, op, true, body)...)
		down = append(down, encode(fin, 0, op, false, body)...)
	}
	results := make(chan error, 4)
	send := func(c *wire, b []byte) {
		for at := 0; at < len(b); at += 10_007 {
			if _, err := c.Write(b[at:min(at+10_007, len(b))]); err != nil {
				results <- err
				return
			}
			c.extend()
		}
		results <- nil
	}
	receive := func(c *wire, want []byte, step int) {
		got := make([]byte, 0, len(want))
		buf := make([]byte, step)
		for len(got) < len(want) {
			c.extend()
			n, err := c.Read(buf)
			got = append(got, buf[:n]...)
			if err != nil {
				results <- fmt.Errorf("after %d of %d bytes: %w", len(got), len(want), err)
				return
			}
		}
		if !bytes.Equal(got, want) {
			results <- fmt.Errorf("%d bytes arrived, but not those that were sent", len(got))
			return
		}
		results <- nil
	}
	go send(p.client, up)
	go send(p.backend, down)
	go receive(p.backend, up, 37)
	go receive(p.client, down, 113)
	for range 4 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	p.client.closeWrite()
	p.backend.closeWrite()
	p.client.wantEOF()
	p.backend.wantEOF()
	if target != targetGateway {
		return
	}
	l := g.waitLog("close", 1, nil)[0]
	if l.BytesUp != uint64(len(up)) || l.BytesDown != uint64(len(down)) || l.MessagesUp != l.MessagesDn || l.Violation != "" {
		t.Errorf("close line: %+v; %d bytes up, %d down", l, len(up), len(down))
	}
}

// A frame may declare more than any memory holds; what comes of it is passed
// on as it comes.
func TestHugeDeclaredFrame(t *testing.T) {
	w := newWorld(t)
	addr, accepted := w.handBackend()
	g := w.start(simple(addr))
	p := g.pair("/", accepted)
	// 5 GiB declared, 3 MiB sent.
	head := []byte{0x82, 127, 0, 0, 0, 1, 0x40, 0, 0, 0}
	body := payload(3<<20, false)
	go func() {
		_, _ = p.backend.Write(append(head, body...))
		_ = p.backend.Conn.(*net.TCPConn).CloseWrite()
	}()
	got, gone := p.client.readAll()
	if gone || !bytes.Equal(got, append(head, body...)) {
		t.Fatalf("%d bytes arrived, reset: %v", len(got), gone)
	}
	if target != targetNginx {
		p.client.echoless("the other direction goes on", p.backend)
	}
	p.client.Close()
	p.backend.Close()
	if target != targetGateway {
		return
	}
	if l := g.waitLog("close", 1, nil)[0]; l.BytesDown != uint64(len(got)) || l.Code != 1006 || l.Why != "fin" {
		t.Errorf("close line: %+v", l)
	}
}

// A receiver that takes nothing for timeouts.send loses its session; the
// sender is told with 1011.
func TestSendTimeout(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	addr, accepted := w.handBackend()
	c := simple(addr)
	c.timeouts = map[string]string{"send": "1s"}
	g := w.start(c)
	stuck, fine := g.pair("/stuck", accepted), g.pair("/fine", accepted)
	go func() {
		frame := fromServer(ws.OpBinary, strings.Repeat("x", 1000))
		for {
			if _, err := stuck.backend.Write(frame); err != nil {
				return
			}
		}
	}()
	stuck.backend.wantClose(1011)
	stuck.backend.Close()
	if _, l := g.closeOf("/stuck"); l.Why != "send_timeout" || l.By != "client" {
		t.Errorf("close line: %+v", l)
	}
	fine.client.echoless("not concerned", fine.backend)
}

// When the bytes that wait for slow receivers reach limits.buffered, slow
// sessions end with 1013 until they do not; others go on.
func TestBufferedLimit(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	addr, accepted := w.handBackend()
	c := simple(addr)
	c.limits = map[string]string{"buffered": "1MiB"}
	g := w.start(c)
	fine := g.pair("/fine", accepted)
	const n = 60
	frame := fromServer(ws.OpBinary, strings.Repeat("x", 1000))
	flood := func(c *wire) {
		for {
			if _, err := c.Write(frame); err != nil {
				return
			}
		}
	}
	for i := range n {
		p := g.pair(fmt.Sprint("/slow/", i), accepted)
		p.client.shrink()
		go flood(p.backend)
	}
	ended := g.waitLog("close", 1, func(l logLine) bool { return l.Why == "buffered" })
	for _, l := range ended {
		if l.Code != 1013 || l.By != "gateway" {
			t.Errorf("close line: %+v", l)
		}
	}
	for range 20 {
		fine.client.echoless("not concerned", fine.backend)
	}
	if m := g.scrape(); m.sum("wsgate_buffered_bytes") > 2<<20 {
		t.Errorf("%v bytes buffered with a limit of 1 MiB", m.sum("wsgate_buffered_bytes"))
	}
}
