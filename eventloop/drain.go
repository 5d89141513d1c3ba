package eventloop

import (
	"time"

	"wsgate/eventloop/record"
)

const (
	// drainBatch is how many sessions of a loop are asked to close in a turn.
	drainBatch = 1024
	// drainGrace is how long a connection that has not sent a byte may take to
	// send its request while the gateway drains.
	drainGrace = time.Second
)

// beginDrain accepts what waits, closes the listening sockets and starts to
// close the sessions. idle is told when none is left. A second call waits for
// the sessions that have come back from the plain HTTP server since the first.
func (l *Loop) beginDrain(idle chan<- struct{}) {
	first := l.drain == nil
	l.drain = idle
	if !first || l.down {
		if l.slots.n == 0 || l.down {
			l.drained()
		}
		return
	}
	l.unpause()
	for _, ln := range l.listeners {
		if ln.fd >= 0 {
			for l.acceptOne(ln) {
			}
		}
	}
	l.current = nil
	l.closeListeners()
	l.drainFrom(0)
	if l.slots.n == 0 {
		l.drained()
	}
}

func (l *Loop) drained() {
	select {
	case l.drain <- struct{}{}:
	default:
	}
}

// drainFrom asks a batch of sessions to close and posts the rest.
func (l *Loop) drainFrom(slot int) {
	end := min(slot+drainBatch, len(l.slots.at))
	for ; slot < end; slot++ {
		if s := l.slots.at[slot]; s != nil {
			l.current = s
			l.runOne(func() { s.drain(l) })
		}
	}
	l.current = nil
	if end < len(l.slots.at) {
		l.post(func() { l.drainFrom(end) })
	}
}

// drain: a relay gets its Close, a request in flight its answer, a connection
// between two requests the end, and a fresh one a moment to say what it wants.
func (s *session) drain(l *Loop) {
	switch s.state {
	case relaying:
		s.shut(l, 1001, record.Operator, "drain")
	case greeting, shaking:
		s.setDeadline(l, min(drainGrace, s.times.RequestHead))
	case reading:
		if s.att.in != nil && len(s.att.in.B) > 0 {
			return
		}
		if s.requests > 0 {
			s.finish(l, false)
			return
		}
		s.setDeadline(l, min(drainGrace, s.times.RequestHead))
	}
}

// killAll ends every session at once.
func (l *Loop) killAll() {
	for _, s := range l.slots.at {
		if s != nil {
			l.current = s
			l.runOne(func() { s.kill(l, record.Operator, "stop") })
		}
	}
	l.current = nil
}

// killRelay ends a relay without ceremony.
func (s *session) killRelay(l *Loop, who record.Who, why string) {
	s.relay.Kill(who, why)
	s.endRelay(l)
}
