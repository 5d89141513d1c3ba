package wire

import "bytes"

// A Fault is what is wrong with a message.
type Fault uint8

const (
	// Right is the expected message, every byte of it.
	Right Fault = iota
	// Corrupt is a message that nobody sent.
	Corrupt
	// Lost is a message that never came: a later one took its place.
	Lost
	// Duplicate is a message that came a second time.
	Duplicate
	// Reordered is a message that came after a later one.
	Reordered
	// Foreign is a message of another connection.
	Foreign
)

var faultNames = [...]string{"right", "corrupt", "lost", "duplicate", "reordered", "foreign"}

func (f Fault) String() string { return faultNames[f] }

// A Verdict is what a Checker has to say about one message.
type Verdict struct {
	Fault Fault
	// Missing is how many messages were skipped when the fault is Lost. One
	// of them that comes later is Reordered, and was not lost.
	Missing uint32
	// Expected is the sequence number that was due.
	Expected uint32
	// Seq and Conn name the message that came, when Known.
	Seq, Conn uint32
	Known     bool
}

// Checker follows the messages of one direction of one connection. It holds
// no payload beyond a stamp. The zero value is not ready: see Start.
type Checker struct {
	p            *Pattern
	conn, next   uint32
	gapLo, gapHi uint32 // the latest run of skipped messages, gapHi not included
	size, off    int
	bad          bool
	stamp        [StampSize]byte
}

// Start begins with message 0 of conn, all messages having size bytes.
func (c *Checker) Start(p *Pattern, conn uint32, size int) {
	*c = Checker{p: p, conn: conn, size: size}
}

// Next is the sequence number that is due.
func (c *Checker) Next() uint32 { return c.next }

// Inside reports whether a message has begun and not ended.
func (c *Checker) Inside() bool { return c.off > 0 }

// Chunk takes the next bytes of the message, unmasked. It does not allocate.
func (c *Checker) Chunk(b []byte) {
	if c.off < StampSize {
		copy(c.stamp[c.off:], b)
	}
	switch {
	case c.bad:
	case c.off+len(b) > c.size:
		c.bad = true
	default:
		c.bad = !c.p.Matches(b, c.conn, c.next, c.off, c.size)
	}
	c.off += len(b)
}

// Spare is End for a message that nobody waits for: it judges and moves nothing
// on. Right is then a message that was never sent.
func (c *Checker) Spare() Verdict {
	judge := *c
	c.off, c.bad = 0, false
	return judge.End()
}

// End takes the end of the message and judges it.
func (c *Checker) End() Verdict {
	off, bad := c.off, c.bad
	c.off, c.bad = 0, false
	v := Verdict{Expected: c.next}
	if !bad && off == c.size {
		c.next++
		return v
	}
	v.Conn, v.Seq, v.Known = c.identify(off)
	switch {
	case !v.Known || v.Conn == c.conn && v.Seq == c.next:
		v.Fault = Corrupt
		c.next++ // its place is taken
	case v.Conn != c.conn:
		v.Fault = Foreign
	case v.Seq >= c.gapLo && v.Seq < c.gapHi:
		v.Fault = Reordered
	case v.Seq < c.next:
		v.Fault = Duplicate
	default:
		v.Fault = Lost
		v.Missing = v.Seq - c.next
		c.gapLo, c.gapHi = c.next, v.Seq
		c.next = v.Seq + 1
	}
	return v
}

// search is how far around the due message a payload too short for a whole
// stamp is looked for.
const search = 256

// identify names the message whose first off bytes were seen.
func (c *Checker) identify(off int) (conn, seq uint32, ok bool) {
	if off != c.size || off == 0 {
		return 0, 0, false
	}
	if off >= StampSize {
		return c.p.Identify(c.stamp[:])
	}
	for d := uint32(0); d < 2*search; d++ {
		seq := c.next + d - search
		if s := c.p.Stamp(c.conn, seq); bytes.Equal(s[:off], c.stamp[:off]) {
			return c.conn, seq, true
		}
	}
	return 0, 0, false
}
