package eventloop

import (
	"time"

	"wsgate/eventloop/record"
	sm "wsgate/eventloop/session"
	"wsgate/handshake"
	"wsgate/splice/sys"
)

// upgrade takes a whole, valid upgrade request: route it, rewrite it, and try
// endpoints until one has answered.
func (s *session) upgrade(l *Loop) {
	t := s.att
	g := l.g.Current()
	s.times = g.Timeouts
	t.began = l.now
	t.until = l.now + int64(s.times.Upgrade)
	s.setClient(g)
	in := t.in.B
	r, scratch, bad := g.Routes.Match(t.req.Host.Of(in), t.req.Path(in), l.tmp)
	l.tmp = scratch
	if bad != nil {
		s.refuse(l, bad)
		return
	}
	s.route = r
	t.pool = r.Pool
	id := handshake.Identity{
		Peer:      t.peer.Addr(),
		Client:    s.client,
		Trusted:   t.peer.IsValid() && g.Trusted(t.peer.Addr()),
		TLS:       s.tls[client] != nil,
		Forwarded: r.Forwarded,
	}
	if s.info != nil {
		id.CertSubject, id.CertFingerprint = s.info.Subject, s.info.Fingerprint
	}
	t.out = heads.Get()
	t.out.B = t.req.AppendUpgrade(t.out.B, in, &id, r.Rules)
	s.act(l, t.up.Step(sm.Routed))
}

// act performs what the upgrade machine decided.
func (s *session) act(l *Loop, a sm.Action) {
	t := s.att
	switch a {
	case sm.Pick:
		s.connect(l)
	case sm.Open:
		s.open(l)
	case sm.PassAnswer:
		s.startAnswer(l)
	case sm.Refuse502:
		s.refuse(l, s.refusalOr(handshake.ErrBadGateway))
	case sm.Refuse503:
		s.refuse(l, handshake.ErrNoEndpoint)
	case sm.Refuse503Own:
		s.refuse(l, handshake.ErrNoResource)
	case sm.Refuse504:
		s.refuse(l, handshake.ErrUpstreamTimeout)
	case sm.Abort:
		s.logRequest(l, 0, record.Client, "client_gone")
		s.finish(l, true)
	case sm.Drop, sm.PassInterim:
		if a == sm.PassInterim {
			t.back = t.resp.AppendHead(t.back, t.rin.B, true, nil)
			s.flushBack(l)
		}
		n := copy(t.rin.B, t.rin.B[t.resp.HeadLen:])
		t.rin.B = t.rin.B[:n]
		t.resp.Reset()
	}
}

// refusalOr returns the reason noted by the answer's parser, if there is one.
func (s *session) refusalOr(e *handshake.Error) *handshake.Error {
	if s.att.refusal != nil {
		return s.att.refusal
	}
	return e
}

// connect picks the next endpoint and starts connecting to it.
func (s *session) connect(l *Loop) {
	t := s.att
	for {
		ep, ok := t.pool.Pick(&t.tried)
		if !ok {
			s.act(l, t.up.Step(sm.NoneLeft))
			return
		}
		t.up.Step(sm.Connecting)
		s.endpoint = ep
		ep.Acquire()
		s.leased = true
		fd, out, errno := sys.Connect(ep.Target.(*sys.SockAddr))
		if out == sys.OK {
			s.fd[upstream] = int32(fd)
			if err := l.watch(s, upstream); err != nil {
				s.closeUpstream(l, true)
				s.act(l, t.up.Step(sm.NoResources))
				return
			}
			break
		}
		s.closeUpstream(l, true)
		if out == sys.NoResource {
			l.wanting("connect to "+ep.Address, errno)
			s.act(l, t.up.Step(sm.NoResources))
			return
		}
		s.tryFailed(l, "connect")
		if a := t.up.Step(sm.ConnectFailed); a != sm.Pick {
			s.act(l, a)
			return
		}
	}
	s.state = connecting
	t.sent, t.linked = 0, false
	t.dial = l.now
	s.armUpgrade(l)
	if t.pool.TLS != nil {
		s.shakeUpstream(l)
		return
	}
	// The kernel may have finished the handshake within connect (loopback), and
	// a write tells for the price of one system call what an event would.
	s.sendRequest(l)
}

// tryFailed counts an endpoint that is given up.
func (s *session) tryFailed(l *Loop, why string) {
	s.endpoint.Failed(why)
	l.counters.Retries[why]++
}

// armUpgrade sets the deadline: the whole upgrade's, or the present connect's.
func (s *session) armUpgrade(l *Loop) {
	t := s.att
	at := t.until
	if s.state == connecting && !t.linked {
		at = min(at, t.dial+int64(s.times.Connect))
	}
	l.wheel.set(s, at)
}

// sendRequest writes the rewritten request.
func (s *session) sendRequest(l *Loop) {
	t := s.att
	for t.sent < len(t.out.B) {
		n, out := s.send(l, upstream, t.out.B[t.sent:])
		switch out {
		case sys.OK:
			t.sent += n
			s.linked(l)
		case sys.WouldBlock:
			return
		default:
			if t.sent == 0 {
				s.upstreamFailed(l, "connect", sm.ConnectFailed)
			} else {
				// An endpoint may refuse without reading all: its answer counts.
				t.sent = len(t.out.B)
				s.hup[upstream] = true
				s.state = awaiting
				s.readAnswer(l)
			}
			return
		}
	}
	s.state = awaiting
	t.up.Step(sm.Sent)
}

