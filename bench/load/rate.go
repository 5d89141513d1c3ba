package load

// rate sends at fixed times whatever comes back. A latency counts from when a
// message was due, not from when there was time to send it: a target that
// stalls pays for every message that it held up (no coordinated omission).
type rate struct {
	echoing
	step, phase float64 // nanoseconds between two messages of this loop; to its first
	sent        int64   // messages that were due so far
}

// backlog is how many messages one connection may have under way. Beyond it
// the target cannot follow, and the messages due are counted as faults.
const backlog = 10000

// burst is how many messages are sent before replies are looked at again.
const burst = 256

func (*rate) latencyOf() string { return "message due to echo received" }

func (d *rate) dueNext() int64 {
	return d.l.begin - int64(d.l.cfg.Warmup) + int64(d.phase+float64(d.sent)*d.step)
}

func (d *rate) tick(now int64) (next int64) {
	l := d.l
	for range burst {
		at := d.dueNext()
		if at > now || at >= l.end {
			return at
		}
		c := l.conns[d.sent%int64(len(l.conns))]
		d.sent++
		if c.state != open {
			continue // that it ended is a fault already
		}
		if c.outstanding() >= backlog {
			l.faultN("overload", 1, "connection %d: %d messages under way", c.id, backlog)
			continue
		}
		l.out = l.out[:0]
		d.emit(c, at)
		l.finishTurn(c)
	}
	return d.dueNext()
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
		l.units++
	}
	if l.stopping {
		d.stop(c)
	}
}
