package sys

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxUnixPath is what sun_path takes with its closing NUL.
const maxUnixPath = 107

// Errors of ParseAddr.
var (
	ErrUnixPath = errors.New("unix socket path is empty, longer than 107 bytes, or has a NUL or leading @")
	ErrZone     = errors.New("no such network interface")
)

// SockAddr is the address of a stream socket in the form the kernel takes, so
// that a connect needs no parsing and no allocation. It is immutable once
// parsed and may be shared between goroutines; the zero value is no address.
type SockAddr struct {
	raw    [unix.SizeofSockaddrUnix]byte
	len    uint32
	family uint16
	text   string
}

// ParseAddr parses "127.0.0.1:9001", "[::1]:9001", "[fe80::1%eth0]:9001" or
// "unix:/path". Host names are not resolved: they are an error.
func ParseAddr(s string) (SockAddr, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return parseUnix(s, path)
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return SockAddr{}, fmt.Errorf("address %q: want IP:port, [IPv6]:port or unix:/path", s)
	}
	a := SockAddr{text: ap.String()}
	ip := ap.Addr()
	if ip.Is4() {
		a.setFamily(unix.AF_INET)
		v := ip.As4()
		binary.BigEndian.PutUint16(a.raw[2:], ap.Port())
		copy(a.raw[4:], v[:])
		a.len = unix.SizeofSockaddrInet4
		return a, nil
	}
	a.setFamily(unix.AF_INET6)
	v := ip.As16()
	binary.BigEndian.PutUint16(a.raw[2:], ap.Port())
	copy(a.raw[8:], v[:])
	scope, err := zoneID(ip.Zone())
	if err != nil {
		return SockAddr{}, fmt.Errorf("address %q: %w", s, err)
	}
	binary.NativeEndian.PutUint32(a.raw[24:], scope)
	a.len = unix.SizeofSockaddrInet6
	return a, nil
}

func parseUnix(s, path string) (SockAddr, error) {
	if path == "" || len(path) > maxUnixPath || path[0] == '@' || strings.IndexByte(path, 0) >= 0 {
		return SockAddr{}, fmt.Errorf("address %q: %w", s, ErrUnixPath)
	}
	a := SockAddr{text: s}
	a.setFamily(unix.AF_UNIX)
	a.len = uint32(2 + copy(a.raw[2:], path) + 1)
	return a, nil
}

func zoneID(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	ifi, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("%w: %s", ErrZone, zone)
	}
	return uint32(ifi.Index), nil
}

func (a *SockAddr) setFamily(f uint16) {
	a.family = f
	binary.NativeEndian.PutUint16(a.raw[:], f)
}

// String returns the address as ParseAddr takes it.
func (a *SockAddr) String() string { return a.text }

// Unix tells whether a is the path of a unix socket.
func (a *SockAddr) Unix() bool { return a.family == unix.AF_UNIX }

// path returns the file name of a unix socket's address.
func (a *SockAddr) path() string { return strings.TrimPrefix(a.text, "unix:") }

// addrPort reads the kernel's form of a TCP address. IPv4-mapped IPv6
// addresses become IPv4, and the zone of a link-local one is left out: it
// would need an allocation, and no rule of the gateway looks at it. Anything
// but TCP gives an invalid AddrPort.
func addrPort(raw *[unix.SizeofSockaddrUnix]byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(raw[2:])
	switch binary.NativeEndian.Uint16(raw[:]) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:8])), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(raw[8:24])).Unmap(), port)
	}
	return netip.AddrPort{}
}
