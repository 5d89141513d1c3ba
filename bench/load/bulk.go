package load

import (
	"slices"

	"github.com/gobwas/ws"

	"wsgate/bench/wire"
)

// down reads what the source sends and checks every byte of it.
type down struct{ quiet }

func (*down) latencyOf() string { return "between two messages of a connection" }

func (d *down) order(c *conn) wire.Order {
	return wire.Order{Path: wire.PathSource, Conn: c.id, Seed: d.l.seed, Size: d.l.cfg.Size, Sizes: d.l.cfg.dist()}
}

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
		d.l.unit(c.id, c.check.Next()-1)
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

// masked sends messages straight from a shared body that is masked once, with
// one key for all frames: masking each frame anew would cost the kit more than
// sending it.
type masked struct {
	key  [4]byte
	bare *wire.Pattern // for the stamps
	body *wire.Pattern // over the masked body
}

func newMasked(l *loop) masked {
	key, body := l.mask(), slices.Clone(l.body)
	ws.Cipher(body, key, 0)
	return masked{key: key, bare: l.pattern, body: wire.PatternOver(l.seed, body)}
}

// begin makes message seq of conn, of size bytes, the one that c sends. It
// holds that c.bulk is empty.
func (m *masked) begin(c *conn, conn, seq uint32, size int) {
	head := wire.AppendHeader(c.bulk.Buffer(), ws.OpBinary, size, true, m.key)
	stamp := m.bare.Stamp(conn, seq)
	ws.Cipher(stamp[:], m.key, 0)
	c.bulk.Set(append(head, stamp[:min(size, wire.StampSize)]...), m.body.Body(conn, seq, size))
}

// up keeps InFlight large messages under way to the sink.
type up struct {
	quiet
	masked
}

func newUp(base quiet) *up { return &up{base, newMasked(base.l)} }

func (*up) latencyOf() string { return "message begun to its acknowledgement" }

func (d *up) order(c *conn) wire.Order {
	return wire.Order{Path: wire.PathSink, Conn: c.id, Seed: d.l.seed, Size: d.l.cfg.Size, Sizes: d.l.cfg.dist()}
}

// expect waits for acknowledgements: a stamp, and one byte that is the verdict.
func (d *up) expect(c *conn) { c.check.Start(d.l.pattern, c.id, wire.StampSize) }

func (d *up) more(c *conn) bool {
	l := d.l
	if c.state != open || l.begin == 0 || l.stopping || c.outstanding() >= l.cfg.InFlight {
		return false
	}
	c.remember(l.now())
	d.begin(c, c.id, c.sent, l.sizeOf(c.id, c.sent))
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
		l.unit(c.id, seq)
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
