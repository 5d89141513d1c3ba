package sock

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An Outcome says how a read or write ended.
type Outcome struct {
	kind  kind
	errno syscall.Errno
}

type kind uint8

const (
	done kind = iota
	again
	eof
	gone
)

// Done reports that bytes were moved and more may follow.
func (o Outcome) Done() bool { return o.kind == done }

// WouldBlock reports that the socket has nothing to give or no room to take.
func (o Outcome) WouldBlock() bool { return o.kind == again }

// EOF reports the peer's end of stream.
func (o Outcome) EOF() bool { return o.kind == eof }

// Gone reports that the connection is lost; Err says how.
func (o Outcome) Gone() bool { return o.kind == gone }

// Err is the reason of a lost connection, or nil.
func (o Outcome) Err() error {
	if o.kind == gone {
		return o.errno
	}
	return nil
}

// Lost is the outcome of a transport over a socket that failed by itself.
func Lost(e syscall.Errno) Outcome { return Outcome{gone, e} }

func outcome(e syscall.Errno) Outcome {
	if e == unix.EAGAIN {
		return Outcome{kind: again}
	}
	return Outcome{gone, e}
}

// Read fills b, which is not empty, from fd. It does not block and does not
// allocate. n is 0 unless the outcome is Done.
func Read(fd int, b []byte) (n int, o Outcome) {
	for {
		r, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch {
		case e == unix.EINTR:
			continue
		case e != 0:
			return 0, outcome(e)
		case r == 0:
			return 0, Outcome{kind: eof}
		}
		return int(r), Outcome{}
	}
}

// Write sends b, which is not empty, to fd. It does not block and does not
// allocate. Fewer than len(b) bytes written means that the socket is full.
func Write(fd int, b []byte) (n int, o Outcome) {
	for {
		r, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		switch {
		case e == unix.EINTR:
			continue
		case e != 0:
			return 0, outcome(e)
		}
		return int(r), Outcome{}
	}
}

// write2 sends a and then b, neither of them empty, with one system call.
func write2(fd int, a, b []byte) (n int, o Outcome) {
	v := [2]unix.Iovec{{Base: &a[0]}, {Base: &b[0]}}
	v[0].SetLen(len(a))
	v[1].SetLen(len(b))
	msg := unix.Msghdr{Iov: &v[0]}
	msg.SetIovlen(2)
	for {
		r, _, e := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), unix.MSG_NOSIGNAL)
		switch {
		case e == unix.EINTR:
			continue
		case e != 0:
			return 0, outcome(e)
		}
		return int(r), Outcome{}
	}
}

// Gather is a message of two parts on its way to a socket: a head of its own,
// and a body that it shares and does not write to. The zero value is empty.
type Gather struct {
	head []byte
	at   int
	body []byte
}

// Set makes head and body what is to be sent. It holds that g is empty. head
// stays with g until it is empty again; [Gather.Buffer] gives it back.
func (g *Gather) Set(head, body []byte) { g.head, g.at, g.body = head, 0, body }

// Buffer returns the buffer of the last head, emptied, for the next one.
func (g *Gather) Buffer() []byte { return g.head[:0] }

// Empty reports whether everything has been sent.
func (g *Gather) Empty() bool { return g.at == len(g.head) && len(g.body) == 0 }

// Send sends what fd takes with one system call. It holds that g is not empty.
func (g *Gather) Send(fd int) (n int, o Outcome) {
	head := g.head[g.at:]
	switch {
	case len(head) == 0:
		n, o = Write(fd, g.body)
	case len(g.body) == 0:
		n, o = Write(fd, head)
	default:
		n, o = write2(fd, head, g.body)
	}
	g.Skip(n)
	return n, o
}

// Next returns the bytes that are to be sent next, for a transport that has to
// work on them first. It holds that g is not empty. The head, which is short,
// comes in scratch together with as much of the body as fits; what follows is
// the body itself.
func (g *Gather) Next(scratch []byte) []byte {
	head := g.head[g.at:]
	if len(head) == 0 {
		return g.body
	}
	n := copy(scratch, head)
	return scratch[:n+copy(scratch[n:], g.body)]
}

// Skip takes n bytes, no more than there are, as sent.
func (g *Gather) Skip(n int) {
	k := min(n, len(g.head)-g.at)
	g.at += k
	g.body = g.body[n-k:]
}

// Close closes fd.
func Close(fd int) { _ = unix.Close(fd) }

// Reset closes fd so that the peer sees RST instead of an end of stream.
func Reset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(fd)
}
