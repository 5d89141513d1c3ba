package handshake

import (
	"bytes"
	"net/netip"
)

// ClientAddr returns the address that the request is for: peer, or behind a
// trusted peer the rightmost address of X-Forwarded-For (all fields joined) that
// is not itself a trusted proxy's; when all are, the leftmost. Ports behind
// addresses are ignored. Something that is no address ends the search: the proxy
// that passed it on is then the last one known. trusted is asked about peer
// first, also when that is invalid because the client came by a unix socket.
// IPv4 addresses come out as such, not mapped to IPv6. It does not allocate
// unless a trusted proxy passed on what is no address.
func (r *Request) ClientAddr(b []byte, peer netip.Addr, trusted func(netip.Addr) bool) netip.Addr {
	client := peer.Unmap()
	if !trusted(client) {
		return client
	}
	for i := len(r.Fields) - 1; i >= 0; i-- {
		if r.Fields[i].Kind != KindXForwardedFor {
			continue
		}
		for v := r.Fields[i].Value.Of(b); len(v) > 0; {
			var last []byte
			k := bytes.LastIndexByte(v, ',')
			v, last = v[:max(k, 0)], trim(v[k+1:])
			if len(last) == 0 {
				continue
			}
			a, ok := parseNode(last)
			if !ok {
				return client
			}
			if client = a; !trusted(a) {
				return client
			}
		}
	}
	return client
}

// parseNode parses an address with an optional port: 192.0.2.1, 192.0.2.1:80,
// 2001:db8::1, [2001:db8::1] or [2001:db8::1]:80.
func parseNode(s []byte) (netip.Addr, bool) {
	if s[0] == '[' {
		i := bytes.IndexByte(s, ']')
		if i < 0 || !validPort(s[i+1:]) {
			return netip.Addr{}, false
		}
		s = s[1:i]
	} else if i := bytes.IndexByte(s, ':'); i >= 0 && bytes.IndexByte(s[i+1:], ':') < 0 {
		if !validPort(s[i:]) {
			return netip.Addr{}, false
		}
		s = s[:i]
	}
	a, ok := parseAddr(s)
	return a.Unmap(), ok
}

// plainAddr is a as it is written in fields: IPv4 as such, and without a zone,
// which means nothing on another machine.
func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// proto is the scheme of the client's connection.
func (id *Identity) proto() string {
	if id.TLS {
		return "https"
	}
	return "http"
}

// AppendForwarded appends the element that the gateway adds to Forwarded (RFC
// 7239 section 4): for, host and proto. host is a Host value that Parse has
// accepted, or empty. It does not allocate, but for dst when that is too small.
func AppendForwarded(dst []byte, id *Identity, host []byte) []byte {
	dst = append(dst, "for="...)
	switch a := plainAddr(id.Peer); {
	case !a.IsValid():
		dst = append(dst, "_unix"...)
	case a.Is4():
		dst = a.AppendTo(dst)
	default:
		dst = append(dst, `"[`...)
		dst = a.AppendTo(dst)
		dst = append(dst, `]"`...)
	}
	if len(host) > 0 {
		dst = append(dst, ";host="...)
		if isToken(host) {
			dst = append(dst, host...)
		} else { // a port or brackets: no token, but nothing to escape either
			dst = append(dst, '"')
			dst = append(dst, host...)
			dst = append(dst, '"')
		}
	}
	dst = append(dst, ";proto="...)
	return append(dst, id.proto()...)
}

// present tells which identity fields a trusted peer sent and are passed on.
type present struct{ proto, host, realIP bool }

func (p *present) note(k Kind) {
	switch k {
	case KindXForwardedProto:
		p.proto = true
	case KindXForwardedHost:
		p.host = true
	case KindXRealIP:
		p.realIP = true
	}
}

// appendIdentity appends the fields that say who the client is, except those that
// are present or that a rule sets or removes.
func (r *Request) appendIdentity(dst, b []byte, id *Identity, rules *Rules, have present) []byte {
	if !rules.hidesRequest([]byte("X-Forwarded-For")) {
		dst = r.appendForwardedFor(dst, b, id)
	}
	if !have.proto && !rules.hidesRequest([]byte("X-Forwarded-Proto")) {
		dst = append(dst, "X-Forwarded-Proto: "...)
		dst = append(dst, id.proto()...)
		dst = append(dst, crlf...)
	}
	if !have.host && r.Host.Len() > 0 && !rules.hidesRequest([]byte("X-Forwarded-Host")) {
		dst = append(dst, "X-Forwarded-Host: "...)
		dst = append(dst, r.Host.Of(b)...)
		dst = append(dst, crlf...)
	}
	client := id.Client
	if !client.IsValid() {
		client = id.Peer
	}
	if !have.realIP && client.IsValid() && !rules.hidesRequest([]byte("X-Real-IP")) {
		dst = append(dst, "X-Real-IP: "...)
		dst = plainAddr(client).AppendTo(dst)
		dst = append(dst, crlf...)
	}
	dst = appendCert(dst, id, rules)
	if id.Forwarded && !rules.hidesRequest([]byte("Forwarded")) {
		dst = append(dst, "Forwarded: "...)
		dst = r.appendOld(dst, b, id, KindForwarded)
		dst = AppendForwarded(dst, id, r.Host.Of(b))
		dst = append(dst, crlf...)
	}
	return dst
}

// appendCert appends what is known of the client's certificate.
func appendCert(dst []byte, id *Identity, rules *Rules) []byte {
	if id.CertFingerprint == "" {
		return dst
	}
	if !rules.hidesRequest([]byte("X-Client-Cert-Subject")) {
		dst = append(dst, "X-Client-Cert-Subject: "...)
		dst = append(dst, id.CertSubject...)
		dst = append(dst, crlf...)
	}
	if !rules.hidesRequest([]byte("X-Client-Cert-Fingerprint")) {
		dst = append(dst, "X-Client-Cert-Fingerprint: "...)
		dst = append(dst, id.CertFingerprint...)
		dst = append(dst, crlf...)
	}
	return dst
}

// appendForwardedFor appends X-Forwarded-For: what a trusted peer sent, then the
// peer. Without either there is no field.
func (r *Request) appendForwardedFor(dst, b []byte, id *Identity) []byte {
	const name = "X-Forwarded-For: "
	start := len(dst)
	dst = append(dst, name...)
	dst = r.appendOld(dst, b, id, KindXForwardedFor)
	switch {
	case id.Peer.IsValid():
		dst = plainAddr(id.Peer).AppendTo(dst)
	case len(dst) == start+len(name):
		return dst[:start]
	default:
		dst = dst[:len(dst)-len(", ")]
	}
	return append(dst, crlf...)
}

// appendOld appends the values of the fields of kind k that a trusted peer sent,
// with a comma behind each.
func (r *Request) appendOld(dst, b []byte, id *Identity, k Kind) []byte {
	if !id.Trusted {
		return dst
	}
	for i := range r.Fields {
		if f := &r.Fields[i]; f.Kind == k && f.Value.Len() > 0 {
			dst = append(dst, f.Value.Of(b)...)
			dst = append(dst, ", "...)
		}
	}
	return dst
}
