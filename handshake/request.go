package handshake

import "bytes"

// Request is a request head, read in place: every Span is into the buffer that
// was parsed. The zero value is ready for Parse; Reset makes it so again and
// keeps the memory of Fields. All fields but Method are meaningful only after
// Parse has returned done.
type Request struct {
	Method Span
	// Target is the request target in origin form, as sent, or "*". For an absolute
	// form it is what follows the authority; see RootTarget.
	Target Span
	// RootTarget tells that Target, from an absolute form without a path, lacks its
	// leading "/": it is empty or begins with "?". AppendTarget puts it right.
	RootTarget bool
	// Host is the authority of an absolute form, else the Host field; empty only in
	// HTTP/1.0.
	Host  Span
	Minor uint8 // of HTTP/1.x: 0 or 1

	// Fields are all field lines in order.
	Fields []Field
	// HeadLen is the length of the head in bytes, with the empty line.
	HeadLen int

	// Upgrade tells that this is a WebSocket upgrade request in which everything
	// that RFC 6455 section 4.2.1 asks for was found to be right.
	Upgrade        bool
	KeepAlive      bool    // the client wants the connection kept (RFC 9112 section 9.3)
	ExpectContinue bool    // the client waits for 100 before it sends the body
	Body           Framing // what follows the head
	Key            Span    // Sec-WebSocket-Key; checked when Upgrade is set
	Origin         Span    // the Origin field
	UserAgent      Span    // the first User-Agent field

	scan scan
	seen seen
}

// Reset makes r ready for another head. The memory of Fields is kept.
func (r *Request) Reset() { *r = Request{Fields: r.Fields[:0]} }

// Parse reads on in b, which holds everything of the head that has arrived: the
// same bytes as at the last call, wherever they are now, and those that came
// since. It returns done when the head is complete; HeadLen says where the body
// begins. Without done and err more bytes are needed. An error is found with
// the first byte that makes it certain, is the same however the bytes were cut
// into pieces, and is returned again by every later call.
//
// Every byte is looked at once over all calls. Parse allocates only while
// Fields grows, at most to lim.Fields.
func (r *Request) Parse(b []byte, lim *Limits) (done bool, err *Error) {
	if r.scan.fault == faultNone && r.scan.state != atDone {
		r.scan.fault = r.parse(b, lim.bounds())
	}
	return r.scan.fault == faultNone && r.scan.state == atDone, r.scan.fault.inRequest()
}

func (r *Request) parse(b []byte, n bounds) fault {
	if r.scan.state < atLine {
		if f := r.startLine(b, n); f != faultNone || r.scan.state < atLine {
			return f
		}
	}
	for {
		ev, f := r.scan.next(b, n)
		switch {
		case f != faultNone || ev == more:
			return f
		case ev == end:
			r.HeadLen = int(r.scan.pos)
			return r.finish(b)
		case len(r.Fields) == n.fields:
			return faultTooManyFields
		}
		if f := r.take(b); f != faultNone {
			return f
		}
	}
}

// take notes the field line just read.
func (r *Request) take(b []byte) fault {
	name, value := r.scan.name, r.scan.value
	k, f := classify(name.Of(b))
	if f != faultNone {
		return f
	}
	r.Fields = append(r.Fields, Field{Name: name, Value: value, Kind: k, hop: kindTraits[k]&traitHop != 0})
	v, s := value.Of(b), &r.seen
	switch k {
	case KindHost:
		switch {
		case s.has(isHost):
			return faultTwoHosts // RFC 9112 section 3.2
		case !validHost(v):
			return faultBadHost
		}
		s.is |= isHost
		if r.Host.Len() == 0 { // the authority of an absolute form goes first
			r.Host = value
		}
	case KindKey:
		if s.has(isKey) {
			s.is |= isTwoKeys
		}
		s.is |= isKey
		r.Key = value
	case KindVersion:
		s.version(v)
	case KindOrigin:
		// One would be checked here and another by the endpoint.
		if s.has(isOrigin) {
			return faultTwoOrigins
		}
		s.is |= isOrigin
		r.Origin = value
	case KindUserAgent:
		if r.UserAgent.Len() == 0 {
			r.UserAgent = value
		}
	case KindExpect:
		if !fold(v, "100-continue") { // RFC 9110 section 10.1.1
			return faultExpect
		}
		s.is |= isContinue
	default:
		return s.take(k, v, r.Minor)
	}
	return faultNone
}

// finish judges the head as a whole.
func (r *Request) finish(b []byte) fault {
	s := &r.seen
	if r.Minor == 1 && !s.has(isHost) {
		return faultNoHost // RFC 9112 section 3.2; with an absolute form, too
	}
	if s.options > 0 {
		dropNamed(b, r.Fields)
	}
	r.KeepAlive = s.persistent(r.Minor)
	r.Body = s.framing(NoBody)
	r.ExpectContinue = s.has(isContinue) && r.Minor == 1
	// HTTP/1.0 has no Upgrade (RFC 9110 section 7.8), and without the Connection
	// option the field was not meant for this hop.
	if r.Minor == 1 && s.has(isWebSocket|isConnUpgrade) {
		if f := r.checkUpgrade(b); f != faultNone {
			return f
		}
		r.Upgrade = true
	}
	return faultNone
}

// AppendTarget appends the target in origin form, or "*".
func (r *Request) AppendTarget(dst, b []byte) []byte {
	if r.RootTarget {
		dst = append(dst, '/')
	}
	return append(dst, r.Target.Of(b)...)
}

// Path returns the path of the target, without the query, as NormalizePath
// takes it.
func (r *Request) Path(b []byte) []byte {
	if r.RootTarget {
		return rootPath
	}
	path := r.Target.Of(b)
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		path = path[:i:i]
	}
	return path
}

var rootPath = []byte("/")
