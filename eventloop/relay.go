package eventloop

import (
	"crypto/rand"
	"time"

	"wsgate/eventloop/record"
	sm "wsgate/eventloop/session"
	"wsgate/splice"
	"wsgate/splice/frame"
	"wsgate/splice/sys"
)

// probeAfter is when the connection to an endpoint gets its TCP options
// (keepalive, user timeout): they cost four system calls, matter only to
// sessions that live, and until then the upgrade has deadlines of its own.
const probeAfter = 5 * time.Second

// grace is how long a peer has to answer the gateway's FIN before its socket
// is reset.
const grace = time.Second

// open passes the verified 101 on and turns the session into a relay. What
// the endpoint sent right behind its 101 and what the client sent right behind
// its request go through the scanners like everything that follows.
func (s *session) open(l *Loop) {
	t := s.att
	r := s.route
	lead := append(l.tmp[:0], t.back...)
	lead = t.resp.AppendUpgrade(lead, t.rin.B, r.Rules)
	l.tmp = lead
	s.half[sm.Up].Init(frame.Config{
		Mode: r.Frames, Masked: true,
		ReservedBits: t.resp.ReservedBits(t.rin.B), MaxMessage: r.MaxMessage,
	}, uint8(sm.Up))
	s.half[sm.Down].Init(frame.Config{
		Mode: r.Frames, ReservedBits: t.resp.ReservedBits(t.rin.B), MaxMessage: r.MaxMessage,
	}, uint8(sm.Down))
	s.opened, s.active = l.now, l.now
	s.state = relaying
	s.countOpen(l, 1)
	l.counters.Upgrades["101"]++
	l.counters.UpgradeTime.Observe(l.since(t.began))
	s.logOpen(l)

	lead = s.settleTLS(l, lead)
	down := s.half[sm.Down].Feed(l.worker, s.end(client), lead, t.rin.B[t.resp.HeadLen:])
	up := s.half[sm.Up].Feed(l.worker, s.end(upstream), nil, t.in.B[t.req.HeadLen:])
	l.free.put(t)
	s.att = nil
	if s.may[client] {
		s.half[sm.Up].MarkReadable(s.hup[client])
	}
	if s.may[upstream] {
		s.half[sm.Down].MarkReadable(s.hup[upstream])
	}
	s.armRelay(l)
	s.facts(l, sm.Down, down)
	if s.state == relaying {
		s.facts(l, sm.Up, up)
	}
	if s.state == relaying && l.g.draining.Load() {
		s.shut(l, 1001, record.Operator, "drain")
	}
	for d := sm.Up; d <= sm.Down && s.state == relaying; d++ {
		s.pump(l, d)
	}
}

// settleTLS prepares TLS connections for the relay, and returns what is left of
// lead when a part of it has been sealed before.
func (s *session) settleTLS(l *Loop, lead []byte) []byte {
	s.info = nil
	for sd := client; sd <= upstream; sd++ {
		t := s.tls[sd]
		if t == nil {
			continue
		}
		s.half[sm.Up].CopyOnly()
		s.half[sm.Down].CopyOnly()
		t.Filed()
		if t.Buffered() {
			s.may[sd] = true
		}
		wire, plain := t.Unsent(&l.worker.Codec)
		if sd == client {
			s.half[sm.Down].Queue(l.worker, wire)
			lead = lead[plain:]
		} else {
			s.half[sm.Up].Queue(l.worker, wire)
		}
	}
	return lead
}

func (s *session) countOpen(l *Loop, n int64) {
	l.relays += n
	k := record.SessionKey{Route: s.route.Name, Pool: s.route.Pool.Name, Endpoint: s.endpoint.Address}
	if l.counters.Open[k] += n; l.counters.Open[k] == 0 {
		delete(l.counters.Open, k)
	}
}

// relayReady pumps the half that reads from sd, and the one that writes to it
// if bytes wait there. An edge-triggered event always names both readiness
// bits, so the second half is looked at only when it has something to write.
func (s *session) relayReady(l *Loop, sd side, events uint32) {
	in, out := sm.Up, sm.Down
	if sd == upstream {
		in, out = sm.Down, sm.Up
	}
	if events&^sys.Out != 0 {
		s.half[in].MarkReadable(s.hup[sd])
		s.pump(l, in)
	}
	if events&sys.Out != 0 && s.state == relaying && s.half[out].Pending() {
		s.pump(l, out)
	}
}

// ends returns source and destination of a direction.
func (s *session) ends(d sm.Dir) (src, dst splice.End) {
	if d == sm.Up {
		return s.end(client), s.end(upstream)
	}
	return s.end(upstream), s.end(client)
}

// pump moves what it can in one direction and acts on what it came upon.
func (s *session) pump(l *Loop, d sm.Dir) {
	src, dst := s.ends(d)
	f := s.half[d].Pump(l.worker, src, dst, turnBudget)
	if f == splice.Moved {
		s.active = l.now
		return
	}
	s.facts(l, d, f)
}

