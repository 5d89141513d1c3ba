package eventloop

import (
	"time"

	"wsgate/eventloop/record"
	"wsgate/handshake"
	"wsgate/splice/sys"
)

const (
	// retryAfter is what a refusal for want of something asks for, in seconds.
	retryAfter = 5
	// lingerTime is how long a connection is read after the last answer, so
	// that the kernel does not answer late bytes with a RST that would destroy
	// the answer on its way (RFC 9112 9.6).
	lingerTime = 2 * time.Second
	// lingerMax bounds the connections that linger in one loop.
	lingerMax = 256
)

// refuse sends the gateway's own answer. A request that was whole and valid
// leaves the connection usable; anything else closes it.
func (s *session) refuse(l *Loop, e *handshake.Error) {
	t := s.att
	whole := t.req.Upgrade && t.began != 0
	t.keep = whole && t.req.KeepAlive && !l.g.draining.Load()
	wait := 0
	if e.Status == 503 || e.Status == 429 {
		wait = retryAfter
	}
	t.refusal, t.status = e, e.Status
	if !s.client.IsValid() {
		s.client = t.peer.Addr() // the request was never understood
	}
	s.logRequest(l, e.Status, refusedBy(e), e.Reason)
	s.closeUpstream(l, true)
	l.counters.Refusals[e.Reason]++
	if whole {
		l.counters.Upgrades["refused"]++
	}
	t.back = handshake.AppendError(t.back, e, wait, !t.keep)
	s.state = refusing
	s.setDeadline(l, s.times.Send)
	s.flushRefusal(l)
}

// refusedBy names whose fault a refusal is.
func refusedBy(e *handshake.Error) record.Who {
	switch e.Status {
	case 502, 504:
		return record.Upstream
	case 429, 503:
		return record.Gateway
	}
	return record.Client
}

func (s *session) flushRefusal(l *Loop) {
	if !s.flushBack(l) {
		return
	}
	s.answered(l)
}

// answered: the answer is with the kernel. The connection goes on with the
// next request, or closes.
func (s *session) answered(l *Loop) {
	s.closeUpstream(l, false)
	if s.att.keep {
		s.nextRequest(l)
		return
	}
	l.worker.Codec.Shutdown(s.end(client))
	if l.lingering >= lingerMax {
		s.drainOnce(l)
		s.finish(l, false)
		return
	}
	l.lingering++
	s.state = lingering
	s.setDeadline(l, lingerTime)
	s.linger(l)
}

// linger reads and throws away until the client has closed.
func (s *session) linger(l *Loop) {
	for range 8 {
		n, out, _ := l.worker.IO.Read(int(s.fd[client]), l.discard())
		if out == sys.WouldBlock {
			return
		}
		if out != sys.OK {
			s.finish(l, false)
			return
		}
		s.att.received += uint64(n)
	}
	if s.att.received > 1<<20 {
		s.finish(l, true)
		return
	}
	l.later(s)
}

func (s *session) drainOnce(l *Loop) {
	l.worker.IO.Read(int(s.fd[client]), l.discard())
}

// discard returns memory to read into what nobody wants.
func (l *Loop) discard() []byte {
	if cap(l.tmp) < 4<<10 {
		l.tmp = make([]byte, 0, 4<<10)
	}
	return l.tmp[:cap(l.tmp)]
}

// startAnswer passes on a final answer other than 101: its head rewritten,
// its body as it is framed.
func (s *session) startAnswer(l *Loop) {
	t := s.att
	resp := &t.resp
	t.status = resp.Status
	t.keep = t.req.KeepAlive && resp.Body.Kind != handshake.UntilClose && !l.g.draining.Load()
	t.back = resp.AppendHead(t.back, t.rin.B, t.keep, s.route.Rules)
	t.body.Init(resp.Body)
	n, _, bad := t.body.Consume(t.rin.B[resp.HeadLen:])
	t.sentBody = uint64(n)
	t.ahead = t.rin.B[resp.HeadLen : resp.HeadLen+n]
	s.state = answering
	l.counters.Upgrades[outcome(t.status)]++
	if bad != nil {
		s.answerBroken(l)
		return
	}
	s.setDeadline(l, s.times.Response)
	s.passAnswer(l)
}

func outcome(status int) string {
	switch {
	case status < 300:
		return "2xx"
	case status < 400:
		return "3xx"
	case status < 500:
		return "4xx"
	}
	return "5xx"
}

// passAnswer moves the answer: write what there is, read what comes.
func (s *session) passAnswer(l *Loop) {
	t := s.att
	budget := turnBudget
	for {
		if !s.flushBack(l) || !s.flushAhead(l) {
			if s.state == answering {
				s.setDeadline(l, s.times.Send)
			}
			return
		}
		if t.body.Done() {
			s.endAnswer(l)
			return
		}
		if budget <= 0 {
			l.later(s)
			return
		}
		t.rin.B = t.rin.B[:cap(t.rin.B)]
		n, out := s.recv(l, upstream, t.rin.B)
		switch {
		case out == sys.OK:
			m, _, bad := t.body.Consume(t.rin.B[:n])
			t.ahead = t.rin.B[:m]
			t.sentBody += uint64(m)
			if bad != nil {
				s.answerBroken(l)
				return
			}
			budget -= n
			s.setDeadline(l, s.times.Response)
		case out == sys.WouldBlock:
			return
		case out == sys.EOF && t.resp.Body.Kind == handshake.UntilClose:
			t.keep = false
			s.endAnswer(l)
			return
		default:
			s.answerBroken(l)
			return
		}
	}
}

// flushAhead writes the body bytes at hand; false when the client is slow.
func (s *session) flushAhead(l *Loop) bool {
	t := s.att
	for len(t.ahead) > 0 {
		n, out := s.send(l, client, t.ahead)
		switch out {
		case sys.OK:
			t.ahead = t.ahead[n:]
		case sys.WouldBlock:
			return false
		default:
			s.logRequest(l, t.status, record.Client, "client_gone")
			s.finish(l, true)
			return false
		}
	}
	return true
}

func (s *session) endAnswer(l *Loop) {
	s.logRequest(l, s.att.status, 0, "")
	s.answered(l)
}

// answerBroken: the endpoint's body ended early or is malformed. The client
// must not take what it has for a whole answer, so the connection is cut.
func (s *session) answerBroken(l *Loop) {
	s.flushBack(l)
	s.logRequest(l, s.att.status, record.Upstream, "answer_cut")
	s.finish(l, true)
}

func (s *session) answerExpired(l *Loop) {
	who, why := record.Upstream, "response_timeout"
	if len(s.att.back) > 0 || len(s.att.ahead) > 0 {
		who, why = record.Client, "send_timeout"
	}
	s.logRequest(l, s.att.status, who, why)
	s.finish(l, true)
}
