package sys

import (
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// ready waits for one of the poll(2) events.
func ready(fd int, events uint32) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: int16(events)}}
	for {
		n, err := unix.Poll(p, 10_000)
		if err != unix.EINTR {
			return err == nil && n == 1
		}
	}
}

func mustAddr(t testing.TB, s string) *SockAddr {
	t.Helper()
	a, err := ParseAddr(s)
	if err != nil {
		t.Fatal(err)
	}
	return &a
}

// listenOn opens the first socket of an address and returns where it is bound.
func listenOn(t testing.TB, s string, o *ListenOptions) (int, *SockAddr) {
	t.Helper()
	fd, err := Listen(mustAddr(t, s), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(fd) })
	bound, path, err := LocalAddr(fd)
	if err != nil {
		t.Fatal(err)
	}
	if path != "" {
		return fd, mustAddr(t, "unix:"+path)
	}
	return fd, mustAddr(t, bound.String())
}

// pair returns the two ends of a connection over s.
func pair(t testing.TB, s string) (client, server int, peer netip.AddrPort) {
	t.Helper()
	ln, addr := listenOn(t, s, &ListenOptions{})
	client, out, e := Connect(addr)
	if out != OK {
		t.Fatalf("connect: %v %v", out, e)
	}
	if !ready(ln, unix.POLLIN) {
		t.Fatal("no connection arrived")
	}
	server, peer, out, e = Accept(ln)
	if out != OK {
		t.Fatalf("accept: %v %v", out, e)
	}
	return client, server, peer
}

func want(t testing.TB, what string, n int, o Outcome, wantN int, wantO Outcome) {
	t.Helper()
	if n != wantN || o != wantO {
		t.Fatalf("%s: %d %v, want %d %v", what, n, o, wantN, wantO)
	}
}

var stream = map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}

func addresses(t *testing.T) map[string]string {
	all := map[string]string{"unix": "unix:" + filepath.Join(t.TempDir(), "s")}
	for name, a := range stream {
		all[name] = a
	}
	return all
}

func TestReadWriteAndFIN(t *testing.T) {
	for name, addr := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			c, s, peer := pair(t, addr)
			defer Close(c)
			defer Close(s)
			if local, _, _ := LocalAddr(c); local != peer {
				t.Errorf("peer %v, but its own address is %v", peer, local)
			}
			buf := make([]byte, 64)
			n, o, _ := Kernel{}.Read(s, buf)
			want(t, "read of nothing", n, o, 0, WouldBlock)
			n, o, _ = Kernel{}.Read(s, nil)
			want(t, "read into nothing", n, o, 0, OK)
			n, o, _ = Kernel{}.Write(c, []byte("abc"), false)
			want(t, "write", n, o, 3, OK)
			n, o, _ = Kernel{}.Write(c, nil, false)
			want(t, "write of nothing", n, o, 0, OK)
			poll(t, s, unix.POLLIN)
			n, o, _ = Kernel{}.Read(s, buf)
			want(t, "read", n, o, 3, OK)
			if o := (Kernel{}).Shutdown(c); o != OK {
				t.Fatalf("shutdown: %v", o)
			}
			poll(t, s, unix.POLLIN)
			n, o, _ = Kernel{}.Read(s, buf)
			want(t, "read at the end", n, o, 0, EOF)
			// The other direction goes on.
			n, o, _ = Kernel{}.Write(s, []byte("x"), false)
			want(t, "write after the peer's FIN", n, o, 1, OK)
			poll(t, c, unix.POLLIN)
			n, o, _ = Kernel{}.Read(c, buf)
			want(t, "read after our FIN", n, o, 1, OK)
			n, o, e := Kernel{}.Write(c, []byte("x"), false)
			want(t, "write after our FIN", n, o, 0, Gone)
			if e != syscall.EPIPE || IsReset(e) {
				t.Errorf("write after our FIN: %v", e)
			}
		})
	}
}

func TestReset(t *testing.T) {
	for name, addr := range stream {
		t.Run(name, func(t *testing.T) {
			c, s, _ := pair(t, addr)
			defer Close(s)
			CloseReset(c)
			poll(t, s, unix.POLLIN)
			_, o, e := Kernel{}.Read(s, make([]byte, 1))
			want(t, "read", 0, o, 0, Gone)
			if e != syscall.ECONNRESET || !IsReset(e) {
				t.Errorf("read after RST: %v", e)
			}
			n, o, e := Kernel{}.Write(s, []byte("x"), false)
			want(t, "write", n, o, 0, Gone)
			if IsReset(e) {
				t.Errorf("the second failure is %v again", e)
			}
			if o := (Kernel{}).Shutdown(s); o != Gone {
				t.Errorf("shutdown of a dead connection: %v", o)
			}
		})
	}
}

// A peer that sent its FIN and answers our bytes with a RST did not reset the
// stream it had ended.
func TestResetAfterFIN(t *testing.T) {
	c, s, _ := pair(t, "127.0.0.1:0")
	defer Close(s)
	Close(c)
	poll(t, s, unix.POLLIN)
	_, o, _ := Kernel{}.Read(s, make([]byte, 1))
	want(t, "read", 0, o, 0, EOF)
	n, o, _ := Kernel{}.Write(s, []byte("x"), false)
	want(t, "first write", n, o, 1, OK)
	poll(t, s, unix.POLLHUP)
	n, o, e := Kernel{}.Write(s, []byte("x"), false)
	want(t, "second write", n, o, 0, Gone)
	if IsReset(e) {
		t.Errorf("second write: %v", e)
	}
}

