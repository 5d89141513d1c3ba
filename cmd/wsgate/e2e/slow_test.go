package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// pssSlack is what the gateway's memory may move by between two readings for
// reasons of its own (collections, stacks, log buffers).
func pssSlack() int64 {
	if race {
		return 64 << 20
	}
	return 12 << 20
}

// A flood writes total bytes of frames as fast as they are taken.
type flood struct {
	total   int
	written atomic.Int64
	sum     hash.Hash
	done    chan error
}

// run writes frames of many sizes to c, masked when the client floods.
func (f *flood) run(c *wire, masked bool) {
	f.sum, f.done = sha256.New(), make(chan error, 1)
	go func() {
		var src pattern
		sizes := []int{64 << 10, 900 << 10, 100, 4 << 20, 0}
		for i := 0; int(f.written.Load()) < f.total; i++ {
			body := make([]byte, sizes[i%len(sizes)])
			_, _ = src.Read(body)
			b := encode(true, 0, ws.OpBinary, masked, body)
			f.sum.Write(b)
			for len(b) > 0 {
				n, err := c.Write(b[:min(len(b), 256<<10)])
				f.written.Add(int64(n))
				if err != nil {
					f.done <- err
					return
				}
				c.extend()
				b = b[n:]
			}
		}
		f.done <- c.Conn.(interface{ CloseWrite() error }).CloseWrite()
	}()
}

// waitStuck waits until the sender has not been able to write for a second.
func (f *flood) waitStuck(t *testing.T) int64 {
	t.Helper()
	last, since := int64(-1), time.Now()
	eventually(t, wireLimit, "the sender is held back", func() bool {
		n := f.written.Load()
		if n != last {
			last, since = n, time.Now()
		}
		return n > 0 && time.Since(since) > time.Second
	})
	return last
}

// A receiver that does not read holds its sender back while the gateway's
// memory stays flat; when it reads, every byte arrives.
func TestReceiverThatDoesNotRead(t *testing.T) {
	w := newWorld(t)
	addr, accepted := w.handBackend()
	var c conf
	modes := []string{"observe", "enforce", "off"}
	for _, m := range modes {
		c.routes = append(c.routes, routeConf{path: "/" + m, to: []string{addr}, frames: m})
	}
	g := w.start(c)
	for i, k := range []struct {
		mode string
		down bool
		size int
	}{
		{"observe", true, largest(256<<20, 96<<20)},
		{"observe", false, largest(128<<20, 96<<20)},
		{"enforce", true, largest(128<<20, 96<<20)},
		{"off", true, largest(128<<20, 96<<20)},
	} {
		name := fmt.Sprintf("%s, down %v", k.mode, k.down)
		p := g.pair("/"+k.mode, accepted)
		from, to := p.client, p.backend
		if k.down {
			from, to = p.backend, p.client
		}
		var before int64
		if target == targetGateway {
			before = g.pss()
		}
		f := &flood{total: k.size}
		f.run(from, !k.down)
		stuck := f.waitStuck(t)
		if stuck >= int64(k.size) {
			t.Fatalf("%s: the sender was never held back", name)
		}
		if target == targetGateway {
			if grown := g.pss() - before; grown > pssSlack() {
				t.Errorf("%s: %d bytes more memory while the receiver does not read", name, grown)
			}
		}
		got := sha256.New()
		n := copyExtending(t, got, to)
		if err := <-f.done; err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n != f.written.Load() || !bytes.Equal(got.Sum(nil), f.sum.Sum(nil)) {
			t.Errorf("%s: %d bytes arrived of %d, or others", name, n, f.written.Load())
		}
		to.closeWrite()
		from.wantEOF()
		if target != targetGateway {
			continue
		}
		l := g.waitLog("close", i+1, nil)[i]
		if total := l.BytesDown + l.BytesUp; total != uint64(n) {
			t.Errorf("%s: %d bytes in the log, %d passed", name, total, n)
		}
		if grown := g.pss() - before; grown > 2*pssSlack() {
			t.Errorf("%s: %d bytes more memory afterwards", name, grown)
		}
	}
}

