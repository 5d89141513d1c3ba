package session

import "wsgate/eventloop/record"

// Dir is a direction of the relay.
type Dir uint8

// The directions.
const (
	Up   Dir = iota // client to endpoint
	Down            // endpoint to client
)

// Other returns the opposite direction.
func (d Dir) Other() Dir { return 1 - d }

// String returns "up" or "down".
func (d Dir) String() string {
	if d == Up {
		return "up"
	}
	return "down"
}

// Source returns who sends in direction d.
func (d Dir) Source() record.Who {
	if d == Up {
		return record.Client
	}
	return record.Upstream
}

// Kind is what happened.
type Kind uint8

// The events of a relay. Dir says in which direction; the source of that
// direction is "the sender", its destination "the receiver".
const (
	CloseSeen   Kind = iota + 1 // a whole Close frame of the sender has gone past
	EndOfStream                 // the sender's FIN, and all before it has been written
	SourceGone                  // the sender was reset or timed out
	DestGone                    // a write found the receiver dead; Reset: it sent a RST and no FIN
	Violated                    // the sender broke RFC 6455 and frames are enforced
	TooBig                      // the sender's message is over the limit
	AtEnd                       // what was to be passed on has been written; Clean: it ends at a frame boundary
	FinSent                     // the half-close has been passed on
	Expired                     // the machine's timer
	Stalled                     // the receiver has taken nothing for timeouts.send
	Shed                        // the receiver's pending bytes are wanted back (limits.buffered)
	Shut                        // the gateway wants to close: Code, Who and Why say as what
)

// Event is one thing that happened to a relay.
type Event struct {
	Kind  Kind
	Dir   Dir
	Reset bool       // DestGone
	Clean bool       // AtEnd
	Deaf  bool       // AtEnd: the receiver's frames cannot be read, so neither can its answer
	Code  uint16     // Shut: RFC 6455 7.4.1
	Who   record.Who // Shut
	Why   string     // Shut; EndOfStream, SourceGone: the end state's word, "" for the usual one
}

// Timer is the deadline that a relay runs under besides its idle timeout.
type Timer uint8

// The timers.
const (
	NoTimer        Timer = iota
	HalfCloseTimer       // timeouts.half_close
	CloseTimer           // timeouts.close
	GraceTimer           // a second for the FIN to be answered
)

// Op is an operation on one direction.
type Op uint8

// The operations, in the order in which they are to be performed.
const (
	OpFinish  Op = iota // pass on up to the next frame boundary, then tell AtEnd
	OpDiscard           // pass nothing on any more; read for the sender's Close
	OpAbandon           // OpDiscard, and drop what is pending: the receiver is dead
	OpClose             // queue the gateway's Close frame with Relay.Code
	OpFin               // queue the half-close
	OpReset             // end the receiver's socket with a RST now: neither half uses it any more
	OpPump              // pump this direction, even without a readiness event
	opCount
)

// Ops is a set of operations, and whether the session is over.
type Ops uint32

// OpEnd tells that the session is over: release everything and close both
// descriptors. It comes last.
const OpEnd Ops = 1 << 31

// Has tells whether op is to be performed on direction d.
func (o Ops) Has(op Op, d Dir) bool { return o&bit(op, d) != 0 }

func bit(op Op, d Dir) Ops { return 1 << (uint(op)*2 + uint(d)) }

// bits are facts about one direction (d) or its sender.
type bits uint32

const (
	fClosePassed bits = 1 << iota // a Close has been passed on or sent to the receiver
	fCloseSeen                    // the sender's Close has been seen
	fEnded                        // the sender's stream has ended
	fReset                        // the sender is known to have sent a RST
	fLost                         // the receiver is dead
	fFin                          // the receiver has been sent the FIN
	fCut                          // nothing more is passed on
	fAtEnd                        // cut, and all that was to be passed on has been written
	fDeaf                         // the sender's frames cannot be read any more
)

// Relay is the state of a session from the passed-on 101 on. The zero value is
// a relay that has just begun.
type Relay struct {
	dir     [2]bits
	closing bool
	timer   Timer
	// Code is the status code of the gateway's own Close frames.
	Code uint16
	// End is how the session ended; Who is 0 until that is known.
	End End
}

// End is the end state: the first cause wins.
type End struct {
	Why   string
	Code  uint16 // 0: taken from the Close frame that was seen
	Who   record.Who
	Phase record.Phase
}

// Timer returns the timer that is to run.
func (m *Relay) Timer() Timer { return m.timer }

