package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
)

// A side that ends its stream without a Close may still receive: the other
// direction goes on until it ends, too. Four cases: each side first, with
// nothing on its way and with many bytes on their way to a slow reader.
func TestHalfClose(t *testing.T) {
	if target == targetNginx {
		t.Skip("nginx ends both directions with the first")
	}
	w := newWorld(t)
	addr, accepted := w.handBackend()
	g := w.start(simple(addr))
	big := payload(6<<20, false)
	for _, k := range []struct {
		name        string
		clientFirst bool
		pending     []byte
	}{
		{"client first", true, nil},
		{"backend first", false, nil},
		{"client first, bytes pending", true, big},
		{"backend first, bytes pending", false, big},
	} {
		p := g.pair("/"+k.name[:6], accepted)
		first, other := p.client, p.backend
		if !k.clientFirst {
			first, other = other, first
		}
		frameOf := func(c *wire, body []byte) []byte { return encode(true, 0, ws.OpBinary, c == p.client, body) }

		sent := frameOf(first, append([]byte("before the end "), k.pending...))
		wrote := make(chan error, 1)
		go func() {
			_, err := first.Write(sent)
			if err == nil {
				err = first.Conn.(interface{ CloseWrite() error }).CloseWrite()
			}
			wrote <- err
		}()
		// The other direction still works, and the first one's end has not overtaken its bytes.
		other.send(frameOf(other, []byte("still here")))
		first.wantFrame(ws.OpBinary, "still here")
		got, gone := other.readAll()
		if gone || !bytes.Equal(got, sent) {
			t.Fatalf("%s: %d bytes arrived of %d, reset: %v", k.name, len(got), len(sent), gone)
		}
		if err := <-wrote; err != nil {
			t.Fatalf("%s: %v", k.name, err)
		}
		other.send(frameOf(other, []byte("after your end")))
		first.wantFrame(ws.OpBinary, "after your end")
		other.closeWrite()
		first.wantEOF()
	}
	if target != targetGateway {
		return
	}
	closes := g.waitLog("close", 4, nil)
	by := map[string]int{}
	for _, l := range closes {
		by[l.By]++
		if l.Code != 1006 || l.Why != "fin" {
			t.Errorf("close line: %+v", l)
		}
	}
	if by["client"] != 2 || by["upstream"] != 2 {
		t.Errorf("ended by: %v", by)
	}
}

// A half-closed session ends timeouts.half_close later.
func TestHalfCloseTimeout(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	addr, accepted := w.handBackend()
	c := simple(addr)
	c.timeouts = map[string]string{"half_close": "300ms", "close": "300ms"}
	g := w.start(c)
	a, b := g.pair("/a", accepted), g.pair("/b", accepted)
	a.client.closeWrite()
	b.backend.closeWrite()
	for _, c := range []*wire{a.client, a.backend, b.client, b.backend} {
		c.waitEnd()
	}
	for _, l := range g.waitLog("close", 2, nil) {
		if l.Code != 1006 || l.Why != "fin" {
			t.Errorf("close line: %+v", l)
		}
	}
}

// A reset is told from an end of stream: the other side gets a Close with 1011
// at a frame boundary.
func TestReset(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	addr, accepted := w.handBackend()
	g := w.start(simple(addr))
	p := g.pair("/backend-resets", accepted)
	p.backend.send(fromServer(ws.OpText, "last words"))
	p.client.wantFrame(ws.OpText, "last words")
	p.backend.reset()
	p.client.wantClose(1011)
	p.client.send(fromClient(ws.OpClose, closeBody(1011, "")))
	p.client.waitEnd()

	p = g.pair("/client-resets", accepted)
	p.client.echoless("last words", p.backend)
	p.client.reset()
	f := p.backend.wantClose(1011)
	if !f.head.Masked || f.head.Mask == [4]byte{} {
		t.Errorf("the Close towards the backend has the key %x", f.head.Mask)
	}
	p.backend.waitEnd()

	// In the middle of a frame a Close would be taken for payload.
	p = g.pair("/reset-in-frame", accepted)
	whole := fromServer(ws.OpText, "half of this is sent")
	half := whole[:len(whole)/2]
	p.backend.send(half)
	got := make([]byte, len(half))
	if _, err := io.ReadFull(p.client.br, got); err != nil || !bytes.Equal(got, half) {
		t.Fatalf("half a frame: %q %v", got, err)
	}
	p.backend.reset()
	if rest, _ := p.client.readAll(); len(rest) > 0 {
		t.Errorf("%q was put into the middle of a frame", rest)
	}
	p.client.Close()
	if _, l := g.closeOf("/reset-in-frame"); l.Why != "reset" || !l.Truncated {
		t.Errorf("close line %+v", l)
	}

	for path, by := range map[string]string{"/backend-resets": "upstream", "/client-resets": "client"} {
		if _, l := g.closeOf(path); l.Code != 1011 || l.Why != "reset" || l.By != by {
			t.Errorf("%s: close line %+v", path, l)
		}
	}
}

