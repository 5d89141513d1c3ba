package config

import (
	"net"
	"net/netip"
	"path"
	"strings"
	"unicode"
)

// maxUnixPath is what the kernel takes as the path of a socket (unix(7)).
const maxUnixPath = 107

// use is what an address is for.
type use struct {
	anyPort bool   // port 0 has a meaning
	host    string // stands in hints where a host is missing
}

var (
	listening  = use{anyPort: true, host: "0.0.0.0"}
	inspecting = use{anyPort: true, host: "127.0.0.1"}
	connecting = use{host: "127.0.0.1"}
)

// address reads IP:port, [IPv6]:port, localhost:port or unix:/path. It writes
// addresses in one form each, IPv4-mapped ones as IPv4; localhost is 127.0.0.1.
func (d *decoder) address(v value, dst *string, u use) {
	text, _, ok := d.scalar(v)
	if !ok {
		return
	}
	var canonical, msg, hint string
	if file, ok := strings.CutPrefix(text, "unix:"); ok {
		canonical, msg, hint = unixAddress(file)
	} else {
		canonical, msg, hint = u.tcpAddress(text)
	}
	if msg != "" {
		d.wrong(v, show(text)+" "+msg, hint)
		return
	}
	*dst = canonical
}

func unixAddress(file string) (canonical, msg, hint string) {
	switch {
	case strings.HasPrefix(file, "@"):
		return "", "is an abstract socket, which is not supported", "write unix:/path"
	case !strings.HasPrefix(file, "/"):
		return "", "has no absolute path", "write unix:/path"
	case strings.ContainsFunc(file, unicode.IsControl):
		return "", "has control characters", ""
	case strings.HasSuffix(file, "/"):
		return "", "names a directory", "write the path of the socket"
	}
	if file = path.Clean(file); len(file) > maxUnixPath {
		return "", "is longer than the path of a socket can be", "107 bytes are the most"
	}
	return "unix:" + file, "", ""
}

func (u use) tcpAddress(text string) (canonical, msg, hint string) {
	host, port, err := net.SplitHostPort(text)
	ip, plain := parseIP(strings.Trim(text, "[]"))
	switch {
	case text == "":
		return "", "is empty", "write " + u.host + ":PORT"
	case strings.HasPrefix(text, "/"):
		return "", "has no port", "a unix socket is unix:" + clean(text)
	case strings.Contains(text, "://"):
		return "", "is a URL", "write host and port alone"
	case allDigits(text):
		return "", "has no host", "write " + u.host + ":" + clean(text)
	case err != nil && plain:
		return "", "has no port", "write " + net.JoinHostPort(ip.String(), "PORT")
	case err != nil && strings.Count(text, ":") > 1:
		return "", "is not an address", "an IPv6 address needs brackets: [::1]:PORT"
	case err != nil:
		return "", "has no port", "write " + clean(text) + ":PORT"
	case host == "" || host == "*":
		return "", "has no host", "write " + u.host + ":" + clean(port)
	}
	n, ok := digits(port)
	switch {
	case !ok:
		return "", "has a port that is not a number", ""
	case n > 65535:
		return "", "has a port above 65535", ""
	case n == 0 && !u.anyPort:
		return "", "has port 0", "write the port that the endpoint listens on"
	}
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1"
	}
	ip, ok = parseIP(host)
	switch {
	case !ok && strings.Trim(host, "0123456789.:") == "":
		return "", "is not an IP address", ""
	case !ok:
		return "", "is a name", "names come with discovery; write an address"
	}
	return netip.AddrPortFrom(ip, uint16(n)).String(), "", ""
}

// parseIP parses an address, with a zone if it is IPv6; the zone must be what
// an interface can be called.
func parseIP(s string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return ip, false
	}
	if zone := ip.Zone(); zone != "" && (len(zone) > 15 || !validName(zone)) {
		return ip, false
	}
	return ip.Unmap(), true
}

// trustedProxies reads addresses and networks.
func (d *decoder) trustedProxies(v value, c *Config) {
	d.sequence(v, func(i int, v value) {
		if p, ok := d.prefix(v); ok {
			c.TrustedProxies = append(c.TrustedProxies, p)
		}
	})
}

// prefix reads an address or a network in which no bit behind the length is
// set.
func (d *decoder) prefix(v value) (netip.Prefix, bool) {
	const hint = "write 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32"
	text, _, ok := d.scalar(v)
	if !ok {
		return netip.Prefix{}, false
	}
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		d.wrong(v, show(text)+" is neither an address nor a network", hint)
		return p, false
	case p.Addr().Is4In6():
		// Peers are compared as IPv4.
		if p.Bits() < 96 {
			d.wrong(v, show(text)+" mixes IPv4 and IPv6", hint)
			return p, false
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		d.wrong(v, show(text)+" has bits behind its length", "write "+p.Masked().String()+", or the address alone")
		return p, false
	}
	return p, true
}

// host reads the host of a route.
func (d *decoder) host(v value, dst *string) {
	text, _, ok := d.scalar(v)
	if !ok {
		return
	}
	host := strings.TrimSuffix(strings.ToLower(text), ".")
	name := strings.TrimPrefix(host, "*.")
	if host == "*" {
		*dst = host
		return
	}
	ip, literal := hostIP(host)
	switch {
	case literal:
		host = ip
	case strings.Contains(host, "://") || strings.Contains(host, "/"):
		d.wrong(v, show(text)+" is not a host", "the path has a key of its own")
		return
	case strings.Contains(host, ":"):
		d.wrong(v, show(text)+" has a port", "routes match the host alone")
		return
	case strings.Contains(name, "*"):
		d.wrong(v, show(text)+" has a * that is not a whole first label", `write "*.example.com", or "*" for any host`)
		return
	case strings.ContainsFunc(host, func(c rune) bool { return c >= 0x80 }):
		d.wrong(v, show(text)+" has letters beyond ASCII", "write the name as browsers send it: xn--...")
		return
	case !validHost(name):
		d.wrong(v, show(text)+" is not a host", `write "example.com", "*.example.com" or "*"`)
		return
	}
	*dst = host
}

// hostIP tells whether host is an address, IPv6 in brackets, and returns it in
// the form that clients send.
func hostIP(host string) (string, bool) {
	inner, opened := strings.CutPrefix(host, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	ip, err := netip.ParseAddr(inner)
	if err != nil || ip.Zone() != "" || opened != closed || ip.Is6() != opened {
		return "", false
	}
	if opened {
		return "[" + ip.String() + "]", true
	}
	return ip.String(), true
}

// validHost: labels of letters, digits, hyphens and underscores (RFC 1123 2.1;
// the underscore is not in it, and in use).
func validHost(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !letterOrDigit(c) && c != '-' && c != '_' {
				return false
			}
		}
	}
	// Else it would be an address that is not valid.
	return !allDigits(lastLabel(name))
}

func lastLabel(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// upstreamHost reads what Host is replaced with: a host with or without a port.
func (d *decoder) upstreamHost(v value, dst *string) {
	text, _, ok := d.scalar(v)
	if !ok {
		return
	}
	host, port := text, ""
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, ']') {
		host, port = text[:i], text[i+1:]
		n, ok := digits(port)
		if !ok || n == 0 || n > 65535 {
			d.wrong(v, show(text)+" has no valid port", "")
			return
		}
	}
	_, literal := hostIP(host)
	if !literal && !validHost(strings.ToLower(host)) {
		d.wrong(v, show(text)+" is not a host", "write example.com or example.com:8080")
		return
	}
	*dst = text
}
