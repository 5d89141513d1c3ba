package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// IO is what a relay does with descriptors, all of them non-blocking. Tests
// put their faults in its place. Implementations allocate nothing.
type IO interface {
	// Read reads at most len(p) bytes. With len(p) > 0, n is at least 1 when
	// the outcome is OK and 0 otherwise.
	Read(fd int, p []byte) (n int, o Outcome, e Errno)
	// Write sends bytes to a socket and returns how many were taken; more
	// tells the kernel that further bytes follow at once. It raises no
	// SIGPIPE. n < len(p) with OK is a short write.
	Write(fd int, p []byte, more bool) (n int, o Outcome, e Errno)
	// Splice moves at most n bytes between a socket and a pipe without
	// copying them; EOF means that from has ended.
	Splice(from, to, n int, more bool) (moved int, o Outcome, e Errno)
	// Shutdown ends the sending direction (TCP: FIN). What was written before
	// is still delivered.
	Shutdown(fd int) Outcome
}

// Kernel is the IO that the gateway runs on. Its zero value is ready.
type Kernel struct{}

var _ IO = Kernel{}

// Read implements IO with recvfrom(2), which spares a socket the checks of the
// file layer, and with read(2) for a pipe.
func (Kernel) Read(fd int, p []byte) (int, Outcome, Errno) {
	if len(p) == 0 {
		return 0, OK, 0
	}
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
		if e == syscall.ENOTSOCK {
			n, _, e = syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		}
		if e == 0 {
			if n == 0 {
				return 0, EOF, 0
			}
			return int(n), OK, 0
		}
		if e != syscall.EINTR {
			return 0, Classify(e), e
		}
	}
}

// Write implements IO with send(2).
func (Kernel) Write(fd int, p []byte, more bool) (int, Outcome, Errno) {
	if len(p) == 0 {
		return 0, OK, 0
	}
	flags := uintptr(unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT)
	if more {
		flags |= unix.MSG_MORE
	}
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), flags, 0, 0)
		if e == 0 {
			return int(n), OK, 0
		}
		if e != syscall.EINTR {
			return 0, Classify(e), e
		}
	}
}

// Splice implements IO with splice(2). A broken destination is EPIPE; the
// SIGPIPE that splice cannot suppress is ignored by the Go runtime for
// descriptors other than 1 and 2.
func (Kernel) Splice(from, to, n int, more bool) (int, Outcome, Errno) {
	if n <= 0 {
		return 0, OK, 0
	}
	flags := uintptr(unix.SPLICE_F_NONBLOCK | unix.SPLICE_F_MOVE)
	if more {
		flags |= unix.SPLICE_F_MORE
	}
	for {
		m, _, e := syscall.RawSyscall6(syscall.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), flags)
		if e == 0 {
			if m == 0 {
				return 0, EOF, 0
			}
			return int(m), OK, 0
		}
		if e != syscall.EINTR {
			return 0, Classify(e), e
		}
	}
}

// Shutdown implements IO with shutdown(SHUT_WR).
func (Kernel) Shutdown(fd int) Outcome {
	_, _, e := syscall.RawSyscall(syscall.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return Classify(e)
}

// Close closes fd. Its error is of no use to anybody: the descriptor is gone
// in every case.
func Close(fd int) { syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0) }

// CloseReset closes a TCP socket so that its peer gets a RST at once and
// unsent bytes are dropped (SO_LINGER with a time of 0).
func CloseReset(fd int) {
	SetReset(fd)
	Close(fd)
}

// SockError returns and clears the pending error of a socket (SO_ERROR), such
// as that of a connect that has failed; 0 for none.
func SockError(fd int) Errno {
	v, e := getInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if e != 0 {
		return e
	}
	return Errno(v)
}

// Dup returns a second, close-on-exec descriptor for what fd stands for.
func Dup(fd int) (int, error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
}

func setInt(fd, level, name, value int) Errno {
	v := int32(value)
	_, _, e := syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name), uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
	return e
}

func getInt(fd, level, name int) (int, Errno) {
	var v int32
	size := uint32(unsafe.Sizeof(v))
	_, _, e := syscall.RawSyscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name), uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&size)), 0)
	return int(v), e
}
