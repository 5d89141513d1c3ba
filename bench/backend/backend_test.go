package backend

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"wsgate/bench/wire"
)

// serve runs a backend until the test ends, and then looks for what it left behind.
func serve(t *testing.T) *Server {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	before := descriptors(t)
	s, err := Listen([]netip.AddrPort{netip.MustParseAddrPort("127.0.3.1:0"), netip.MustParseAddrPort("127.0.3.2:0")})
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
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
		goleak.VerifyNone(t, ignore)
	})
	return s
}

func descriptors(t *testing.T) int {
	// The runtime's own epoll and eventfd descriptors appear with first use.
	if c, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		c.Close()
	}
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// client is a WebSocket connection driven by hand.
type client struct {
	net.Conn
	t *testing.T
}

func dial(t *testing.T, s *Server, target string) *client {
	t.Helper()
	c, err := net.Dial("tcp", s.Addrs()[1].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	cl := &client{c, t}
	key := wire.Key(1)
	cl.send(wire.AppendRequest(nil, "h", target, key))
	want := wire.AppendAccepted(nil, key)
	if got := cl.read(len(want)); string(got) != string(want) {
		t.Fatalf("got %q", got)
	}
	return cl
}

func (c *client) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) read(n int) []byte {
	c.t.Helper()
	b := make([]byte, n)
	if n, err := io.ReadFull(c, b); err != nil {
		c.t.Fatalf("%d bytes, then %v", n, err)
	}
	return b
}

func masked(f ws.Frame) []byte { return ws.MustCompileFrame(ws.MaskFrame(f)) }

// readFrame reads a frame of at most a megabyte.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil {
		return f, err
	}
	f.Payload = make([]byte, min(f.Header.Length, 1<<20))
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

func TestEchoKeepsFramesAsTheyAre(t *testing.T) {
	c := dial(t, serve(t), "/any/prefix/echo")
	big := ws.NewBinaryFrame([]byte(strings.Repeat("0123456789", 60_000)))
	frames := []ws.Frame{
		ws.NewTextFrame([]byte("hello")), ws.NewBinaryFrame(nil), big,
		ws.NewFrame(ws.OpText, false, []byte("part ")), ws.NewPingFrame([]byte("between")), ws.NewFrame(ws.OpContinuation, true, []byte("whole")),
	}
	var in, want []byte
	for _, f := range frames {
		in = append(in, masked(f)...)
		if f.Header.OpCode == ws.OpPing {
			f.Header.OpCode = ws.OpPong
		}
		want = append(want, ws.MustCompileFrame(f)...)
	}
	sent := make(chan error)
	go func() { _, err := c.Write(in); sent <- err }()
	if got := c.read(len(want)); string(got) != string(want) {
		t.Fatal("the echo differs")
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

func TestEchoByteByByte(t *testing.T) {
	s := serve(t)
	c := dial(t, s, "/echo")
	f := ws.NewTextFrame([]byte("slowly"))
	for _, b := range masked(f) {
		c.send([]byte{b})
	}
	if got, want := c.read(8), ws.MustCompileFrame(f); string(got) != string(want) {
		t.Fatalf("got %q", got)
	}
}

func TestCloseIsAnswered(t *testing.T) {
	c := dial(t, serve(t), "/echo")
	f := ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "bye"))
	c.send(masked(f))
	if got, want := c.read(7), ws.MustCompileFrame(f); string(got) != string(want) {
		t.Fatalf("got %q", got)
	}
	if n, err := c.Conn.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("%d, %v", n, err)
	}
}

func TestSourceEndsWithItsCount(t *testing.T) {
	const size = 5000
	c := dial(t, serve(t), wire.Order{Path: wire.PathSource, Conn: 3, Seed: 9, Size: size}.Target(""))
	var check wire.Checker
	check.Start(wire.NewPattern(9, size), 3, size)
	for n := uint32(0); ; n++ {
		if n == 50 {
			c.send(masked(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))
		}
		f, err := readFrame(c)
		if err != nil {
			t.Fatal(err)
		}
		if f.Header.OpCode == ws.OpClose {
			code, why := ws.ParseCloseFrameData(f.Payload)
			if code != 1000 || why != strconv.Itoa(int(n)) || n < 50 {
				t.Fatalf("Close %d %q after %d messages", code, why, n)
			}
			return
		}
		check.Chunk(f.Payload)
		if v := check.End(); v.Fault != wire.Right {
			t.Fatalf("message %d: %+v", n, v)
		}
	}
}

func TestSinkSaysWhatIsWrong(t *testing.T) {
	const size = 2000
	p := wire.NewPattern(4, size)
	c := dial(t, serve(t), wire.Order{Path: wire.PathSink, Conn: 8, Seed: 4, Size: size}.Target(""))
	bad := p.Append(nil, 8, 1, size)
	bad[1999] ^= 1
	for _, m := range []struct {
		payload []byte
		seq     uint32
		fault   wire.Fault
	}{
		{p.Append(nil, 8, 0, size), 0, wire.Right},
		{bad, 1, wire.Corrupt},
		{p.Append(nil, 8, 2, size), 2, wire.Right},
		{p.Append(nil, 8, 5, size), 5, wire.Lost},
		{p.Append(nil, 8, 5, size), 5, wire.Duplicate},
		{p.Append(nil, 8, 4, size), 4, wire.Reordered},
		{p.Append(nil, 7, 6, size), 6, wire.Foreign},
		{p.Append(nil, 8, 6, size), 6, wire.Right},
	} {
		c.send(masked(ws.NewBinaryFrame(m.payload)))
		f, err := readFrame(c)
		if err != nil {
			t.Fatal(err)
		}
		stamp := p.Stamp(8, m.seq)
		if len(f.Payload) != wire.AckSize || string(f.Payload[:wire.StampSize]) != string(stamp[:]) || f.Payload[wire.StampSize] != byte(m.fault) {
			t.Fatalf("message %d, want %v: acknowledgement % x", m.seq, m.fault, f.Payload)
		}
	}
}

func TestOtherRequests(t *testing.T) {
	s := serve(t)
	for in, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                     "HTTP/1.1 200 OK\r\n",
		string(wire.AppendRequest(nil, "x", "/nowhere", "key")): "HTTP/1.1 404 Not Found\r\n",
		"SSH-2.0-x\r\n\r\n":                                     "",
	} {
		c, err := net.Dial("tcp", s.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, in); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(got), want) || want == "" && len(got) > 0 {
			t.Errorf("%q: %q, %v", in, got, err)
		}
		c.Close()
	}
}