// linked notes that the endpoint has taken the connection.
func (s *session) linked(l *Loop) {
	if t := s.att; !t.linked {
		t.linked = true
		s.armUpgrade(l)
	}
}

// upstreamFailed gives up the present endpoint.
func (s *session) upstreamFailed(l *Loop, why string, e sm.UpgradeEvent) {
	s.closeUpstream(l, true)
	s.tryFailed(l, why)
	s.act(l, s.att.up.Step(e))
}

// upgradeReady handles events while an endpoint is being asked.
func (s *session) upgradeReady(l *Loop, sd side, events uint32) {
	if sd == client {
		s.clientWhileAsking(l, events)
		return
	}
	if h := s.att.shake; h != nil {
		s.shakeReady(l, h, events)
		return
	}
	if s.state == connecting {
		s.sendRequest(l)
	}
	if (s.state == awaiting || s.state == connecting) && s.fd[upstream] >= 0 &&
		events&(sys.In|sys.ReadHup|sys.Hup|sys.Err) != 0 && s.att.sent > 0 {
		s.readAnswer(l)
	}
}

// clientWhileAsking: bytes behind the request stay in the socket; a FIN is a
// half-close and passed on after the 101; a RST ends the session.
func (s *session) clientWhileAsking(l *Loop, events uint32) {
	if len(s.att.back) > 0 && events&sys.Out != 0 {
		s.flushBack(l)
		return
	}
	if events&(sys.Err|sys.Hup) != 0 {
		s.closeUpstream(l, true)
		s.act(l, s.att.up.Step(sm.ClientGone))
	}
}

// readAnswer reads and judges the response head.
func (s *session) readAnswer(l *Loop) {
	t := s.att
	lim := &l.g.Current().Limits.Head
	for s.state == awaiting || s.state == connecting {
		if t.rin == nil {
			t.rin = heads.Get()
		}
		if len(t.rin.B) > 0 {
			if s.judgeAnswer(l, lim) {
				continue
			}
		}
		if s.state != awaiting && s.state != connecting {
			return
		}
		t.rin.B = room(t.rin.B, lim.Head)
		if len(t.rin.B) == cap(t.rin.B) {
			t.refusal = errResponseTooLarge
			s.act(l, t.up.Step(sm.AnswerGarbage))
			return
		}
		n, out := s.recv(l, upstream, t.rin.B[len(t.rin.B):cap(t.rin.B)])
		switch out {
		case sys.OK:
			t.up.Answered()
			t.rin.B = t.rin.B[:len(t.rin.B)+n]
		case sys.WouldBlock:
			return
		default:
			why := "reset"
			if out == sys.EOF {
				why = "eof"
			}
			if s.alert(l, upstream) {
				why = "tls"
			}
			s.upstreamFailed(l, why, sm.UpstreamEnded)
			return
		}
	}
}

// judgeAnswer parses what has come of the response. It returns true when
// there may be another head behind an interim one.
func (s *session) judgeAnswer(l *Loop, lim *handshake.Limits) bool {
	t := s.att
	done, bad := t.resp.Parse(t.rin.B, lim, false)
	if bad != nil {
		t.refusal = bad
		s.endpoint.Failed("garbage")
		s.act(l, t.up.Step(sm.AnswerGarbage))
		return false
	}
	if !done {
		return false
	}
	switch st := t.resp.Status; {
	case st == 101:
		if bad := t.resp.CheckUpgrade(t.rin.B, t.req.Key.Of(t.in.B)); bad != nil {
			t.refusal = bad
			s.endpoint.Failed("bad_101")
			s.act(l, t.up.Step(sm.AnswerBad101))
			return false
		}
		s.act(l, t.up.Step(sm.Answer101))
		return false
	case st == 100:
		s.act(l, t.up.Step(sm.Answer100))
		return s.state == awaiting && len(t.rin.B) > 0
	case st < 200:
		s.act(l, t.up.Step(sm.Answer1xx))
		return s.state == awaiting && len(t.rin.B) > 0
	}
	s.act(l, t.up.Step(sm.AnswerOther))
	return false
}

// upgradeExpired: the connect has its own deadline, the upgrade has one over
// all endpoints.
func (s *session) upgradeExpired(l *Loop) {
	t := s.att
	if l.now < t.until && s.state == connecting && !t.linked {
		s.upstreamFailed(l, "connect_timeout", sm.ConnectExpired)
		return
	}
	s.endpoint.Failed("timeout")
	s.closeUpstream(l, true)
	s.act(l, t.up.Step(sm.UpgradeExpired))
}

// flushBack writes bytes for the client that the gateway made. What the
// client does not take waits for its readiness.
func (s *session) flushBack(l *Loop) bool {
	t := s.att
	if len(t.back) == 0 {
		return true
	}
	n, out := s.send(l, client, t.back)
	switch out {
	case sys.OK, sys.WouldBlock:
		t.back = t.back[:copy(t.back, t.back[n:])]
		return len(t.back) == 0
	}
	s.hup[client] = true
	t.back = t.back[:0]
	return true
}

// since returns the time since at on the loop's clock.
func (l *Loop) since(at int64) time.Duration { return time.Duration(l.now - at) }
