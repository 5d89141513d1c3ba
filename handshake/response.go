package handshake

// Response is the head of an endpoint's answer, read in place as a Request is.
// The zero value is ready for Parse; Reset makes it so again and keeps the
// memory of Fields. All fields are meaningful only after Parse has returned done.
type Response struct {
	Status int   // 100 to 999
	Minor  uint8 // of HTTP/1.x: 0 or 1
	Reason Span  // may be empty

	Fields    []Field // all field lines in order
	HeadLen   int     // of the head in bytes, with the empty line
	Body      Framing // what follows the head
	KeepAlive bool    // the endpoint keeps the connection after this message

	accept Span
	scan   scan
	seen   seen
}

// Reset makes r ready for another head. The memory of Fields is kept.
func (r *Response) Reset() { *r = Response{Fields: r.Fields[:0]} }

// Parse is Request.Parse for a response head. headRequest tells that the request
// was a HEAD, whose response has no body whatever its fields say. Every error has
// the status 502.
func (r *Response) Parse(b []byte, lim *Limits, headRequest bool) (done bool, err *Error) {
	if r.scan.state == inMethod {
		r.scan.state = inProto
	}
	if r.scan.fault == faultNone && r.scan.state != atDone {
		r.scan.fault = r.parse(b, lim.bounds(), headRequest)
	}
	return r.scan.fault == faultNone && r.scan.state == atDone, r.scan.fault.inResponse()
}

func (r *Response) parse(b []byte, n bounds, headRequest bool) fault {
	if r.scan.state < atLine {
		if f := r.statusLine(b, n); f != faultNone || r.scan.state < atLine {
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
			r.finish(b, headRequest)
			return faultNone
		case len(r.Fields) == n.fields:
			return faultTooManyFields
		}
		if f := r.take(b); f != faultNone {
			return f
		}
	}
}

// take notes the field line just read.
func (r *Response) take(b []byte) fault {
	name, value := r.scan.name, r.scan.value
	k, f := classify(name.Of(b))
	if f != faultNone {
		return f
	}
	r.Fields = append(r.Fields, Field{Name: name, Value: value, Kind: k, hop: kindTraits[k]&traitHop != 0})
	if k == KindAccept {
		if r.seen.has(isAccept) {
			r.seen.is |= isTwoAccepts
		}
		r.seen.is |= isAccept
		r.accept = value
		return faultNone
	}
	return r.seen.take(k, value.Of(b), r.Minor)
}

// finish judges the head as a whole (RFC 9112 section 6.3).
func (r *Response) finish(b []byte, headRequest bool) {
	s := &r.seen
	if s.options > 0 {
		dropNamed(b, r.Fields)
	}
	if !headRequest && !r.bodiless() && r.Status != 304 {
		r.Body = s.framing(UntilClose)
	}
	r.KeepAlive = s.persistent(r.Minor) && r.Body.Kind != UntilClose
}

// bodiless tells that neither a body nor framing fields belong to the status
// (RFC 9110 sections 8.6 and 15.3.5, RFC 9112 section 6.1).
func (r *Response) bodiless() bool { return r.Status < 200 || r.Status == 204 }

// statusLine reads the status line (RFC 9112 section 4). The state is atLine
// when it is complete. The reason may be empty and the space before it missing.
func (r *Response) statusLine(b []byte, n bounds) fault {
	s := &r.scan
	for s.state < atLine {
		stop := s.stop(len(b), n)
		i := int(s.pos)
		if i >= stop {
			_, f := s.short(stop, n)
			return f
		}
		switch s.state {
		case inProto:
			const want = "HTTP/1.x "
			switch c := b[i]; {
			case want[i] == 'x' && (c == '0' || c == '1'):
				r.Minor = c - '0'
			case want[i] != c:
				return badStatus(c, i)
			}
			if s.pos++; int(s.pos) == len(want) {
				s.part, s.state = s.pos, inStatus
			}
		case inStatus:
			c, at := b[i], s.pos-s.part
			switch {
			case at < 3 && class[c]&classDigit != 0 && (at > 0 || c != '0'):
				r.Status = r.Status*10 + int(c-'0')
			case at == 3 && (c == ' ' || c == '\r'):
				s.state = inReason
				s.part = s.pos + 1
				if c == '\r' {
					s.part, s.state = s.pos, atStartLF
				}
			default:
				return badStart(c)
			}
			s.pos++
		case inReason:
			i = valueEnd(b, i, stop)
			if s.pos = uint32(i); i == stop {
				continue
			}
			if b[i] != '\r' {
				return control(b[i])
			}
			r.Reason = trimmed(b, s.part, s.pos)
			s.pos, s.state = s.pos+1, atStartLF
		case atStartLF:
			if b[i] != '\n' {
				return faultBareCR
			}
			s.pos++
			s.line, s.state = s.pos, atLine
		}
	}
	return faultNone
}

// badStatus says what is wrong with c at offset i of "HTTP/1.x ".
func badStatus(c byte, i int) fault {
	switch {
	case i < len(protocol):
		return faultNotHTTP
	case i < len("HTTP/1.x") && class[c]&classDigit != 0:
		return faultVersion
	}
	return badStart(c)
}
