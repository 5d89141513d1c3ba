package handshake

// CheckUpgrade tells whether r, a done Response to an upgrade request with key,
// opens a WebSocket (RFC 6455 section 4.1, what a client must check). Each
// failure has the status 502 and a reason of its own.
func (r *Response) CheckUpgrade(b, key []byte) *Error {
	return r.checkUpgrade(b, key).inResponse()
}

func (r *Response) checkUpgrade(b, key []byte) fault {
	s := &r.seen
	switch {
	case r.Status != 101:
		return faultNotSwitching
	case r.Minor == 0:
		return faultSwitchingHTTP10
	case s.has(isCoded), s.has(isLength) && s.length > 0:
		// RFC 9112 section 6.1. Somebody would take the first frames for the body.
		return faultSwitchingBody
	case !s.has(isWebSocket), s.upgrades != 1:
		return faultNoUpgrade // not with another protocol beside it, either
	case !s.has(isConnUpgrade):
		return faultNoConnectionUpgrade
	case s.has(isTwoAccepts):
		return faultTwoAccepts
	case !s.has(isAccept):
		return faultNoAccept
	}
	var buf [acceptLen]byte
	if string(AppendAccept(buf[:0], key)) != string(r.accept.Of(b)) {
		return faultBadAccept
	}
	return faultNone
}

// ReservedBits returns the reserved bits of frame headers that the extensions
// accepted in r own: RSV1 is 4, RSV2 is 2, RSV3 is 1. permessage-deflate owns
// RSV1 (RFC 7692 section 6); an extension that is not known, or a list that
// cannot be read, owns all three. Without extensions it is 0.
func (r *Response) ReservedBits(b []byte) uint8 {
	var bits uint8
	for i := range r.Fields {
		if r.Fields[i].Kind != KindExtensions {
			continue
		}
		for v := r.Fields[i].Value.Of(b); len(v) > 0; {
			var extension []byte
			extension, v = quotedElement(v)
			switch name := extensionName(extension); {
			case len(extension) == 0:
			case fold(name, "permessage-deflate"):
				bits |= 4
			default:
				bits = 7
			}
		}
	}
	return bits
}

// quotedElement is element for lists with quoted strings in them.
func quotedElement(v []byte) (first, rest []byte) {
	quoted := false
	for i := 0; i < len(v); i++ {
		switch {
		case v[i] == '"':
			quoted = !quoted
		case quoted && v[i] == '\\':
			i++
		case v[i] == ',' && !quoted:
			return trim(v[:i]), v[i+1:]
		}
	}
	return trim(v), nil
}

// extensionName cuts the parameters off an element of Sec-WebSocket-Extensions.
func extensionName(extension []byte) []byte {
	for i, c := range extension {
		if c == ';' {
			return trim(extension[:i])
		}
	}
	return extension
}

// Subprotocol returns the value of the first Sec-WebSocket-Protocol field, nil
// without one. It shares b's memory.
func (r *Response) Subprotocol(b []byte) []byte { return r.first(b, KindProtocol) }

// Extensions returns the value of the first Sec-WebSocket-Extensions field, nil
// without one. It shares b's memory.
func (r *Response) Extensions(b []byte) []byte { return r.first(b, KindExtensions) }

func (r *Response) first(b []byte, k Kind) []byte {
	for i := range r.Fields {
		if r.Fields[i].Kind == k {
			return r.Fields[i].Value.Of(b)
		}
	}
	return nil
}