// echoless sends a text and requires it at the other end.
func (c *wire) echoless(text string, at *wire) {
	c.t.Helper()
	c.send(fromClient(ws.OpText, text))
	at.wantFrame(ws.OpText, text)
}

// A backend that is killed under load ends its own sessions: with 1006 in the
// log where its end was a FIN, with a Close 1011 to the client where it was a
// RST. Sessions of other backends do not notice.
func TestKilledBackend(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	victim, pid := w.nodeServer(map[string]any{})
	other, _ := w.nodeServer(map[string]any{})
	g := w.start(conf{routes: []routeConf{{path: "/victim", to: []string{victim}}, {path: "/other", to: []string{other}}}})

	stop := make(chan struct{})
	var echoes atomic.Int64
	var load sync.WaitGroup
	for i := range 20 {
		load.Go(func() {
			if err := echoUntil(g.url("/other"), stop, &echoes); err != nil {
				t.Errorf("session %d of the other backend: %v", i, err)
			}
		})
	}
	var idle, busy []*wire
	for i := range 60 {
		c := g.open(fmt.Sprintf("/victim/%d", i))
		c.echo("hello")
		if i%2 == 0 {
			idle = append(idle, c)
		} else {
			busy = append(busy, c)
		}
	}
	before := echoes.Load()
	eventually(t, wireLimit, "the load runs", func() bool { return echoes.Load() > before+100 })

	// Bytes that a process has not read when it is killed make its kernel reset
	// the connection; a stopped process reads nothing.
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, c := range busy {
		c.send(fromClient(ws.OpText, "never read"))
	}
	waitUnread(t, victim, len(busy))
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, c := range idle {
		c.wantEOF() // half-close passed on
		c.Close()
	}
	for _, c := range busy {
		c.wantClose(1011)
		c.send(fromClient(ws.OpClose, closeBody(1011, "")))
		c.waitEnd()
		c.Close()
	}
	lines := g.waitLog("close", 60, func(l logLine) bool { return l.Endpoint == victim })
	got := map[string]int{}
	for _, l := range lines {
		got[fmt.Sprint(l.By, " ", l.Why, " ", l.Code)]++
	}
	if got["upstream fin 1006"] != len(idle) || got["upstream reset 1011"] != len(busy) {
		t.Errorf("ends: %v", got)
	}
	after := echoes.Load()
	eventually(t, wireLimit, "the others go on", func() bool { return echoes.Load() > after+200 })
	close(stop)
	load.Wait()
}

// echoUntil echoes through coder/websocket until stop is closed, and closes.
func echoUntil(url string, stop chan struct{}, count *atomic.Int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return c.Close(websocket.StatusNormalClosure, "done")
		default:
		}
		text := fmt.Sprint("message ", i)
		if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			return err
		}
		_, b, err := c.Read(ctx)
		if err != nil || string(b) != text {
			return fmt.Errorf("%q, want %q: %w", b, text, err)
		}
		count.Add(1)
	}
}

// A file of many frames and its end of stream arrive whole through npm ws even
// when the client's Close is right behind.
func TestCloseBehindData(t *testing.T) {
	w := newWorld(t)
	g := w.start(simple(w.coderEcho(false, false)))
	c := g.open("/")
	var all, want []byte
	for i := range 300 {
		text := fmt.Sprintf("%d %s", i, bytes.Repeat([]byte{'x'}, i*10))
		all = append(all, fromClient(ws.OpText, text)...)
		want = append(want, fromServer(ws.OpText, text)...)
	}
	all = append(all, fromClient(ws.OpClose, closeBody(1000, "bye"))...)
	go func() { _, _ = c.Write(all) }()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.br, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("echoes differ: %v", err)
	}
	c.wantClose(1000)
	c.closeWrite()
	c.waitEnd()
}
