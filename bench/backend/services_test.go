package backend

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"wsgate/bench/wire"
)

// want reads a data frame and compares it.
func (c *client) want(op ws.OpCode, payload string) {
	c.t.Helper()
	f, err := readFrame(c)
	if err != nil || f.Header.OpCode != op || !f.Header.Fin || string(f.Payload) != payload {
		c.t.Fatalf("got %+v %.40q, %v; want %.40q", f.Header, f.Payload, err, payload)
	}
}

func inRoom(n uint32) string { return wire.Order{Path: wire.PathRoom, Seed: 7, Room: n}.Target("") }

func TestRoomSendsToAllItsMembers(t *testing.T) {
	s := serve(t)
	a, b, c, other := dial(t, s, inRoom(1)), dial(t, s, inRoom(1)), dial(t, s, inRoom(1)), dial(t, s, inRoom(2))
	a.send(masked(ws.NewTextFrame([]byte("from a"))))
	for _, m := range []*client{a, b, c} {
		m.want(ws.OpText, "from a")
	}
	// A message in pieces goes on whole, so that two senders' do not mix.
	b.send(masked(ws.NewFrame(ws.OpBinary, false, []byte("part "))))
	a.send(masked(ws.NewBinaryFrame([]byte("between"))))
	for _, m := range []*client{a, b, c} {
		m.want(ws.OpBinary, "between")
	}
	b.send(masked(ws.NewPingFrame([]byte("?"))))
	b.want(ws.OpPong, "?")
	for _, f := range masked(ws.NewFrame(ws.OpContinuation, true, []byte("whole"))) {
		b.send([]byte{f})
	}
	for _, m := range []*client{a, b, c} {
		m.want(ws.OpBinary, "part whole")
	}
	// One leaves with a Close, one by ending.
	a.send(masked(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))
	if f, err := readFrame(a); err != nil || f.Header.OpCode != ws.OpClose {
		t.Fatalf("%+v, %v", f.Header, err)
	}
	b.Close()
	c.send(masked(ws.NewBinaryFrame(nil)))
	c.want(ws.OpBinary, "")
	other.send(masked(ws.NewBinaryFrame([]byte("alone"))))
	other.want(ws.OpBinary, "alone")
	if n, err := a.Conn.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("after its Close a member got %d bytes, %v", n, err)
	}
}

// TestRoomKeepsWhatAMemberDoesNotRead: the others do not wait for it, and it
// misses nothing.
func TestRoomKeepsWhatAMemberDoesNotRead(t *testing.T) {
	s := serve(t)
	a, late := dial(t, s, inRoom(1)), dial(t, s, inRoom(1))
	const n = 60
	payload := strings.Repeat("x", 200_000)
	for range n {
		a.send(masked(ws.NewBinaryFrame([]byte(payload))))
		a.want(ws.OpBinary, payload)
	}
	for range n {
		late.want(ws.OpBinary, payload)
	}
}

// TestRoomCutsOffWhoDoesNotRead: what one member is behind is bounded.
func TestRoomCutsOffWhoDoesNotRead(t *testing.T) {
	s := serve(t)
	a, dead := dial(t, s, inRoom(1)), dial(t, s, inRoom(1))
	const size = 1 << 20
	message := masked(ws.NewBinaryFrame(make([]byte, size)))
	// The kernel's buffers hold up to 36 MB beyond what the room keeps.
	total := maxLag/size + 50
	for range total {
		a.send(message)
		if _, err := readFrame(a); err != nil {
			t.Fatal(err)
		}
	}
	n, err := io.Copy(io.Discard, dead)
	if n >= int64(total)*size || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("%d of %d bytes, %v", n, total*size, err)
	}
}

