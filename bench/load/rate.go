package load

// rate sends at fixed times whatever comes back. A latency counts from when a
// message was due, not from when there was time to send it: a target that
// stalls pays for every message that it held up (no coordinated omission).
type rate struct {
	echoing
	pace
}

// pace is when the messages of one loop fall due, evenly spaced over all loops.
type pace struct {
	l           *loop
	step, phase float64 // nanoseconds between two messages of this loop; to its first
	count       int64   // messages that were due so far
}

func (l *loop) newPace(perSecond float64) pace {
	return pace{l: l, step: float64(l.cfg.Loops) * 1e9 / perSecond, phase: float64(l.index) * 1e9 / perSecond}
}

// dueNext is when the next message falls due.
func (p *pace) dueNext() int64 {
	return p.l.begin - int64(p.l.cfg.Warmup) + int64(p.phase+float64(p.count)*p.step)
}

// fall calls send for the messages that are due by now, at most burst of them,
// and returns when the next one will be.
func (p *pace) fall(now int64, send func(n, at int64)) (next int64) {
	for range burst {
		at := p.dueNext()
		if at > now || at >= p.l.end {
			return at
		}
		p.count++
		send(p.count-1, at)
	}
	return p.dueNext()
}

// backlog is how many messages one connection may have under way. Beyond it
// the target cannot follow, and the messages due are counted as faults.
const backlog = 10000

// burst is how many messages are sent before replies are looked at again.
const burst = 256

func (*rate) latencyOf() string { return "message due to echo received" }

func (d *rate) tick(now int64) (next int64) { return d.fall(now, d.sendNth) }

// sendNth sends the nth message of all: the connections have their turns.
func (e echoing) sendNth(n, at int64) {
	l := e.l
	c := l.conns[n%int64(len(l.conns))]
	if c.state != open {
		return // that it ended is a fault already
	}
	if c.outstanding() >= backlog {
		l.faultN("overload", 1, "connection %d: %d messages under way", c.id, backlog)
		return
	}
	l.out = l.out[:0]
	e.emit(c, at)
	l.finishTurn(c)
}

func (d *rate) data(c *conn, chunk []byte, end bool) {
	seq, ok := d.receive(c, chunk, end)
	if !ok {
		return
	}
	l := d.l
	// A reply that comes after the measured time belongs to it when its
	// message was due within.
	if due := c.dueAt(seq); due >= l.begin && due < l.end {
		record(l.latency, l.now()-due)
	}
	if l.measuring {
		l.unit(c.id, seq)
	}
	if l.stopping {
		d.stop(c)
	}
}
