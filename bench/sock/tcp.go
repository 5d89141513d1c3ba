package sock

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

func sockaddr(a netip.AddrPort) (family int, sa unix.Sockaddr) {
	if ip := a.Addr().Unmap(); ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// Connect starts a connection to target and returns its descriptor at once:
// the socket becomes writable when the attempt has ended, and [Pending] tells
// how. A valid source is bound without reserving a port, so that every
// source address has the whole port range for each target.
func Connect(target netip.AddrPort, source netip.Addr) (fd int, err error) {
	family, sa := sockaddr(target)
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
			fd = -1
		}
	}()
	if err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fd, fmt.Errorf("setsockopt TCP_NODELAY: %w", err)
	}
	if source.IsValid() {
		if err = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return fd, fmt.Errorf("setsockopt IP_BIND_ADDRESS_NO_PORT: %w", err)
		}
		_, local := sockaddr(netip.AddrPortFrom(source, 0))
		if err = unix.Bind(fd, local); err != nil {
			return fd, fmt.Errorf("bind to %s: %w", source, err)
		}
	}
	if err = unix.Connect(fd, sa); err != nil && err != unix.EINPROGRESS {
		return fd, fmt.Errorf("connect to %s: %w", target, err)
	}
	return fd, nil
}

// Listen opens a listening socket with the longest queue that the kernel
// allows, and returns the address it got: port 0 asks for any.
func Listen(addr netip.AddrPort) (fd int, bound netip.AddrPort, err error) {
	family, sa := sockaddr(addr)
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, bound, fmt.Errorf("socket: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
			fd = -1
		}
	}()
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return fd, bound, fmt.Errorf("setsockopt SO_REUSEADDR: %w", err)
	}
	if err = unix.Bind(fd, sa); err != nil {
		return fd, bound, fmt.Errorf("bind to %s: %w", addr, err)
	}
	if err = unix.Listen(fd, 65535); err != nil {
		return fd, bound, fmt.Errorf("listen on %s: %w", addr, err)
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		return fd, bound, fmt.Errorf("getsockname: %w", err)
	}
	return fd, addrPort(local), nil
}

// Accept takes one connection from a listening socket, non-blocking and with
// TCP_NODELAY. ok is false when none waits. An error is one of the process
// (no descriptors, no memory); a connection that died in the queue is not.
func Accept(listener int) (fd int, ok bool, err error) {
	for {
		fd, _, err = unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
			return fd, true, nil
		case unix.EAGAIN:
			return -1, false, nil
		case unix.EINTR, unix.ECONNABORTED, unix.EPROTO:
			continue
		}
		return -1, false, fmt.Errorf("accept: %w", err)
	}
}

// FinishWrites sends the end of stream; what the peer still sends can be read.
func FinishWrites(fd int) { _ = unix.Shutdown(fd, unix.SHUT_WR) }

// SetReceiveBuffer asks for a receive buffer of n bytes, which the kernel
// doubles, and ends its growing by itself.
func SetReceiveBuffer(fd, n int) { _ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, n) }