func TestResetWhileWriting(t *testing.T) {
	c, s, _ := pair(t, "127.0.0.1:0")
	defer Close(s)
	CloseReset(c)
	poll(t, s, unix.POLLHUP)
	n, o, e := Kernel{}.Write(s, []byte("x"), false)
	want(t, "write", n, o, 0, Gone)
	if !IsReset(e) {
		t.Errorf("write after RST: %v", e)
	}
}

func TestFullSocketWouldBlock(t *testing.T) {
	c, s, _ := pair(t, "127.0.0.1:0")
	defer Close(c)
	defer Close(s)
	block := make([]byte, 256<<10)
	for range 1 << 12 {
		_, o, e := Kernel{}.Write(c, block, true)
		if o == WouldBlock {
			if e != syscall.EAGAIN {
				t.Errorf("errno %v", e)
			}
			n, o, _ := Kernel{}.Write(c, block[:1], false)
			want(t, "write of a byte", n, o, 0, WouldBlock)
			return
		}
		if o != OK {
			t.Fatalf("write: %v %v", o, e)
		}
	}
	t.Fatal("1 GiB fitted into a socket nobody reads")
}

func TestSplice(t *testing.T) {
	a, b, _ := pair(t, "127.0.0.1:0")
	c, d, _ := pair(t, "127.0.0.1:0")
	for _, fd := range []int{b, c, d} {
		defer Close(fd)
	}
	r, w, capacity, o, e := Pipe(1 << 20)
	if o != OK || capacity < 4096 {
		t.Fatalf("pipe: %d %v %v", capacity, o, e)
	}
	defer Close(r)
	defer Close(w)
	k := Kernel{}
	n, o, _ := k.Splice(b, w, capacity, false)
	want(t, "empty source", n, o, 0, WouldBlock)
	n, o, _ = k.Splice(b, w, 0, false)
	want(t, "splice of nothing", n, o, 0, OK)
	_, _, _ = k.Write(a, []byte("hello"), false)
	poll(t, b, unix.POLLIN)
	n, o, _ = k.Splice(b, w, 4, false)
	want(t, "socket to pipe", n, o, 4, OK)
	n, o, _ = k.Splice(r, c, 4, true)
	want(t, "pipe to socket", n, o, 4, OK)
	n, o, _ = k.Splice(b, w, 4, false)
	want(t, "the rest", n, o, 1, OK)
	n, o, _ = k.Splice(r, c, 1, false)
	want(t, "the rest on", n, o, 1, OK)
	poll(t, d, unix.POLLIN)
	buf := make([]byte, 8)
	for got := 0; got < 5; got += n {
		poll(t, d, unix.POLLIN)
		n, o, e = k.Read(d, buf[got:])
		if o != OK {
			t.Fatalf("read: %v %v", o, e)
		}
	}
	if string(buf[:5]) != "hello" {
		t.Fatalf("arrived as %q", buf)
	}
	n, o, e = k.Splice(b, d, 1, false)
	want(t, "socket to socket", n, o, 0, Unsupported)
	if e != syscall.EINVAL {
		t.Errorf("socket to socket: %v", e)
	}
	Close(a)
	poll(t, b, unix.POLLIN)
	n, o, _ = k.Splice(b, w, 4, false)
	want(t, "source at its end", n, o, 0, EOF)
}

func TestSpliceToDeadSocket(t *testing.T) {
	c, s, _ := pair(t, "127.0.0.1:0")
	defer Close(s)
	r, w, _, o, e := Pipe(4096)
	if o != OK {
		t.Fatal(e)
	}
	defer Close(r)
	defer Close(w)
	if _, err := unix.Write(w, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	CloseReset(c)
	poll(t, s, unix.POLLHUP)
	n, o, e := Kernel{}.Splice(r, s, 3, false)
	want(t, "splice", n, o, 0, Gone)
	if !IsReset(e) {
		t.Errorf("splice: %v", e)
	}
}

func TestSpliceFromDeadSocket(t *testing.T) {
	c, s, _ := pair(t, "127.0.0.1:0")
	defer Close(s)
	r, w, _, o, e := Pipe(4096)
	if o != OK {
		t.Fatal(e)
	}
	defer Close(r)
	defer Close(w)
	CloseReset(c)
	poll(t, s, unix.POLLHUP)
	n, o, e := Kernel{}.Splice(s, w, 3, false)
	want(t, "splice", n, o, 0, Gone)
	if !IsReset(e) {
		t.Errorf("splice: %v", e)
	}
}

func TestFullPipe(t *testing.T) {
	c, s, _ := pair(t, "127.0.0.1:0")
	defer Close(c)
	defer Close(s)
	r, w, capacity, o, e := Pipe(4096)
	if o != OK {
		t.Fatal(e)
	}
	defer Close(r)
	defer Close(w)
	if _, err := unix.Write(w, make([]byte, capacity)); err != nil {
		t.Fatal(err)
	}
	_, _, _ = Kernel{}.Write(c, []byte("x"), false)
	poll(t, s, unix.POLLIN)
	n, o, _ := Kernel{}.Splice(s, w, 1, false)
	want(t, "splice into a full pipe", n, o, 0, WouldBlock)
}

func TestWriteToNonSocket(t *testing.T) {
	r, w, _, _, _ := Pipe(4096)
	defer Close(r)
	defer Close(w)
	n, o, e := Kernel{}.Write(w, []byte("x"), false)
	want(t, "send to a pipe", n, o, 0, Fault)
	if e != syscall.ENOTSOCK {
		t.Error(e)
	}
}
