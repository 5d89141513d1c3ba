package handshake

import "bytes"

// maxMethod is well above the longest registered method, UPDATEREDIRECTREF.
const maxMethod = 32

const protocol = "HTTP/"

// startLine reads the request line (RFC 9112 section 3): three parts with one
// space between them. The state is atLine when it is complete.
func (r *Request) startLine(b []byte, n bounds) fault {
	s := &r.scan
	for s.state < atLine {
		stop := s.stop(len(b), n)
		i := int(s.pos)
		if i >= stop {
			_, f := s.short(stop, n)
			return f
		}
		switch s.state {
		case inMethod:
			for i < stop && class[b[i]]&classMethod != 0 {
				i++
			}
			s.pos = uint32(i)
			if i > maxMethod {
				return faultMethod
			}
			if i == stop {
				continue
			}
			if b[i] != ' ' || i == 0 {
				return badMethod(b[i], i)
			}
			r.Method = Span{0, s.pos}
			s.pos, s.part, s.state = s.pos+1, s.pos+1, inTarget
		case inTarget:
			for i < stop && class[b[i]]&classTarget != 0 {
				i++
			}
			s.pos = uint32(i)
			if i == stop {
				continue
			}
			if b[i] != ' ' || s.pos == s.part {
				return badTarget(b[i])
			}
			r.Target = Span{s.part, s.pos}
			s.pos, s.part, s.state = s.pos+1, s.pos+1, inVersion
		case inVersion:
			f := s.version(b, stop)
			if f != faultNone {
				return f
			}
		case atStartLF:
			if b[i] != '\n' {
				return faultBareCR
			}
			s.pos++
			s.line, s.state = s.pos, atLine
			return r.judge(b)
		}
	}
	return faultNone
}

// version reads the version up to the CR. s.part is where it begins; the CR is
// in front of s.pos when the state is atStartLF.
func (s *scan) version(b []byte, stop int) fault {
	for i := int(s.pos); i < stop; i++ {
		c, at := b[i], i-int(s.part)
		switch {
		case at < len(protocol):
			if c != protocol[at] {
				return badStart(c)
			}
		case c == '\r':
			s.name = Span{s.part, uint32(i)} // lent: no field has been read
			s.pos, s.state = uint32(i)+1, atStartLF
			return faultNone
		case class[c]&classDigit == 0 && c != '.', at > len("HTTP/10.10"):
			return badStart(c)
		}
		s.pos = uint32(i) + 1
	}
	return faultNone
}

// judge looks at the whole request line.
func (r *Request) judge(b []byte) fault {
	switch v := r.scan.name.Of(b); {
	case string(v) == "HTTP/1.1":
		r.Minor = 1
	case string(v) == "HTTP/1.0":
	default:
		return otherVersion(v)
	}
	switch string(r.Method.Of(b)) {
	case "CONNECT", "TRACE":
		// There is no tunnel to ask for here, and TRACE would show a page the
		// fields that the gateway added.
		return faultMethodRefused
	}
	return r.target(b)
}

// otherVersion tells a version that is not spoken here from something that is
// no version. HTTP/1.2 and above do not exist, so there is nobody to be nice to.
func otherVersion(v []byte) fault {
	major, minor, dotted := bytes.Cut(v[len(protocol):], []byte("."))
	if len(major) == 0 || major[0] == '0' || len(major) > 2 || bytes.IndexByte(minor, '.') >= 0 ||
		dotted && len(minor) == 0 || !dotted && string(major) == "1" {
		return faultStartLine
	}
	return faultVersion
}

// target takes the request target apart (RFC 9112 section 3.2). The authority
// form is CONNECT's and has been refused.
func (r *Request) target(b []byte) fault {
	t := r.Target.Of(b)
	switch {
	case t[0] == '/':
	case len(t) == 1 && t[0] == '*':
		if string(r.Method.Of(b)) != "OPTIONS" {
			return faultTarget
		}
		return faultNone
	default:
		if f := r.absolute(t); f != faultNone {
			return f
		}
		t = r.Target.Of(b)
	}
	return badEscape(t)
}

// absolute splits an absolute form: the authority replaces the Host field (RFC
// 9112 section 3.2.2), the rest is the target.
func (r *Request) absolute(t []byte) fault {
	i := bytes.IndexByte(t, ':')
	if i < 0 || !isScheme(t[:i]) || len(t) < i+3 || t[i+1] != '/' || t[i+2] != '/' {
		return faultTarget
	}
	i += 3
	n := len(t)
	if k := bytes.IndexByte(t[i:], '?'); k >= 0 {
		n = i + k
	}
	if k := bytes.IndexByte(t[i:n], '/'); k >= 0 {
		n = i + k
	}
	switch authority := t[i:n]; {
	case bytes.IndexByte(authority, '@') >= 0:
		return faultUserinfo // RFC 9110 section 4.2.4
	case !validHost(authority):
		return faultBadHost
	}
	off := r.Target.Off
	r.Host = Span{off + uint32(i), off + uint32(n)}
	r.Target.Off = off + uint32(n)
	r.RootTarget = n == len(t) || t[n] == '?'
	return faultNone
}

func isScheme(s []byte) bool {
	return fold(s, "http") || fold(s, "https") || fold(s, "ws") || fold(s, "wss")
}

// badEscape looks for a percent sign in the path that two hexadecimal digits do
// not follow. The query is the endpoint's affair.
func badEscape(t []byte) fault {
	for i := 0; i < len(t) && t[i] != '?'; i++ {
		if t[i] == '%' && (i+2 >= len(t) || class[t[i+1]]&class[t[i+2]]&classHex == 0) {
			return faultPathEscape
		}
	}
	return faultNone
}

// badMethod says what is wrong with c at offset i of a method.
func badMethod(c byte, i int) fault {
	switch {
	case i == 0 && (c == '\r' || c == '\n'):
		return faultEmptyLine
	case i == 0 && class[c]&classToken == 0:
		return faultNotHTTP
	case c == '\r':
		return faultStartLine
	case c < ' ' || c == 0x7f:
		return control(c)
	}
	return faultMethod
}

// badTarget says what is wrong with c in or at the end of a target.
func badTarget(c byte) fault {
	switch {
	case c == '\r':
		return faultStartLine // HTTP/0.9
	case c < ' ' || c == 0x7f:
		return control(c)
	}
	return faultTarget
}

// badStart says what is wrong with c in the version or status line.
func badStart(c byte) fault {
	if (c < ' ' || c == 0x7f) && c != '\r' {
		return control(c)
	}
	return faultStartLine
}
