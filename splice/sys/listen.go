package sys

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TCPOptions are the TCP timers of a connection. A zero field leaves what the
// kernel has for it; keepalive is switched on by any of its three fields.
type TCPOptions struct {
	KeepAliveIdle     time.Duration // silence before the first probe; whole seconds, rounded up
	KeepAliveInterval time.Duration // between probes; whole seconds, rounded up
	KeepAliveCount    int           // unanswered probes before the peer is given up
	UserTimeout       time.Duration // how long sent bytes may stay unacknowledged; milliseconds, rounded up
}

// ListenOptions are the settings of a listening socket. The zero value is
// usable.
type ListenOptions struct {
	Backlog   int        // queue of connections not yet accepted; 0: the system's maximum (net.core.somaxconn)
	KeepAlive TCPOptions // inherited by accepted connections; nothing to unix sockets
}

// SetTCP applies o to a TCP socket. On a listening socket the accepted ones
// inherit it.
func SetTCP(fd int, o *TCPOptions) error {
	options := [...]struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, units(o.KeepAliveIdle, time.Second)},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, units(o.KeepAliveInterval, time.Second)},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, o.KeepAliveCount},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, units(o.UserTimeout, time.Millisecond)},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0},
	}
	if options[0].value|options[1].value|options[2].value != 0 {
		options[4].value = 1
	}
	for _, opt := range options {
		if opt.value == 0 {
			continue
		}
		if e := setInt(fd, opt.level, opt.name, opt.value); e != 0 {
			return os.NewSyscallError("setsockopt", e)
		}
	}
	return nil
}

// units rounds d up to whole units.
func units(d, unit time.Duration) int { return int((d + unit - 1) / unit) }

// Listen binds a and listens on it: the first socket of an address. It fails
// with EADDRINUSE when anybody listens there, another gateway of the same user
// included, and only then sets SO_REUSEPORT, so that ListenShared can join.
// Setting it before would let a second program in. An IPv6 wildcard takes IPv4
// connections, too, unless net.ipv6.bindv6only says otherwise.
//
// A unix socket's file that nobody listens behind is removed first; between
// that and binding two gateways that start at once can take it from each
// other. Sockets with a listener and files that are not sockets are EADDRINUSE.
func Listen(a *SockAddr, o *ListenOptions) (int, error) {
	fd, err := listen(a, o, false)
	if a.Unix() && errors.Is(err, syscall.EADDRINUSE) && removeStale(a) {
		fd, err = listen(a, o, false)
	}
	if err != nil {
		return -1, err
	}
	if !a.Unix() {
		if e := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); e != 0 {
			Close(fd)
			return -1, os.NewSyscallError("setsockopt", e)
		}
	}
	return fd, nil
}

// ListenShared adds a socket to an address that Listen has opened: the kernel
// spreads new connections over all of them (SO_REUSEPORT). AF_UNIX refuses
// that: there the error is EOPNOTSUPP.
func ListenShared(a *SockAddr, o *ListenOptions) (int, error) {
	if a.Unix() {
		return -1, os.NewSyscallError("setsockopt", syscall.EOPNOTSUPP)
	}
	return listen(a, o, true)
}

// listen sets what accepted sockets are to inherit before the first of them
// can arrive.
func listen(a *SockAddr, o *ListenOptions, shared bool) (int, error) {
	fd, err := unix.Socket(int(a.family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := prepare(fd, a, o, shared); err != nil {
		Close(fd)
		return -1, err
	}
	if _, _, e := syscall.Syscall(syscall.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)), uintptr(a.len)); e != 0 {
		Close(fd)
		return -1, os.NewSyscallError("bind", e)
	}
	backlog := o.Backlog
	if backlog <= 0 {
		backlog = 1<<31 - 1 // the kernel takes somaxconn instead
	}
	if err := unix.Listen(fd, backlog); err != nil {
		Close(fd)
		return -1, os.NewSyscallError("listen", err)
	}
	return fd, nil
}

func prepare(fd int, a *SockAddr, o *ListenOptions, shared bool) error {
	if a.Unix() {
		return nil
	}
	if e := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); e != 0 {
		return os.NewSyscallError("setsockopt", e)
	}
	if shared {
		if e := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); e != 0 {
			return os.NewSyscallError("setsockopt", e)
		}
	}
	if e := setInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); e != 0 {
		return os.NewSyscallError("setsockopt", e)
	}
	return SetTCP(fd, &o.KeepAlive)
}

// removeStale removes the socket file of a if nobody listens behind it. A full
// queue (EAGAIN) is a listener.
func removeStale(a *SockAddr) bool {
	info, err := os.Lstat(a.path())
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return false
	}
	fd, out, e := Connect(a)
	if out == OK {
		Close(fd)
		return false
	}
	return e == syscall.ECONNREFUSED && os.Remove(a.path()) == nil
}
