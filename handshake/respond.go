package handshake

import "strconv"

// AppendUpgrade appends the 101 for the client. r is a done Response that
// CheckUpgrade has accepted and b the buffer it was parsed from; dst must not
// overlap b. End-to-end fields go on byte for byte and in order, hop-by-hop
// fields, those named in Connection and framing fields are left out, Connection
// and Upgrade are written anew. It does not allocate when dst has room.
func (r *Response) AppendUpgrade(dst, b []byte, rules *Rules) []byte {
	dst = r.appendStatus(dst, b)
	dst = r.appendFields(dst, b, rules)
	dst = append(dst, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	if rules != nil {
		dst = appendSet(dst, rules.ResponseSet)
	}
	return append(dst, crlf...)
}

// AppendHead appends any other head for the client, as HTTP/1.1. r is a done
// Response and b the buffer it was parsed from; dst must not overlap b.
// End-to-end fields go on byte for byte and in order, and so do the fields that
// frame the body, which is to follow as it comes (for a status that cannot have
// a body they are left out). Hop-by-hop fields and those named in Connection are
// left out.
//
// keepAlive tells whether the client's connection is kept; without it, and when
// only the end of the connection ends the body, Connection: close is written,
// and the caller must then close. A 1xx head gets neither that nor the rules'
// fields: the final one will. It does not allocate when dst has room.
func (r *Response) AppendHead(dst, b []byte, keepAlive bool, rules *Rules) []byte {
	dst = r.appendStatus(dst, b)
	dst = r.appendFields(dst, b, rules)
	if r.Status >= 200 {
		if !keepAlive || r.Body.Kind == UntilClose {
			dst = append(dst, "Connection: close\r\n"...)
		}
		if rules != nil {
			dst = appendSet(dst, rules.ResponseSet)
		}
	}
	return append(dst, crlf...)
}

func (r *Response) appendStatus(dst, b []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, ' ') // RFC 9112 section 4: also before an empty reason
	dst = append(dst, r.Reason.Of(b)...)
	return append(dst, crlf...)
}

// appendFields appends the fields that are passed on.
func (r *Response) appendFields(dst, b []byte, rules *Rules) []byte {
	run := run{fields: r.Fields, end: uint32(r.HeadLen) - 2, first: -1}
	for i := range r.Fields {
		f := &r.Fields[i]
		keep := !f.hop
		switch f.Kind {
		case KindContentLength:
			keep = !r.bodiless()
		case KindTransferEncoding:
			// It says how the body is framed that follows as it comes.
			keep = !r.bodiless()
		case KindTrailer:
			keep = r.Body.Kind == Chunked // announces what follows as it comes
		default:
			if rules != nil && kindTraits[f.Kind]&traitReserved == 0 && rules.hidesResponse(f.Name.Of(b)) {
				keep = false
			}
		}
		if keep {
			run.keep(i)
		} else {
			dst = run.flush(dst, b, i)
		}
	}
	return run.flush(dst, b, len(r.Fields))
}

// AppendError appends a whole answer for e: head and a body of one line of text.
// retryAfter is in seconds and left out when it is not positive. With close the
// answer says Connection: close and the caller must close after it. The answer
// to a HEAD request must be cut after its head. It does not allocate when dst
// has room (500 bytes will do for every error of this package).
func AppendError(dst []byte, e *Error, retryAfter int, close bool) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(e.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, statusText(e.Status)...)
	dst = append(dst, "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(e.Detail)+1), 10)
	dst = append(dst, crlf...)
	if retryAfter > 0 {
		dst = append(dst, "Retry-After: "...)
		dst = strconv.AppendInt(dst, int64(retryAfter), 10)
		dst = append(dst, crlf...)
	}
	switch e.Status {
	case 405:
		dst = append(dst, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"...)
	case 426:
		// RFC 6455 section 4.4; RFC 9110 section 15.5.22 asks for Upgrade, too.
		dst = append(dst, "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"...)
	}
	if close {
		dst = append(dst, "Connection: close\r\n"...)
	}
	dst = append(dst, crlf...)
	dst = append(dst, e.Detail...)
	return append(dst, '\n')
}

// statusText is the reason phrase of the statuses that errors have.
func statusText(status int) string {
	switch status {
	case 400:
		return "Bad Request"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 408:
		return "Request Timeout"
	case 413:
		return "Content Too Large"
	case 414:
		return "URI Too Long"
	case 417:
		return "Expectation Failed"
	case 421:
		return "Misdirected Request"
	case 426:
		return "Upgrade Required"
	case 429:
		return "Too Many Requests"
	case 431:
		return "Request Header Fields Too Large"
	case 500:
		return "Internal Server Error"
	case 501:
		return "Not Implemented"
	case 502:
		return "Bad Gateway"
	case 503:
		return "Service Unavailable"
	case 504:
		return "Gateway Timeout"
	case 505:
		return "HTTP Version Not Supported"
	}
	return "Error"
}

// AppendRedirect appends a whole answer that sends the client to the https URL of
// its request: the same host and target, and the port that the Host field names,
// or else port, if that is not empty. r is a done Request with a Host, which
// Parse has checked, and b the buffer it was parsed from. The answer says
// Connection: close and, to a HEAD request, has no body.
func AppendRedirect(dst []byte, status int, r *Request, b []byte, port string) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	if status == 308 {
		dst = append(dst, " Permanent Redirect\r\nLocation: https://"...)
	} else {
		dst = append(dst, " Moved Permanently\r\nLocation: https://"...)
	}
	host := r.Host.Of(b)
	dst = append(dst, host...)
	if port != "" && !namesPort(host) {
		dst = append(dst, ':')
		dst = append(dst, port...)
	}
	if string(r.Target.Of(b)) == "*" {
		dst = append(dst, '/')
	} else {
		dst = r.AppendTarget(dst, b)
	}
	const body = "this port speaks HTTPS\n"
	dst = append(dst, "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\nConnection: close\r\n\r\n"...)
	if string(r.Method.Of(b)) == "HEAD" {
		return dst
	}
	return append(dst, body...)
}

// namesPort tells whether a Host value names a port.
func namesPort(host []byte) bool {
	for i := len(host) - 1; i >= 0; i-- {
		switch host[i] {
		case ':':
			return true
		case ']':
			return false
		}
	}
	return false
}

// AppendText appends a whole answer with a body of text; it says Connection:
// close.
func AppendText(dst []byte, status int, body string) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, " OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\nConnection: close\r\n\r\n"...)
	return append(dst, body...)
}
