package handshake

import (
	"bytes"
	"net/netip"
	"unsafe"
)

// validHost tells whether h is a host with an optional port (RFC 9110 section
// 7.2). Names are letters, digits, dots, dashes and underscores, as DNS and
// container networks have them; the escapes and sub-delimiters that RFC 3986
// would allow are refused, because backends do not agree on them. An IPv6
// address stands in brackets and has no zone.
func validHost(h []byte) bool {
	if len(h) == 0 {
		return false
	}
	if h[0] == '[' {
		i := bytes.IndexByte(h, ']')
		if i < 0 || !validPort(h[i+1:]) {
			return false
		}
		a, ok := parseAddr(h[1:i])
		return ok && a.Is6()
	}
	dot := true // an empty label would begin here
	for i, c := range h {
		switch {
		case c == ':':
			return i > 0 && h[0] != '.' && validPort(h[i:])
		case class[c]&className == 0 || c == '.' && dot:
			return false
		}
		dot = c == '.'
	}
	return true
}

// validPort tells whether p is empty or a colon and a port number, which RFC 3986
// section 3.2.3 lets be empty.
func validPort(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	if p[0] != ':' || len(p) > len(":65535") {
		return false
	}
	n := 0
	for _, c := range p[1:] {
		if class[c]&classDigit == 0 {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}

// SplitHost cuts a Host value that Parse has accepted into name and port. An
// IPv6 address keeps its brackets, the dot at the end of a name is dropped, and
// case is left alone: callers compare without regard to it. The results share
// host's memory; port is nil when there is none. It does not allocate.
func SplitHost(host []byte) (name, port []byte) {
	name = host
	from := 0
	if len(host) > 0 && host[0] == '[' {
		from = max(bytes.IndexByte(host, ']'), 0)
	}
	if i := bytes.IndexByte(host[from:], ':'); i >= 0 {
		name, port = host[:from+i], host[from+i+1:]
	}
	if n := len(name); n > 1 && name[n-1] == '.' {
		name = name[:n-1]
	}
	return name, port
}

// parseAddr parses an address without zone. It allocates only when s is none.
func parseAddr(s []byte) (netip.Addr, bool) {
	if len(s) == 0 || len(s) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") || bytes.IndexByte(s, '%') >= 0 {
		return netip.Addr{}, false
	}
	// An Addr without a zone holds no part of the string it was parsed from, and
	// the error that does is dropped here.
	a, err := netip.ParseAddr(unsafe.String(&s[0], len(s)))
	return a, err == nil
}