// told are the facts that the state machine is told of, in the order in which
// it has to hear of them.
var told = [...]struct {
	fact splice.Facts
	kind sm.Kind
}{
	{splice.CloseSeen, sm.CloseSeen},
	{splice.Violated, sm.Violated},
	{splice.TooBig, sm.TooBig},
	{splice.CloseLate, sm.CloseSeen},
	{splice.DstGone, sm.DestGone},
	{splice.SrcGone, sm.SourceGone},
	{splice.SrcEOF, sm.EndOfStream},
	{splice.AtEnd, sm.AtEnd},
	{splice.FinSent, sm.FinSent},
}

// toldFacts is the union of told.
const toldFacts = splice.CloseSeen | splice.Violated | splice.TooBig | splice.DstGone |
	splice.SrcGone | splice.SrcEOF | splice.AtEnd | splice.FinSent | splice.CloseLate

// facts acts on what a pump came upon.
func (s *session) facts(l *Loop, d sm.Dir, f splice.Facts) {
	if f&splice.Moved != 0 {
		s.active = l.now
	}
	if f&splice.Broken != 0 {
		s.noteViolation(l, d)
	}
	if f&splice.More != 0 {
		l.later(s)
	}
	if f&splice.DstBlocked != 0 && s.half[d].Stalled() != 0 || f&splice.SrcPartial != 0 {
		s.stalled(l)
	}
	if f&toldFacts == 0 {
		return
	}
	if f&splice.DstGone != 0 {
		s.half[d.Other()].MarkReadable(true)
	}
	for _, t := range told {
		if f&t.fact == 0 || s.state != relaying {
			continue
		}
		s.step(l, sm.Event{
			Kind: t.kind, Dir: d,
			Reset: f&splice.DstReset != 0,
			Clean: s.half[d].Clean(),
			Deaf:  s.half[d.Other()].Deaf(),
			Why:   s.tlsWhy(l, t.kind, d),
		})
	}
}

// tlsWhy says more about the end of a TLS stream: "" for what ends like any
// other.
func (s *session) tlsWhy(l *Loop, k sm.Kind, d sm.Dir) string {
	sd := client
	if d == sm.Down {
		sd = upstream
	}
	t := s.tls[sd]
	switch {
	case t == nil:
	case k == sm.SourceGone && s.alert(l, sd):
		return "tls_error"
	case k == sm.EndOfStream && t.Truncated():
		return "tls_truncated"
	}
	return ""
}

// noteViolation counts a frame violation.
func (s *session) noteViolation(l *Loop, d sm.Dir) {
	l.counters.Violations[s.half[d].Violation()]++
}

// step tells the state machine of an event and performs what it answers.
func (s *session) step(l *Loop, e sm.Event) {
	was := s.relay.Timer()
	ops := s.relay.Step(e)
	if now := s.relay.Timer(); now != was {
		s.startTimer(l, now)
	}
	s.perform(l, ops)
}

// perform carries the operations out, in the order of their constants.
func (s *session) perform(l *Loop, ops sm.Ops) {
	for d := sm.Up; d <= sm.Down; d++ {
		h := &s.half[d]
		if ops.Has(sm.OpFinish, d) {
			h.Finish()
		}
		if ops.Has(sm.OpDiscard, d) {
			h.Discard()
		}
		if ops.Has(sm.OpAbandon, d) {
			h.Abandon(l.worker)
		}
		if ops.Has(sm.OpClose, d) {
			s.sendClose(l, d)
		}
		if ops.Has(sm.OpFin, d) {
			h.Fin()
		}
		if ops.Has(sm.OpReset, d) {
			s.half[d.Other()].Forget()
			s.resetReceiver(l, d)
		}
	}
	if ops&sm.OpEnd != 0 {
		s.endRelay(l)
		return
	}
	for d := sm.Up; d <= sm.Down; d++ {
		if ops.Has(sm.OpPump, d) && s.state == relaying {
			s.pump(l, d)
		}
	}
}

// sendClose queues the gateway's own Close: masked with a fresh key towards
// the endpoint, because there the gateway is the client (RFC 6455 5.3).
func (s *session) sendClose(l *Loop, d sm.Dir) {
	var buf [131]byte
	var mask [4]byte
	if d == sm.Up {
		rand.Read(mask[:])
	}
	_, dst := s.ends(d)
	s.half[d].Send(l.worker, dst.TLS, frame.AppendClose(buf[:0], s.relay.Code, "", d == sm.Up, mask))
}

// shut begins the gateway's own close.
func (s *session) shut(l *Loop, code uint16, who record.Who, why string) {
	s.step(l, sm.Event{Kind: sm.Shut, Code: code, Who: who, Why: why})
}

