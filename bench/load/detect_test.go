package load

import (
	"bufio"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A needle is a gateway that passes bytes on as they come, cheap enough for a
// great many messages, and makes one fault: in message number at of all that
// it sends to clients, every one of them tiny.
type needle struct {
	at     int64
	fault  string // the name that the report is to give it
	enough int64  // messages after which done is called
	done   func()

	seen atomic.Int64
}

// A tiny message is a stamp and nothing else.
const (
	tinySize  = 16
	tinyFrame = 2 + tinySize
)

// listen starts the gateway in front of a backend, until the test ends.
func (g *needle) listen(t *testing.T) (url string) {
	t.Helper()
	backend := serve(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer client.Close()
				server, err := net.Dial("tcp", backend)
				if err != nil {
					return
				}
				defer server.Close()
				var up sync.WaitGroup
				up.Go(func() {
					// Between sockets io.Copy would splice, and keep its pipes for later.
					_, _ = io.Copy(struct{ io.Writer }{server}, struct{ io.Reader }{client})
					_ = server.(*net.TCPConn).CloseWrite()
				})
				g.down(client, server)
				_ = client.(*net.TCPConn).CloseWrite()
				up.Wait()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return "ws://" + l.Addr().String()
}

// down passes what the server sends on to the client.
func (g *needle) down(client, server net.Conn) {
	r := bufio.NewReader(server)
	out, err := readHead(r)
	if err != nil {
		return
	}
	in, held := make([]byte, 64<<10), 0
	var later []byte // goes behind the next frame
	for {
		if _, err := client.Write(out); err != nil {
			return
		}
		n, err := r.Read(in[held:])
		if err != nil {
			return
		}
		b := in[:held+n]
		out = out[:0]
		for len(b) >= tinyFrame && b[0] == 0x82 {
			frame := b[:tinyFrame]
			b = b[tinyFrame:]
			number := g.seen.Add(1) - 1
			switch {
			case number != g.at:
				out = append(out, frame...)
			case g.fault == "lost":
				continue
			case g.fault == "duplicate":
				out = append(append(out, frame...), frame...)
			case g.fault == "corrupt":
				frame[2+rand.IntN(tinySize)] ^= 1 << rand.IntN(8)
				out = append(out, frame...)
			case g.fault == "reordered":
				later = append(later, frame...)
				continue
			}
			out, later = append(out, later...), nil
			if number+1 == g.enough {
				g.done()
			}
		}
		if len(b) > 0 && b[0] != 0x82 {
			out, b = append(out, b...), nil // the Close
		}
		held = copy(in, b)
	}
}

// TestOneFaultInAGreatMany: one message of so many is lost, doubled, changed in
// one bit or overtaken, anywhere, and the report says just that.
func TestOneFaultInAGreatMany(t *testing.T) {
	many := int64(200_000)
	if raceDetector {
		many = 20_000
	}
	modes := map[string]Config{
		"echo": {Mode: Echo, Conns: 8, InFlight: 64, Duration: time.Minute},
		// So many connections that no backlog is full before all is sent.
		"rate": {Mode: Rate, Conns: 50, Rate: 4 * float64(many), Duration: time.Second / 4},
	}
	for name, c := range modes {
		for _, fault := range []string{"lost", "duplicate", "corrupt", "reordered"} {
			t.Run(name+" "+fault, func(t *testing.T) {
				leaks(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				// The last tenth comes after the fault, so that what waits for a later message gets it.
				g := &needle{at: rand.Int64N(many * 9 / 10), fault: fault, enough: many, done: func() {}}
				if c.Mode == Echo {
					g.done = cancel
				}
				c.URL, c.Size, c.Timeout = g.listen(t), tinySize, 20*time.Second
				r, err := Run(ctx, c)
				if err != nil {
					t.Fatal(err)
				}
				if r.Faults[fault] != 1 || r.FaultCount() != 1 || r.Answered < many-2 || r.Closed != int64(c.Conns) {
					t.Fatalf("message %d: %v %q in %d answers, %d closed", g.at, r.Faults, r.Examples, r.Answered, r.Closed)
				}
			})
		}
	}
}
