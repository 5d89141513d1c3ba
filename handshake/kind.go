package handshake

// Kind tells the fields apart that the gateway reads, writes or removes.
type Kind uint8

// The fields known by name. KindXForwardedOther stands for any other name that
// begins with X-Forwarded-, KindClientCert for the names under which gateways
// hand on what they know of a client certificate (Client-Cert and
// Client-Cert-Chain of RFC 9440, X-Client-Cert and X-SSL-Client with anything
// behind a dash), KindIdentityAlias for an identity field spelled with
// underscores: many backends cannot tell X_Real_IP from X-Real-IP.
const (
	KindOther Kind = iota
	KindHost
	KindConnection
	KindUpgrade
	KindKey
	KindAccept
	KindVersion
	KindProtocol
	KindExtensions
	KindContentLength
	KindTransferEncoding
	KindOrigin
	KindUserAgent
	KindForwarded
	KindXForwardedFor
	KindXForwardedProto
	KindXForwardedHost
	KindXForwardedOther
	KindXRealIP
	KindClientCert
	KindIdentityAlias
	KindKeepAlive
	KindProxyConnection
	KindProxyAuthenticate
	KindProxyAuthorization
	KindHTTP2Settings
	KindTE
	KindTrailer
	KindExpect
	KindCookie
	KindSetCookie
	KindAuthorization
	kindCount
)

// What follows from a kind, as bits of kindTraits.
const (
	traitHop      = 1 << iota // hop-by-hop: never passed on
	traitIdentity             // says who the client is: removed when the peer is not trusted
	traitFraming              // frames or routes the message: must not be named in Connection
	traitFixed                // naming it in Connection does not remove it
	traitReserved             // not touched by Rules
)

var kindTraits = [kindCount]uint8{
	KindHost:               traitFraming | traitReserved,
	KindConnection:         traitHop | traitReserved,
	KindUpgrade:            traitHop | traitReserved,
	KindKey:                traitFixed | traitReserved,
	KindAccept:             traitFixed | traitReserved,
	KindVersion:            traitFixed | traitReserved,
	KindProtocol:           traitFixed,
	KindExtensions:         traitFixed,
	KindContentLength:      traitFraming | traitReserved,
	KindTransferEncoding:   traitHop | traitFraming | traitReserved,
	KindOrigin:             traitFixed,
	KindForwarded:          traitIdentity | traitFixed,
	KindXForwardedFor:      traitIdentity | traitFixed,
	KindXForwardedProto:    traitIdentity | traitFixed,
	KindXForwardedHost:     traitIdentity | traitFixed,
	KindXForwardedOther:    traitIdentity | traitFixed,
	KindXRealIP:            traitIdentity | traitFixed,
	KindClientCert:         traitIdentity | traitFixed,
	KindIdentityAlias:      traitIdentity,
	KindKeepAlive:          traitHop | traitReserved,
	KindProxyConnection:    traitHop | traitReserved,
	KindProxyAuthenticate:  traitHop | traitReserved,
	KindProxyAuthorization: traitHop | traitReserved,
	KindHTTP2Settings:      traitHop | traitReserved,
	KindTE:                 traitHop | traitReserved,
	KindTrailer:            traitHop | traitReserved,
	KindCookie:             traitFixed,
	KindSetCookie:          traitFixed,
	KindAuthorization:      traitFixed,
}

// kindOf returns the kind of a field name in any case. Names with underscores
// are KindOther; see kindOfAlias.
func kindOf(name []byte) Kind {
	if k := kindOfExact(name); k != KindOther {
		return k
	}
	if len(name) > 12 && lower[name[0]] == 'x' {
		switch {
		case fold(name[:12], "x-forwarded-"):
			return KindXForwardedOther
		case fold(name[:13], "x-client-cert") && (len(name) == 13 || name[13] == '-'):
			return KindClientCert
		case fold(name[:12], "x-ssl-client") && (len(name) == 12 || name[12] == '-'):
			return KindClientCert
		}
	}
	return KindOther
}

