package sys

import (
	"net/netip"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// acceptRetries bounds how many dead connections one Accept steps over.
const acceptRetries = 64

// Accept takes one connection from a listening socket; the new descriptor is
// non-blocking and close-on-exec. peer is invalid for unix sockets. Connections
// that died in the queue are stepped over (accept(2) reports their errors in
// place of its own), at most 64 of them; then their error is returned, with
// Gone. NoResource leaves the connection in the queue. It allocates nothing.
func Accept(fd int) (nfd int, peer netip.AddrPort, o Outcome, e Errno) {
	var raw [unix.SizeofSockaddrUnix]byte
	for range acceptRetries {
		size := uint32(len(raw))
		var n uintptr
		n, _, e = syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&raw)), uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch e {
		case 0:
			return int(n), addrPort(&raw), OK, 0
		case syscall.EINTR, syscall.ECONNABORTED, syscall.EPROTO, syscall.ENETDOWN, syscall.ENETUNREACH,
			syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENONET, syscall.ENOPROTOOPT, syscall.EPERM:
			continue
		}
		return -1, netip.AddrPort{}, Classify(e), e
	}
	return -1, netip.AddrPort{}, Gone, e
}

// Connect begins a connection to a; the descriptor is non-blocking and
// close-on-exec, with TCP_NODELAY on TCP. OK means connected or on the way:
// the first write, or SockError once the socket is writable, tells how it went.
// With any other outcome nothing stays open; Gone is an endpoint that refuses,
// is unreachable, or (unix) has no file or a full queue. It allocates nothing.
func Connect(a *SockAddr) (fd int, o Outcome, e Errno) {
	n, _, e := syscall.RawSyscall(syscall.SYS_SOCKET, uintptr(a.family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if e != 0 {
		return -1, Classify(e), e
	}
	fd = int(n)
	if !a.Unix() {
		if e = setInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); e != 0 {
			Close(fd)
			return -1, Classify(e), e
		}
	}
	for {
		_, _, e = syscall.RawSyscall(syscall.SYS_CONNECT, n, uintptr(unsafe.Pointer(&a.raw)), uintptr(a.len))
		if e != syscall.EINTR {
			break
		}
	}
	// An interrupted TCP connect goes on, and asking again says EALREADY.
	if e == 0 || e == syscall.EINPROGRESS || e == syscall.EALREADY {
		return fd, OK, 0
	}
	Close(fd)
	if a.Unix() && (e == syscall.EAGAIN || e == syscall.ENOENT) {
		return -1, Gone, e
	}
	return -1, Classify(e), e
}

// LocalAddr returns the address a socket is bound to: of a TCP socket as an
// AddrPort (with the port that the kernel chose for port 0), of a unix socket
// as a path, with the AddrPort invalid.
func LocalAddr(fd int) (netip.AddrPort, string, error) {
	var raw [unix.SizeofSockaddrUnix]byte
	size := uint32(len(raw))
	_, _, e := syscall.RawSyscall(syscall.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&raw)), uintptr(unsafe.Pointer(&size)))
	if e != 0 {
		return netip.AddrPort{}, "", e
	}
	if ap := addrPort(&raw); ap.IsValid() {
		return ap, "", nil
	}
	if size <= 2 {
		return netip.AddrPort{}, "", nil
	}
	path, _, _ := strings.Cut(string(raw[2:min(int(size), len(raw))]), "\x00")
	return netip.AddrPort{}, path, nil
}
