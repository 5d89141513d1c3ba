package load

import (
	"slices"

	"github.com/gobwas/ws"

	"wsgate/bench/wire"
)

// down reads what the source sends and checks every byte of it.
type down struct{ quiet }

func (*down) latencyOf() string { return "between two messages of a connection" }
func (*down) path() string      { return wire.PathSource }

// due is unknown until the source has told how many it sent.
func (*down) due(*conn) int { return 0 }

func (d *down) stop(c *conn) { d.l.sendClose(c) }

func (d *down) data(c *conn, chunk []byte, end bool) {
	c.check.Chunk(chunk)
	if !end || !d.l.judge(c, c.check.End()) {
		return
	}
	now := d.l.now()
	if d.l.measuring {
		record(d.l.latency, now-c.last)
		d.l.units++
	}
	c.last = now
}

// farewell compares what came with what the source says it sent.
func (d *down) farewell(c *conn, why []byte) {
	n, ok := farewell(why)
	switch next := uint64(c.check.Next()); {
	case !ok:
		d.l.faultN("protocol", 1, "connection %d: the source's Close says %q", c.id, why)
	case n > next:
		d.l.faultN("lost", int64(n-next), "connection %d: %d messages were sent, %d came", c.id, n, next)
	case n < next:
		d.l.faultN("protocol", 1, "connection %d: %d messages were sent, %d came", c.id, n, next)
	}
}

// up keeps InFlight large messages under way to the sink. The shared body is
// masked once, with one key for all frames: masking each frame anew would
// cost the kit more than sending it.
type up struct {
	quiet
	key    [4]byte
	masked *wire.Pattern // over the masked body
}

func newUp(base quiet) *up {
	d := &up{quiet: base, key: base.l.mask()}
	body := slices.Clone(base.l.body)
	ws.Cipher(body, d.key, 0)
	d.masked = wire.PatternOver(base.l.seed, body)
	return d
}

func (*up) latencyOf() string { return "message begun to its acknowledgement" }
func (*up) path() string      { return wire.PathSink }
func (*up) replySize() int    { return wire.StampSize } // and one byte, the verdict

func (d *up) more(c *conn) bool {
	l := d.l
	if c.state != open || l.begin == 0 || l.stopping || c.outstanding() >= l.cfg.InFlight {
		return false
	}
	head := wire.AppendHeader(c.bulk.Buffer(), ws.OpBinary, l.cfg.Size, true, d.key)
	stamp := l.pattern.Stamp(c.id, c.sent)
	ws.Cipher(stamp[:], d.key, 0)
	c.remember(l.now())
	c.bulk.Set(append(head, stamp[:]...), d.masked.Body(c.id, c.sent, l.cfg.Size))
	c.sent++
	return true
}

func (d *up) data(c *conn, chunk []byte, end bool) {
	k := min(len(chunk), max(wire.StampSize-c.taken, 0))
	c.check.Chunk(chunk[:k])
	if k < len(chunk) {
		c.status = chunk[len(chunk)-1]
	}
	c.taken += len(chunk)
	if !end {
		return
	}
	l, whole := d.l, c.taken == wire.AckSize
	c.taken = 0
	if c.outstanding() <= 0 {
		l.unasked(c)
		return
	}
	v := c.check.End()
	if !l.judge(c, v) {
		return
	}
	seq := v.Expected
	if v.Fault == wire.Lost {
		seq = v.Seq
	}
	d.verdict(c, seq, wire.Fault(c.status), whole)
	if l.measuring {
		record(l.latency, l.now()-c.dueAt(seq))
		l.units++
	}
	if l.stopping {
		d.stop(c)
	}
}

// verdict counts what the sink says about message seq. A gap that it saw shows
// in the acknowledgements too, and is counted there.
func (d *up) verdict(c *conn, seq uint32, f wire.Fault, whole bool) {
	switch {
	case !whole || f > wire.Foreign:
		d.l.faultN("corrupt", 1, "connection %d: the acknowledgement of message %d is malformed", c.id, seq)
	case f != wire.Right && f != wire.Lost:
		d.l.faultN(f.String(), 1, "connection %d: message %d reached the sink so", c.id, seq)
	}
}