// Closing tells whether the gateway has begun to close the session.
func (m *Relay) Closing() bool { return m.closing }

// Step takes one event and returns what is to be done about it.
func (m *Relay) Step(e Event) Ops {
	d := e.Dir
	switch e.Kind {
	case CloseSeen:
		return m.closeSeen(d)
	case EndOfStream:
		return m.endOfStream(d, e.Why)
	case SourceGone:
		return m.sourceGone(d, or(e.Why, "reset"), 1011, d.Source())
	case DestGone:
		return m.destGone(d, e.Reset)
	case Violated:
		m.dir[d] |= fCut | fDeaf
		m.end(d.Source(), "violation", 1002)
		return m.shut(1002)
	case TooBig:
		m.dir[d] |= fCut
		m.end(d.Source(), "too_big", 1009)
		return m.shut(1009)
	case AtEnd:
		return m.atEnd(d, e.Clean, e.Deaf)
	case FinSent:
		m.dir[d] |= fFin
		return m.settle(0)
	case Expired:
		return m.expired()
	case Stalled:
		// The receiver is as good as dead. Its own stream has an end here, too.
		return m.receiverStuck(d, "send_timeout", 1011, d.Other().Source())
	case Shed:
		return m.receiverStuck(d, "buffered", 1013, record.Gateway)
	case Shut:
		m.end(e.Who, e.Why, e.Code)
		return m.shut(e.Code)
	}
	return 0
}

// or returns word, or the usual one.
func or(word, usual string) string {
	if word != "" {
		return word
	}
	return usual
}

// Kill ends the session at once with the given end state, unless a cause is
// known already.
func (m *Relay) Kill(who record.Who, why string) { m.end(who, why, 1006) }

// Phase returns PhaseClosing once a Close frame has passed or was sent.
func (m *Relay) Phase() record.Phase {
	if m.closing || (m.dir[Up]|m.dir[Down])&(fClosePassed|fCloseSeen) != 0 {
		return record.PhaseClosing
	}
	return record.PhaseRelay
}

func (m *Relay) end(who record.Who, why string, code uint16) {
	if m.End.Who == 0 {
		m.End = End{Who: who, Why: why, Code: code, Phase: m.Phase()}
	}
}

func (m *Relay) has(d Dir, f bits) bool { return m.dir[d]&f != 0 }

// closeSeen: the first Close names who closes; a second one is its answer.
func (m *Relay) closeSeen(d Dir) Ops {
	m.end(d.Source(), "close", 0)
	m.dir[d] |= fCloseSeen
	if !m.has(d, fCut) {
		m.dir[d] |= fClosePassed
	}
	if !m.closing && m.has(Up, fClosePassed) && m.has(Down, fClosePassed) {
		// RFC 6455 7.1.1: the endpoint closes the TCP connection first; the
		// timer is for one that does not.
		m.timer = CloseTimer
	}
	return m.settle(0)
}

// endOfStream passes the half-close on. When the gateway is closing, the FIN
// waits for the receiver's answer to the Close.
func (m *Relay) endOfStream(d Dir, why string) Ops {
	if m.has(d, fReset) && !m.has(d, fCloseSeen) {
		return m.sourceGone(d, "reset", 1011, d.Source())
	}
	m.end(d.Source(), or(why, "fin"), 1006)
	m.dir[d] |= fEnded
	if m.closing {
		return m.settle(0)
	}
	if m.timer == NoTimer {
		m.timer = HalfCloseTimer
	}
	if m.has(d, fLost|fFin) {
		return m.settle(0)
	}
	if m.over(d.Other()) {
		// Closing the receiver's socket sends the FIN as well: it has nothing
		// unread.
		m.dir[d] |= fFin
		return m.settle(0)
	}
	return m.settle(bit(OpFin, d) | bit(OpPump, d))
}

// sourceGone: nothing more can come from the sender, and nothing can go to it.
func (m *Relay) sourceGone(d Dir, why string, code uint16, who record.Who) Ops {
	o := d.Other()
	m.end(who, why, code)
	m.dir[d] |= fEnded | fReset
	m.dir[o] |= fLost | fCut
	return bit(OpAbandon, o) | bit(OpReset, o) | bit(OpPump, o) | m.shut(code)
}

// destGone: what the receiver had sent before may still be unread, so its
// stream is read to its end, which says whether it ended by FIN or RST.
func (m *Relay) destGone(d Dir, reset bool) Ops {
	o := d.Other()
	m.dir[d] |= fLost | fCut
	if reset {
		m.dir[o] |= fReset
	}
	return m.settle(bit(OpPump, o) | bit(OpPump, d))
}

