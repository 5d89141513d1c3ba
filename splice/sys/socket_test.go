package sys

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// socketPair returns two connected unix sockets, the first as a descriptor.
func socketPair(t *testing.T) (int, net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "peer")
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(fds[0]); c.Close() })
	return fds[0], c
}

// TestPeekEnd: looking does not read, and a FIN counts only when nothing
// unread precedes it.
func TestPeekEnd(t *testing.T) {
	fd, peer := socketPair(t)
	if o := PeekEnd(fd); o != WouldBlock || Unread(fd) != 0 {
		t.Errorf("quiet: %v, %d unread", o, Unread(fd))
	}
	peer.Write([]byte("abc"))
	if o := PeekEnd(fd); o != OK || Unread(fd) != 3 {
		t.Errorf("three bytes: %v, %d unread", o, Unread(fd))
	}
	peer.(*net.UnixConn).CloseWrite()
	if o := PeekEnd(fd); o != OK {
		t.Errorf("bytes before the end: %v", o)
	}
	var b [8]byte
	if n, o, _ := (Kernel{}).Read(fd, b[:]); n != 3 || o != OK {
		t.Fatalf("read %d, %v", n, o)
	}
	if o := PeekEnd(fd); o != EOF {
		t.Errorf("at the end: %v", o)
	}
}

// TestSetReset: closing ends the peer's stream with a RST.
func TestSetReset(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addr, err := ParseAddr(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fd, o, e := Connect(&addr)
	if o != OK {
		t.Fatal(e)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	SetReset(fd)
	Close(fd)
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("read %v, want a reset", err)
	}
}

func isReset(err error) bool {
	op, ok := err.(*net.OpError)
	if !ok {
		return false
	}
	se, ok := op.Err.(*os.SyscallError)
	return ok && IsReset(se.Err.(Errno))
}

func TestSetMode(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := SetMode(int(f.Fd()), 0o600); err != nil {
		t.Fatal(err)
	}
	if st, err := f.Stat(); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

// TestMemory: released pages read as zero.
func TestMemory(t *testing.T) {
	b, err := MapMemory(64 << 10)
	if err != nil {
		t.Fatal(err)
	}
	defer UnmapMemory(b)
	b[5000] = 7
	ReleaseMemory(b)
	if b[5000] != 0 {
		t.Error("the page was kept")
	}
}
