package plain

import (
	"bytes"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/net/http2"

	"wsgate/eventloop/record"
)

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