// receiverStuck gives up the receiver of d, which lives but takes nothing: its
// sender is told by a Close, itself by a RST.
func (m *Relay) receiverStuck(d Dir, why string, code uint16, who record.Who) Ops {
	m.end(who, why, code)
	m.dir[d] |= fLost | fCut
	m.dir[d.Other()] |= fEnded | fReset
	return bit(OpAbandon, d) | bit(OpReset, d) | bit(OpPump, d) | m.shut(code)
}

// shut begins the gateway's own close with code: each direction is finished up
// to a frame boundary, gets one Close unless one has passed, and nothing more.
func (m *Relay) shut(code uint16) Ops {
	var ops Ops
	if !m.closing {
		m.closing = true
		m.Code = code
		m.timer = CloseTimer
		for d := Up; d <= Down; d++ {
			switch {
			case m.has(d, fLost):
			case m.has(d, fFin):
				m.dir[d] |= fCut
				ops |= bit(OpDiscard, d) | bit(OpPump, d)
			default:
				ops |= bit(OpFinish, d) | bit(OpPump, d)
			}
		}
	}
	return m.settle(ops)
}

// atEnd: the direction may now carry the gateway's Close. Where no boundary is
// known a Close would be taken for payload, so only the FIN is left.
func (m *Relay) atEnd(d Dir, clean, deaf bool) Ops {
	m.dir[d] |= fCut | fAtEnd
	if deaf {
		m.dir[d.Other()] |= fDeaf
	}
	ops := bit(OpPump, d)
	switch {
	case m.has(d, fClosePassed):
		// The sender has closed by itself. If it is gone, so is the connection.
		if m.has(d, fEnded) {
			ops |= bit(OpFin, d)
		}
		return m.settle(ops)
	case clean:
		m.dir[d] |= fClosePassed
		ops |= bit(OpClose, d)
	}
	// An endpoint whose client is gone need not be waited for: the FIN ends
	// also one that never answers a Close. A client is waited for, because it
	// may tell its user that the close was not clean (RFC 6455 7.1.4).
	if !clean || d == Up && m.has(Up, fReset) {
		ops |= bit(OpFin, d)
	}
	return m.settle(ops)
}

// settle adds the FINs that are due and the end of the session to ops.
func (m *Relay) settle(ops Ops) Ops {
	if m.closing {
		for d := Up; d <= Down; d++ {
			// The receiver of d is the sender of the other direction.
			answered := m.has(d.Other(), fCloseSeen|fEnded|fDeaf)
			if m.has(d, fAtEnd) && !m.has(d, fFin|fLost) && answered {
				ops |= bit(OpFin, d) | bit(OpPump, d)
			}
		}
	}
	if m.over(Up) && m.over(Down) {
		m.timer = NoTimer
		ops |= m.resets() | OpEnd
	}
	return ops
}

// over tells whether direction d has carried all that it ever will.
func (m *Relay) over(d Dir) bool { return m.has(d, fEnded) && m.has(d, fFin|fLost) }

// resets names the sockets to be ended with a RST: those whose peer never
// ended its stream, and those given up while bytes were pending.
func (m *Relay) resets() Ops {
	var ops Ops
	for d := Up; d <= Down; d++ {
		o := d.Other()
		if m.has(o, fReset) {
			continue // closed already
		}
		if !m.has(o, fEnded) || m.has(d, fLost) || m.closing && !m.has(d, fFin) {
			ops |= bit(OpReset, d)
		}
	}
	return ops
}

// expired: half-close and close timers fall through to a FIN, a FIN that is
// not answered to a RST.
func (m *Relay) expired() Ops {
	switch m.timer {
	case HalfCloseTimer:
		m.end(record.Gateway, "half_close_timeout", 1001)
		ops := m.shut(1001)
		if ops&OpEnd == 0 {
			m.timer = GraceTimer
		}
		return ops
	case CloseTimer:
		m.timer = GraceTimer
		var ops Ops
		for d := Up; d <= Down; d++ {
			if !m.has(d, fFin|fLost) {
				m.dir[d] |= fCut
				ops |= bit(OpDiscard, d) | bit(OpFin, d) | bit(OpPump, d)
			}
		}
		m.closing = true
		return m.settle(ops)
	case GraceTimer:
		m.timer = NoTimer
		return m.resets() | OpEnd
	}
	return 0
}
