package handshake

import "bytes"

// seen collects what the fields of a head say about the connection and the body.
// Requests and responses share it; the faults are the same.
type seen struct {
	is       uint32 // bits below
	options  uint8  // names in Connection that may be end-to-end fields
	upgrades uint8  // elements in Upgrade, up to 2
	length   int64
}

const (
	isHost = 1 << iota
	isLength
	isCoded
	isClose
	isKeepAlive
	isConnUpgrade
	isWebSocket
	isKey
	isTwoKeys
	isVersion
	isTwoVersions
	isVersion13
	isBadVersion
	isOrigin
	isContinue
	isAccept
	isTwoAccepts
)

// maxOptions bounds the work of looking up every name of Connection among the fields.
const maxOptions = 64

func (s *seen) has(bits uint32) bool { return s.is&bits == bits }

// classify returns the kind of a field that came in. Names with an underscore
// that some backends take for a framing field are a fault.
func classify(name []byte) (Kind, fault) {
	k := kindOf(name)
	if k != KindOther && k != KindXForwardedOther && k != KindClientCert {
		return k, faultNone
	}
	if bytes.IndexByte(name, '_') < 0 {
		return k, faultNone
	}
	alias := kindOfAlias(name)
	switch {
	case alias == k:
	case kindTraits[alias]&traitFraming != 0:
		return k, faultFieldAlias
	case kindTraits[alias]&traitIdentity != 0:
		return KindIdentityAlias, faultNone
	}
	return k, faultNone
}

// take notes a field that means the same in requests and responses.
func (s *seen) take(k Kind, v []byte, minor uint8) fault {
	switch k {
	case KindConnection:
		return s.connection(v)
	case KindUpgrade:
		s.upgrade(v)
	case KindContentLength:
		return s.contentLength(v)
	case KindTransferEncoding:
		return s.coding(v, minor)
	case KindTrailer:
		return trailerNames(v)
	}
	return faultNone
}

// connection reads a Connection field: a list of tokens in which empty elements
// are ignored (RFC 9110 sections 5.6.1 and 7.6.1).
func (s *seen) connection(v []byte) fault {
	for len(v) > 0 {
		var option []byte
		option, v = element(v)
		if len(option) == 0 {
			continue
		}
		if !isToken(option) {
			return faultConnection
		}
		switch {
		case fold(option, "close"):
			s.is |= isClose
			continue
		case fold(option, "keep-alive"):
			s.is |= isKeepAlive
			continue
		case fold(option, "upgrade"):
			s.is |= isConnUpgrade
			continue
		}
		switch traits := kindTraits[kindOf(option)]; {
		case traits&traitFraming != 0:
			return faultFramingInConnection
		case traits&(traitHop|traitFixed) != 0:
		case s.options == maxOptions:
			return faultConnection
		default:
			s.options++
		}
	}
	return faultNone
}

// upgrade reads an Upgrade field (RFC 9110 section 7.8). It has no faults: what
// is not exactly websocket asks for something else, which is never granted.
func (s *seen) upgrade(v []byte) {
	for len(v) > 0 {
		var protocol []byte
		protocol, v = element(v)
		if len(protocol) == 0 {
			continue
		}
		s.upgrades = min(s.upgrades+1, 2)
		if fold(protocol, "websocket") {
			s.is |= isWebSocket
		}
	}
}

// contentLength reads a Content-Length field (RFC 9110 section 8.6): digits, once.
func (s *seen) contentLength(v []byte) fault {
	if s.has(isLength) {
		return faultTwoContentLengths // even when equal
	}
	if s.has(isCoded) {
		return faultLengthWithCoding
	}
	const most = 1<<63 - 1
	if len(v) == 0 || len(v) > 19 {
		return faultContentLength
	}
	var n uint64 // 19 digits fit
	for _, c := range v {
		if class[c]&classDigit == 0 {
			return faultContentLength
		}
		n = n*10 + uint64(c-'0')
	}
	if n > most {
		return faultContentLength
	}
	s.is |= isLength
	s.length = int64(n)
	return faultNone
}

// coding reads a Transfer-Encoding field. Only chunked, alone and once, is
// understood. Codings that properly end in chunked are 501 (RFC 9112 section
// 6.1); anything else leaves the length of the body open and is 400 (section 6.3).
func (s *seen) coding(v []byte, minor uint8) fault {
	if minor == 0 {
		return faultCodingInHTTP10 // RFC 9112 section 6.1
	}
	if s.has(isCoded) {
		return faultTransferEncoding
	}
	if s.has(isLength) {
		return faultLengthWithCoding
	}
	if fold(v, "chunked") {
		s.is |= isCoded
		return faultNone
	}
	chunked, others := false, false
	for len(v) > 0 {
		var coding []byte
		coding, v = element(v)
		if chunked || !isToken(coding) {
			return faultTransferEncoding
		}
		chunked = fold(coding, "chunked")
		others = others || !chunked
	}
	if chunked && others {
		return faultUnknownCoding
	}
	return faultTransferEncoding
}

// trailerNames checks a Trailer field: names only, and none that would be a
// fault in the trailer section.
func trailerNames(v []byte) fault {
	for len(v) > 0 {
		var name []byte
		name, v = element(v)
		if len(name) == 0 {
			continue
		}
		if !isToken(name) || forbiddenInTrailer(name) {
			return faultTrailerField
		}
	}
	return faultNone
}

// element cuts the first element, without white space around it, off a
// comma-separated list that is not empty.
func element(v []byte) (first, rest []byte) {
	if i := bytes.IndexByte(v, ','); i >= 0 {
		return trim(v[:i]), v[i+1:]
	}
	return trim(v), nil
}

// dropNamed marks the fields that Connection names. At most maxOptions names are
// looked up among fields.
func dropNamed(b []byte, fields []Field) {
	for i := range fields {
		if fields[i].Kind != KindConnection {
			continue
		}
		v := fields[i].Value.Of(b)
		for len(v) > 0 {
			var option []byte
			option, v = element(v)
			if len(option) == 0 {
				continue
			}
			if k := kindOf(option); kindTraits[k]&(traitHop|traitFixed) == 0 {
				dropName(b, fields, option)
			}
		}
	}
}

func dropName(b []byte, fields []Field, option []byte) {
	for i := range fields {
		f := &fields[i]
		if f.Name.Len() == len(option) && kindTraits[f.Kind]&(traitFixed|traitReserved) == 0 &&
			bytes.EqualFold(f.Name.Of(b), option) {
			f.hop = true
		}
	}
}

// persistent tells whether the connection is kept after the message (RFC 9112
// section 9.3).
func (s *seen) persistent(minor uint8) bool {
	return !s.has(isClose) && (minor == 1 || s.has(isKeepAlive))
}

// framing is the body that the fields announce, for a message that may have one.
func (s *seen) framing(otherwise FramingKind) Framing {
	switch {
	case s.has(isCoded):
		return Framing{Kind: Chunked}
	case s.has(isLength) && s.length > 0:
		return Framing{Kind: Length, Length: s.length}
	case s.has(isLength):
		return Framing{}
	}
	return Framing{Kind: otherwise}
}