func kindOfExact(name []byte) Kind {
	var want string
	var k Kind
	switch len(name) {
	case 2:
		want, k = "te", KindTE
	case 4:
		want, k = "host", KindHost
	case 6:
		switch lower[name[0]] {
		case 'o':
			want, k = "origin", KindOrigin
		case 'c':
			want, k = "cookie", KindCookie
		case 'e':
			want, k = "expect", KindExpect
		}
	case 7:
		switch lower[name[0]] {
		case 'u':
			want, k = "upgrade", KindUpgrade
		case 't':
			want, k = "trailer", KindTrailer
		}
	case 9:
		switch lower[name[0]] {
		case 'f':
			want, k = "forwarded", KindForwarded
		case 'x':
			want, k = "x-real-ip", KindXRealIP
		}
	case 10:
		switch lower[name[0]] {
		case 'c':
			want, k = "connection", KindConnection
		case 'k':
			want, k = "keep-alive", KindKeepAlive
		case 'u':
			want, k = "user-agent", KindUserAgent
		case 's':
			want, k = "set-cookie", KindSetCookie
		}
	case 11:
		want, k = "client-cert", KindClientCert
	case 12:
		want, k = "x-ssl-client", KindClientCert
	case 13:
		want, k = "authorization", KindAuthorization
	case 14:
		switch lower[name[0]] {
		case 'c':
			want, k = "content-length", KindContentLength
		case 'h':
			want, k = "http2-settings", KindHTTP2Settings
		}
	default:
		return kindOfLong(name)
	}
	if k != KindOther && fold(name, want) {
		return k
	}
	return KindOther
}

// kindOfLong is kindOfExact for names from 15 bytes on.
func kindOfLong(name []byte) Kind {
	var want string
	var k Kind
	switch len(name) {
	case 15:
		want, k = "x-forwarded-for", KindXForwardedFor
	case 16:
		switch lower[name[0]] {
		case 'x':
			want, k = "x-forwarded-host", KindXForwardedHost
		case 'p':
			want, k = "proxy-connection", KindProxyConnection
		}
	case 17:
		switch lower[name[0]] {
		case 'x':
			want, k = "x-forwarded-proto", KindXForwardedProto
		case 's':
			want, k = "sec-websocket-key", KindKey
		case 't':
			want, k = "transfer-encoding", KindTransferEncoding
		case 'c':
			want, k = "client-cert-chain", KindClientCert
		}
	case 18:
		want, k = "proxy-authenticate", KindProxyAuthenticate
	case 19:
		want, k = "proxy-authorization", KindProxyAuthorization
	case 20:
		want, k = "sec-websocket-accept", KindAccept
	case 21:
		want, k = "sec-websocket-version", KindVersion
	case 22:
		want, k = "sec-websocket-protocol", KindProtocol
	case 24:
		want, k = "sec-websocket-extensions", KindExtensions
	}
	if k != KindOther && fold(name, want) {
		return k
	}
	return KindOther
}

// kindOfAlias returns the kind that name has for a backend which takes
// underscores for dashes, as everything built on CGI variables does. It returns
// KindOther for names without underscores.
func kindOfAlias(name []byte) Kind {
	var dashed [24]byte // the longest name known
	n, found := min(len(name), len(dashed)), false
	for i, c := range name[:n] {
		if c == '_' {
			c, found = '-', true
		}
		dashed[i] = c
	}
	if !found {
		return KindOther
	}
	k := kindOf(dashed[:n])
	if n < len(name) && k != KindXForwardedOther && k != KindClientCert {
		return KindOther // only a prefix of a longer name is known
	}
	return k
}

// IsIdentityField tells whether name, in any case, is a field that says who the
// client is and is therefore removed from what untrusted peers send: Forwarded,
// X-Forwarded-*, X-Real-IP, and the client-certificate fields (KindClientCert),
// also when spelled with underscores. It does not allocate.
func IsIdentityField(name string) bool {
	b := []byte(name)
	return (kindTraits[kindOf(b)]|kindTraits[kindOfAlias(b)])&traitIdentity != 0
}

// IsHopByHop tells whether name, in any case, is a field that is meant for the
// next hop only (RFC 9110 section 7.6.1) and is never passed on: Connection,
// Keep-Alive, Proxy-Connection, Proxy-Authenticate, Proxy-Authorization, TE,
// Trailer, Transfer-Encoding, Upgrade, HTTP2-Settings. That is the list of
// net/http/httputil, with HTTP2-Settings. It does not allocate.
func IsHopByHop(name string) bool {
	return kindTraits[kindOf([]byte(name))]&traitHop != 0
}

// Reserved tells whether name, in any case, is a field that Rules must not touch:
// Host, those that frame the message, the hop-by-hop ones, and those in which the
// two sides prove the WebSocket handshake (Key, Accept, Version). It does not allocate.
func Reserved(name string) bool {
	return kindTraits[kindOf([]byte(name))]&traitReserved != 0
}