// TestSlowReads: no sooner than the rate allows, and every byte.
func TestSlowReads(t *testing.T) {
	const rate, size = 40_000, 20_000
	c := dial(t, serve(t), wire.Order{Path: wire.PathSlow, Rate: rate}.Target(""))
	payload := strings.Repeat("0123456789", size/10)
	begun := time.Now()
	c.send(masked(ws.NewTextFrame([]byte(payload))))
	c.want(ws.OpText, payload)
	// Two ticks' worth may be saved up.
	if took, least := time.Since(begun), time.Duration(float64(size)/rate*float64(time.Second))-2*tick; took < least {
		t.Fatalf("%d bytes at %d a second took %v, not %v", size, rate, took, least)
	}
}

// TestSlowReaderHoldsItsSender: beyond what the kernel's buffers take, the
// sender gets no faster on than the reader.
func TestSlowReaderHoldsItsSender(t *testing.T) {
	c := dial(t, serve(t), wire.Order{Path: wire.PathSlow, Rate: 1000}.Target(""))
	if err := c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	const all = 64 << 20
	n, err := c.Write(masked(ws.NewBinaryFrame(make([]byte, all))))
	if !errors.Is(err, syscall.EAGAIN) && !isTimeout(err) || n >= all/2 {
		t.Fatalf("%d of %d bytes, %v", n, all, err)
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func TestAbruptEnds(t *testing.T) {
	s := serve(t)
	for _, after := range []uint32{0, 1, 3} {
		for _, reset := range []bool{false, true} {
			if reset && after == 0 {
				continue // the 101 may be lost: see below
			}
			o := wire.Order{Path: wire.PathAbrupt, After: after, Reset: reset}
			c := dial(t, s, o.Target("/prefix"))
			for range after {
				c.send(masked(ws.NewFrame(ws.OpText, false, []byte("a"))))
				c.send(masked(ws.NewFrame(ws.OpContinuation, true, []byte("b"))))
			}
			got, err := io.ReadAll(c)
			switch want := strings.Repeat("\x01\x01a\x80\x01b", int(after)); {
			case reset && (!errors.Is(err, syscall.ECONNRESET) || !strings.HasPrefix(want, string(got))):
				t.Errorf("%s: %q, %v", o.Target(""), got, err)
			case !reset && (err != nil || string(got) != want):
				t.Errorf("%s: %q, %v; want %q", o.Target(""), got, err, want)
			}
			if !reset {
				// What comes after the end, a Close too, has no answer and makes no RST.
				c.send(masked(ws.NewTextFrame([]byte("more"))))
				c.send(masked(ws.NewCloseFrame(nil)))
				if n, err := c.Conn.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("%s: %d, %v after the end", o.Target(""), n, err)
				}
			}
		}
	}
}

func TestAbruptResetAtOnce(t *testing.T) {
	s := serve(t)
	c, err := net.Dial("tcp", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(wire.AppendRequest(nil, "h", "/abrupt?how=rst", wire.Key(1))); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
}

func TestSourceAndSinkWithSizes(t *testing.T) {
	s := serve(t)
	sizes, err := wire.ReadSizes("sizes", strings.NewReader("16 1\n100 3\n70000 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := wire.NewPattern(9, sizes.Longest())
	c := dial(t, s, wire.Order{Path: wire.PathSource, Conn: 3, Seed: 9, Sizes: sizes}.Target(""))
	var check wire.Checker
	check.Start(p, 3, 0)
	check.Vary(sizes)
	for n := range 200 {
		f, err := readFrame(c)
		if err != nil {
			t.Fatal(err)
		}
		check.Chunk(f.Payload)
		if v := check.End(); v.Fault != wire.Right {
			t.Fatalf("message %d: %+v", n, v)
		}
	}
	c = dial(t, s, wire.Order{Path: wire.PathSink, Conn: 3, Seed: 9, Sizes: sizes}.Target(""))
	for seq := range uint32(100) {
		c.send(masked(ws.NewBinaryFrame(p.Append(nil, 3, seq, sizes.Of(p, 3, seq)))))
		f, err := readFrame(c)
		if err != nil || len(f.Payload) != wire.AckSize || wire.Fault(f.Payload[wire.StampSize]) != wire.Right {
			t.Fatalf("message %d: % x, %v", seq, f.Payload, err)
		}
	}
}
