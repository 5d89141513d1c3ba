package eventloop

import (
	"wsgate/eventloop/record"
	"wsgate/handshake"
	"wsgate/splice"
	"wsgate/splice/sys"
)

type buffer = splice.Buffer

// headSize is the capacity of a fresh head buffer: room for the request heads
// that browsers send. A longer head grows its buffer up to the limit.
const headSize = 2 << 10

// heads is the pool of the head buffers of all loops.
var heads = splice.Pool{Size: headSize}

// readHead reads and parses the request head, as much of it as there is.
func (s *session) readHead(l *Loop) {
	t := s.att
	lim := &l.g.Current().Limits.Head
	for {
		if t.in != nil && len(t.in.B) > 0 {
			if s.parseHead(l, lim) {
				return
			}
		}
		if t.in == nil {
			t.in = heads.Get()
		}
		if t.in.B = room(t.in.B, lim.Head); len(t.in.B) == cap(t.in.B) {
			s.refuse(l, errHeadTooLarge)
			return
		}
		n, out := s.recv(l, client, t.in.B[len(t.in.B):cap(t.in.B)])
		switch out {
		case sys.OK:
			if len(t.in.B) == 0 && s.requests > 0 {
				// The first byte of a further request ends the keep-alive wait.
				s.setDeadline(l, s.times.RequestHead)
			}
			t.in.B = t.in.B[:len(t.in.B)+n]
		case sys.WouldBlock:
			if len(t.in.B) == 0 {
				heads.Put(t.in)
				t.in = nil
			}
			return
		case sys.EOF:
			s.headEnded(l)
			return
		default:
			s.finish(l, !s.alert(l, client))
			return
		}
	}
}

// room returns b with space for more, growing it up to limit bytes.
func room(b []byte, limit int) []byte {
	if len(b) < cap(b) || cap(b) >= limit {
		return b
	}
	grown := make([]byte, len(b), min(2*cap(b), limit))
	copy(grown, b)
	return grown
}

// parseHead goes on parsing. It returns true when the session has moved on.
func (s *session) parseHead(l *Loop, lim *handshake.Limits) bool {
	t := s.att
	done, bad := t.req.Parse(t.in.B, lim)
	if bad != nil {
		s.refuse(l, bad)
		return true
	}
	if !done {
		return false
	}
	if t.clear && t.secure.ClearText != Serve {
		s.answerClear(l)
		return true
	}
	if !t.req.Upgrade {
		if !s.challenged(l) {
			l.handOff(s)
		}
		return true
	}
	s.upgrade(l)
	return true
}

// headEnded: the client ended its stream before its request was whole.
func (s *session) headEnded(l *Loop) {
	if len(s.att.in.B) == 0 {
		s.finish(l, false)
		return
	}
	s.refuse(l, errHeadTruncated)
}

// headExpired: a request that began gets its answer, silence gets none.
func (s *session) headExpired(l *Loop) {
	t := s.att
	if t.in == nil || len(t.in.B) == 0 {
		if s.requests == 0 {
			l.counters.Refusals["silent"]++
		}
		s.finish(l, false)
		return
	}
	s.refuse(l, handshake.ErrHeadTimeout)
}

// nextRequest takes up the request behind the one that has been answered.
func (s *session) nextRequest(l *Loop) {
	t := s.att
	rest := t.in.B[t.req.HeadLen:]
	n := copy(t.in.B, rest)
	t.in.B = t.in.B[:n]
	if t.out != nil {
		heads.Put(t.out)
		t.out = nil
	}
	if t.rin != nil {
		heads.Put(t.rin)
		t.rin = nil
	}
	t.reset()
	s.requests++
	s.route, s.endpoint = nil, nil
	s.state = reading
	s.setDeadline(l, s.times.Keepalive)
	if n > 0 {
		s.setDeadline(l, s.times.RequestHead)
	}
	l.later(s)
}

// setClient notes who the request is for.
func (s *session) setClient(g *Generation) {
	t := s.att
	s.client = t.req.ClientAddr(t.in.B, t.peer.Addr(), g.Trusted)
}

// phase names what the session is doing, for the log.
func (s *session) phase() record.Phase {
	switch s.state {
	case greeting, shaking:
		return record.PhaseTLS
	case reading:
		return record.PhaseHead
	case connecting:
		return record.PhaseConnect
	case awaiting:
		return record.PhaseUpgrade
	case relaying:
		return s.relay.Phase()
	}
	return record.PhaseAnswer
}
