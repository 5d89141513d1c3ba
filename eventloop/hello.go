package eventloop

import (
	"bytes"

	"wsgate/handshake"
	"wsgate/splice/sys"
)

const (
	// recordHandshake is the first byte of a TLS connection: a handshake
	// record. No HTTP request begins with it.
	recordHandshake = 22
	// helloMax bounds a ClientHello. The largest that browsers send, with
	// post-quantum key shares, have less than 2 KiB.
	helloMax = 16 << 10
)

// readHello reads up to the end of the ClientHello: nothing is spent on a
// connection that stops before that.
func (s *session) readHello(l *Loop) {
	t := s.att
	for {
		if t.in == nil {
			t.in = heads.Get()
		}
		t.in.B = room(t.in.B, helloMax+1)
		n, out := s.recv(l, client, t.in.B[len(t.in.B):cap(t.in.B)])
		switch out {
		case sys.OK:
			t.in.B = t.in.B[:len(t.in.B)+n]
		case sys.WouldBlock:
			if len(t.in.B) == 0 {
				heads.Put(t.in)
				t.in = nil
			}
			return
		default:
			if len(t.in.B) > 0 {
				l.countHandshake(client, "", "eof")
			}
			s.finish(l, out != sys.EOF)
			return
		}
		if t.in.B[0] != recordHandshake {
			t.clear = true
			s.state = reading
			s.readHead(l)
			return
		}
		if helloWhole(t.in.B) || len(t.in.B) > helloMax {
			s.shakeClient(l)
			return
		}
	}
}

// helloWhole tells whether b holds a whole ClientHello (RFC 8446 4), which may
// be spread over records, or something that crypto/tls will refuse.
func helloWhole(b []byte) bool {
	have, want := 0, -1
	var head [4]byte
	for len(b) >= 5 {
		n := int(b[3])<<8 | int(b[4])
		if b[0] != recordHandshake || n == 0 || n > 16<<10 {
			return true
		}
		body := b[5:min(5+n, len(b))]
		if have < len(head) {
			copy(head[have:], body)
		}
		have += len(body)
		if want < 0 && have >= len(head) {
			want = 4 + int(head[1])<<16 + int(head[2])<<8 + int(head[3])
			if head[0] != 1 || want > helloMax {
				return true
			}
		}
		if want >= 0 && have >= want {
			return true
		}
		if len(body) < n {
			return false
		}
		b = b[5+n:]
	}
	return false
}

// helloExpired: the client has not even sent its ClientHello.
func (s *session) helloExpired(l *Loop) {
	if t := s.att; t.in == nil || len(t.in.B) == 0 {
		l.counters.Refusals["silent"]++
	} else {
		l.countHandshake(client, "", "timeout")
	}
	s.finish(l, false)
}

// answerClear answers plain HTTP on a TLS listener whose listener does not
// serve it. The request is whole and valid.
func (s *session) answerClear(l *Loop) {
	t := s.att
	if s.challenged(l) {
		return
	}
	if t.secure.ClearText == Refuse || t.req.Host.Len() == 0 {
		s.refuse(l, errClearText)
		return
	}
	status := 301
	if m := string(t.req.Method.Of(t.in.B)); m != "GET" && m != "HEAD" {
		status = 308 // RFC 9110 15.4.9: the method is kept
	}
	t.back = handshake.AppendRedirect(t.back, status, &t.req, t.in.B, portOf(s.listener))
	s.answerOwn(l, status, "plain_http")
}

// challengePath is where http-01 asks (RFC 8555 8.3).
var challengePath = []byte("/.well-known/acme-challenge/")

// challenged answers an ACME http-01 request.
func (s *session) challenged(l *Loop) bool {
	t := s.att
	path := t.req.Path(t.in.B)
	if t.challenge == nil || s.tls[client] != nil || !bytes.HasPrefix(path, challengePath) {
		return false
	}
	body, ok := t.challenge(string(t.req.Host.Of(t.in.B)), string(path))
	if !ok {
		return false
	}
	t.back = handshake.AppendText(t.back, 200, body)
	s.answerOwn(l, 200, "acme_challenge")
	return true
}

// answerOwn sends the answer of the gateway's own that is in back, and closes.
func (s *session) answerOwn(l *Loop, status int, why string) {
	t := s.att
	s.setClient(l.g.Current())
	t.status = status
	s.logRequest(l, status, 0, why)
	l.counters.Refusals[why]++
	s.state = refusing
	s.setDeadline(l, s.times.Send)
	s.flushRefusal(l)
}