// startTimer sets the relay's timer. The half-close timer leaves room for the
// grace that follows it.
func (s *session) startTimer(l *Loop, t sm.Timer) {
	var d time.Duration
	switch t {
	case sm.NoTimer:
		s.expires = 0
		return
	case sm.HalfCloseTimer:
		d = max(s.times.HalfClose-grace, s.times.HalfClose/2)
	case sm.CloseTimer:
		d = s.times.Close
	case sm.GraceTimer:
		d = grace
	}
	s.expires = l.now + int64(d)
	s.armRelay(l)
}

// armRelay sets the deadline to the earliest that the session runs under.
func (s *session) armRelay(l *Loop) {
	at := int64(1<<63 - 1)
	if s.times.Idle > 0 {
		at = s.active + int64(s.idle())
	}
	if !s.probing {
		at = min(at, s.opened+int64(probeAfter))
	}
	if s.expires != 0 {
		at = min(at, s.expires)
	}
	for d := range s.half {
		if since := s.half[d].Stalled(); since != 0 && s.times.Send > 0 {
			at = min(at, since+int64(s.times.Send))
		}
	}
	if at != 1<<63-1 {
		l.wheel.set(s, at)
	}
}

// idle returns the idle timeout: the route's own, or the general one.
func (s *session) idle() time.Duration {
	if s.route.IdleTimeout > 0 {
		return s.route.IdleTimeout
	}
	return s.times.Idle
}

// relayExpired finds out which of the deadlines has come; traffic moves two of
// them without touching the wheel.
func (s *session) relayExpired(l *Loop) {
	if !s.probing && l.now >= s.opened+int64(probeAfter) {
		s.probing = true
		if s.fd[upstream] >= 0 {
			_ = sys.SetTCP(int(s.fd[upstream]), &l.g.Current().TCP)
		}
	}
	switch {
	case s.expires != 0 && l.now >= s.expires:
		s.expires = 0
		s.step(l, sm.Event{Kind: sm.Expired})
	case s.stuck(l, sm.Up):
		s.step(l, sm.Event{Kind: sm.Stalled, Dir: sm.Up})
	case s.stuck(l, sm.Down):
		s.step(l, sm.Event{Kind: sm.Stalled, Dir: sm.Down})
	case !s.relay.Closing() && s.idle() > 0 && l.now >= s.active+int64(s.idle()):
		s.shut(l, 1001, record.Gateway, "idle_timeout")
	}
	if s.state == relaying {
		s.armRelay(l)
	}
}

// stuck tells whether the receiver of d has taken nothing for timeouts.send.
func (s *session) stuck(l *Loop, d sm.Dir) bool {
	since := s.half[d].Stalled()
	return since != 0 && s.times.Send > 0 && l.now >= since+int64(s.times.Send) && !s.half[d].Lost()
}

// stalling tells whether bytes wait for one of the peers.
func (s *session) stalling() bool {
	return s.state == relaying && (s.partial(client) || s.partial(upstream) || s.half[sm.Up].Stalled() != 0 || s.half[sm.Down].Stalled() != 0)
}

// partial tells whether a part of a TLS record of that side is held.
func (s *session) partial(sd side) bool { return s.tls[sd] != nil && s.tls[sd].Partial() }

// stalled notes that a peer has become slow, or has sent a part of a record.
func (s *session) stalled(l *Loop) {
	if !s.stallQueued {
		l.stallq.push(&l.slots, s)
		s.armRelay(l)
	}
	if l.g.budget.Over() {
		l.g.shed()
	}
}

// shedStalled ends the direction that has stalled longest: limits.buffered.
func (s *session) shedStalled(l *Loop) {
	d := sm.Up
	if up, down := s.half[sm.Up].Stalled(), s.half[sm.Down].Stalled(); up == 0 || down != 0 && down < up {
		d = sm.Down
		if up == 0 && down == 0 && s.partial(upstream) {
			d = sm.Up // the endpoint is the receiver of that direction
		}
	}
	l.counters.BufferedSheds++
	s.step(l, sm.Event{Kind: sm.Shed, Dir: d})
}

// resetReceiver ends the socket that direction d writes to: at once, because
// its descriptor may be wanted while the other peer still takes its time.
func (s *session) resetReceiver(l *Loop, d sm.Dir) {
	if d == sm.Up {
		s.closeUpstream(l, !s.alerted(upstream))
		return
	}
	s.closeClient(l, !s.alerted(client))
}

// alerted tells whether a TLS peer has been told why its connection ends: a
// RST could overtake that.
func (s *session) alerted(sd side) bool {
	return s.tls[sd] != nil && s.tls[sd].Failure() != nil
}

// endRelay logs the end and releases the session.
func (s *session) endRelay(l *Loop) {
	s.logClose(l)
	s.countOpen(l, -1)
	for d := sm.Up; d <= sm.Down; d++ {
		l.counters.Discarded += s.half[d].Discarded()
		if _, dst := s.ends(d); dst.TLS != nil && s.half[d].Pending() {
			dst.TLS.Mute() // a record is half written
		}
		s.half[d].Release(l.worker)
	}
	s.finish(l, false)
}
