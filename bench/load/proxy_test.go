package load

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"wsgate/bench/backend"
)

// leaks fails the test when it leaves a goroutine or a descriptor behind.
func leaks(t *testing.T) {
	t.Helper()
	// The runtime's own descriptors appear with the first socket.
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
	ignore, before := goleak.IgnoreCurrent(), descriptors(t)
	t.Cleanup(func() {
		goleak.VerifyNone(t, ignore)
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
}

func descriptors(t *testing.T) int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// serve runs a backend until the test ends.
func serve(t *testing.T) string {
	t.Helper()
	s, err := backend.Listen([]netip.AddrPort{netip.MustParseAddrPort("127.0.3.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s.Addrs()[0].String()
}

// A faulty gateway passes connections on, and frames through its functions,
// which return what goes on in the place of a frame. A nil function passes
// everything on. conn counts connections and n data frames of one direction,
// both from 0.
type faulty struct {
	down, up func(conn, n int, f ws.Frame) []ws.Frame
	head     func(conn int, head []byte) []byte    // of the response
	accepted func(l net.Listener, c net.Conn) bool // whether c goes on to the backend; else it hangs

	backend string
	mu      sync.Mutex
	conns   int
	held    []ws.Frame // frames on their way to another place
}

// cutHere is a frame that makes the gateway reset both sides.
var cutHere = ws.Frame{Header: ws.Header{OpCode: 0xf}}

// listen starts the gateway in front of a backend, until the test ends.
func (g *faulty) listen(t *testing.T) (url string) {
	t.Helper()
	g.backend = serve(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if g.accepted != nil && !g.accepted(l, c) {
				wg.Go(func() { _, _ = io.Copy(io.Discard, c); c.Close() })
				continue
			}
			g.mu.Lock()
			id := g.conns
			g.conns++
			g.mu.Unlock()
			wg.Go(func() { g.pass(id, c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return "ws://" + l.Addr().String()
}

func (g *faulty) pass(id int, client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", g.backend)
	if err != nil {
		return
	}
	defer server.Close()
	cr, sr := bufio.NewReaderSize(client, 64<<10), bufio.NewReaderSize(server, 64<<10)
	if b, err := readHead(cr); err != nil {
		return
	} else if _, err := server.Write(b); err != nil {
		return
	}
	b, err := readHead(sr)
	if err != nil {
		return
	}
	if g.head != nil {
		b = g.head(id, b)
	}
	if _, err := client.Write(b); err != nil {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { g.relay(id, cr, server, client, g.up) })
	g.relay(id, sr, client, server, g.down)
	wg.Wait()
}

func readHead(r *bufio.Reader) (b []byte, err error) {
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if b = append(b, line...); len(line) == 2 {
			return b, nil
		}
	}
}

// relay passes frames from r on to w until either ends.
func (g *faulty) relay(id int, r io.Reader, w, other net.Conn, change func(conn, n int, f ws.Frame) []ws.Frame) {
	n := 0
	for {
		h, err := ws.ReadHeader(r)
		if err != nil {
			break
		}
		f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
		if _, err := io.ReadFull(r, f.Payload); err != nil {
			break
		}
		out := []ws.Frame{f}
		if change != nil && h.OpCode.IsData() {
			g.mu.Lock()
			out = change(id, n, f)
			g.mu.Unlock()
			n++
		}
		for _, f := range out {
			if f.Header.OpCode == cutHere.Header.OpCode {
				_ = w.(*net.TCPConn).SetLinger(0)
				w.Close()
				other.Close()
				return
			}
			if ws.WriteFrame(w, f) != nil {
				// The peer is gone; what still comes is read and dropped.
				_, _ = io.Copy(io.Discard, r)
				return
			}
		}
	}
	_ = w.(*net.TCPConn).CloseWrite()
}