// copyExtending reads to the end of stream; the deadline is for each read.
func copyExtending(t *testing.T, to io.Writer, c *wire) int64 {
	t.Helper()
	buf := make([]byte, 256<<10)
	var total int64
	for {
		c.extend()
		n, err := c.br.Read(buf)
		_, _ = to.Write(buf[:n])
		total += int64(n)
		if err == io.EOF {
			return total
		}
		if err != nil {
			t.Fatalf("after %d bytes: %v", total, err)
		}
	}
}

// drip sends one byte of b each second until b is out, the wire fails or stop
// is closed.
func (c *wire) drip(b []byte, stop chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := range b {
		if _, err := c.Write(b[i : i+1]); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

// Hundreds of clients that stall, each at one of the points where one can,
// cost their own sessions only: others connect, upgrade, echo, load pages and
// leave as if they were alone. Those stalled in their session go on when they
// go on; those stalled in their request head are answered 408.
func TestStalledClients(t *testing.T) {
	w := newWorld(t)
	s := newSite()
	c := simple(w.httpBackend(http.HandlerFunc(s.ServeHTTP)))
	c.timeouts = map[string]string{"request_head": "6s"}
	g := w.start(c)
	const each = 60
	stop := make(chan struct{})
	var drips sync.WaitGroup
	defer drips.Wait()
	defer close(stop)
	stalled := map[string][]*wire{}
	start := func(point string, f func(c *wire)) {
		for range each {
			c := w.dial(g.addr("/"))
			f(c)
			stalled[point] = append(stalled[point], c)
		}
	}
	request := upgradeRequest("chat.test", "/ws")
	message := fromClient(ws.OpText, "a message that takes its time")
	start("head, a byte a second", func(c *wire) { drips.Go(func() { c.drip([]byte(request), stop) }) })
	start("silent from the start", func(*wire) {})
	start("behind the request", func(c *wire) { c.sends(request) })
	start("in a frame header", func(c *wire) { c.sends(request + string(message[:1])) })
	start("in a frame", func(c *wire) { c.sends(request + string(message[:len(message)-5])) })
	start("frame, a byte a second", func(c *wire) {
		c.sends(request)
		drips.Go(func() { c.drip(message, stop) })
	})
	big := encode(true, 0, ws.OpBinary, true, payload(1<<20, false))
	start("before reading", func(c *wire) {
		c.sends(request)
		drips.Go(func() { // the echo of all this is not read
			for range 8 {
				if _, err := c.Write(big); err != nil {
					return
				}
			}
		})
	})

	for i := range 60 {
		h := g.open("/ws")
		for j := range 10 {
			h.echo(fmt.Sprint("healthy ", i, " ", j))
		}
		h.goodbye()
		h.Close()
		p := w.dial(g.addr("/"))
		p.sends("GET /name HTTP/1.1\r\nHost: chat.test\r\nConnection: close\r\n\r\n")
		if r, body := p.response("GET"); r.StatusCode != 200 || body != "/name" {
			t.Fatalf("plain request beside stalled clients: %d %q", r.StatusCode, body)
		}
		p.Close()
	}
	finish := func(point string, rest []byte) {
		t.Helper()
		for _, c := range stalled[point] {
			c.extend()
			c.accepted()
			c.send(rest)
			c.wantFrame(ws.OpText, "a message that takes its time")
			c.goodbye()
		}
	}
	finish("behind the request", message)
	finish("in a frame header", message[1:])
	finish("in a frame", message[len(message)-5:])
	for _, c := range stalled["before reading"] {
		c.Close()
	}
	if target != targetGateway {
		return
	}
	for _, point := range []string{"head, a byte a second", "silent from the start"} {
		for _, c := range stalled[point] {
			c.extend()
			r, err := http.ReadResponse(c.br, nil)
			if err != nil && point == "silent from the start" {
				continue // who never said a word may be closed without one
			}
			if err != nil || r.StatusCode != http.StatusRequestTimeout || !r.Close {
				t.Fatalf("%s: %v %v, want 408", point, r, err)
			}
		}
	}
}
