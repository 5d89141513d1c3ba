package sock

import (
	"bytes"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func descriptors(t *testing.T) int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

func TestConnectionFromSource(t *testing.T) {
	before := descriptors(t)
	l, addr, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPoll(8)
	if err != nil {
		t.Fatal(err)
	}
	source := netip.MustParseAddr("127.0.2.9")
	c, err := Connect(addr, source)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Add(c, 3, 7); err != nil {
		t.Fatal(err)
	}
	ev := waitOne(t, p)
	if ev.Slot != 3 || ev.Generation != 7 || !ev.Writable || ev.Hangup {
		t.Fatalf("after connecting: %+v", ev)
	}
	s, ok, err := Accept(l)
	if err != nil || !ok {
		t.Fatalf("accept: %v, %v", ok, err)
	}
	peer, err := unix.Getpeername(s)
	if err != nil || addrPort(peer).Addr() != source {
		t.Fatalf("connected from %v, %v", addrPort(peer), err)
	}
	if _, ok, err := Accept(l); ok || err != nil {
		t.Fatalf("a second connection: %v, %v", ok, err)
	}

	if n, o := Read(s, make([]byte, 9)); n != 0 || !o.WouldBlock() {
		t.Fatalf("read of nothing: %d, %+v", n, o)
	}
	if n, o := Write(c, []byte("hello")); n != 5 || !o.Done() {
		t.Fatalf("write: %d, %+v", n, o)
	}
	FinishWrites(c)
	buf := make([]byte, 9)
	if n, o := Read(s, buf); string(buf[:n]) != "hello" || !o.Done() {
		t.Fatalf("read: %q, %+v", buf[:n], o)
	}
	if n, o := Read(s, buf); n != 0 || !o.EOF() {
		t.Fatalf("read at the end: %d, %+v", n, o)
	}
	Reset(s)
	for ev = waitOne(t, p); !ev.Hangup; ev = waitOne(t, p) {
	}
	if _, o := Read(c, buf); !o.Gone() || o.Err() != unix.ECONNRESET {
		t.Fatalf("read after a reset: %+v", o)
	}
	Close(c)
	Close(l)
	p.Close()
	if after := descriptors(t); after != before {
		t.Fatalf("%d descriptors before, %d after", before, after)
	}
}

func waitOne(t *testing.T, p *Poll) Event {
	t.Helper()
	for range 100 {
		events, err := p.Wait(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) > 0 {
			return events[0]
		}
	}
	t.Fatal("no event")
	return Event{}
}

func TestWakeEndsAWait(t *testing.T) {
	p, err := NewPoll(1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	done := make(chan error)
	go func() {
		_, err := p.Wait(-1)
		done <- err
	}()
	p.Wake()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestWaitWithoutEpollPwait2(t *testing.T) {
	p, err := NewPoll(1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.coarse = true
	if events, err := p.Wait(time.Microsecond); err != nil || len(events) != 0 {
		t.Fatalf("%v, %v", events, err)
	}
}

// TestGatherSendsBothParts writes a message into a socket that takes it in
// many pieces, cut anywhere.
func TestGatherSendsBothParts(t *testing.T) {
	for _, headLen := range []int{0, 1, 30, 9000} {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 4096); err != nil {
			t.Fatal(err)
		}
		want := make([]byte, headLen+100_000)
		for i := range want {
			want[i] = byte(i * 7)
		}
		var g Gather
		g.Set(bytes.Clone(want[:headLen]), want[headLen:])
		var got []byte
		buf := make([]byte, 1777)
		sends := 0
		for !g.Empty() {
			_, o := g.Send(fds[0])
			if o.Gone() {
				t.Fatal(o.Err())
			}
			sends++
			for range 3 {
				n, _ := Read(fds[1], buf)
				got = append(got, buf[:n]...)
			}
		}
		for len(got) < len(want) {
			n, o := Read(fds[1], buf)
			if !o.Done() {
				break
			}
			got = append(got, buf[:n]...)
		}
		if !bytes.Equal(got, want) || sends < 2 {
			t.Errorf("head of %d bytes: %d of %d bytes came, right: %v, in %d sends", headLen, len(got), len(want), bytes.Equal(got, want), sends)
		}
		Close(fds[0])
		Close(fds[1])
	}
}

// TestGatherInPieces takes a message out of a Gather as a transport does that
// takes less than it was shown.
func TestGatherInPieces(t *testing.T) {
	want := make([]byte, 5000)
	for i := range want {
		want[i] = byte(i * 7)
	}
	for _, tt := range []struct{ head, take int }{{0, 999}, {1, 100}, {30, 1}, {30, 29}, {30, 64}, {30, 5000}} {
		var g Gather
		g.Set(bytes.Clone(want[:tt.head]), want[tt.head:])
		scratch := make([]byte, 64)
		var got []byte
		for !g.Empty() {
			b := g.Next(scratch)
			if g.at < tt.head && len(b) != len(scratch) {
				t.Errorf("%+v: the head comes with %d bytes, not with as many as fit", tt, len(b))
			}
			b = b[:min(len(b), tt.take)]
			got = append(got, b...)
			g.Skip(len(b))
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%+v: other bytes came than were set", tt)
		}
	}
}
