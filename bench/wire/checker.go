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
	sizes        *Sizes // nil: all messages have the same size
	conn, next   uint32
	gapLo, gapHi uint32 // the latest run of skipped messages, gapHi not included
	size, off    int    // of the message that is due; bytes of the one that comes
	bad          bool
	stamp        [StampSize]byte
}

// Start begins with message 0 of conn, all messages having size bytes.
func (c *Checker) Start(p *Pattern, conn uint32, size int) {
	*c = Checker{p: p, conn: conn, size: size}
}

// Vary makes the messages have the sizes of s. It is called after Start.
func (c *Checker) Vary(s *Sizes) {
	c.sizes = s
	c.size = s.Of(c.p, c.conn, c.next)
}

// expect makes message seq the one that is due.
func (c *Checker) expect(seq uint32) {
	c.next = seq
	if c.sizes != nil {
		c.size = c.sizes.Of(c.p, c.conn, seq)
	}
}

// sizeOf is the size of any message of the run.
func (c *Checker) sizeOf(conn, seq uint32) int {
	if c.sizes != nil {
		return c.sizes.Of(c.p, conn, seq)
	}
	return c.size
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
		c.expect(c.next + 1)
		return v
	}
	v.Conn, v.Seq, v.Known = c.identify(off)
	switch {
	case !v.Known || v.Conn == c.conn && v.Seq == c.next:
		v.Fault = Corrupt
		c.expect(c.next + 1) // its place is taken
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
		c.expect(v.Seq + 1)
	}
	return v
}

// search is how far around the due message a payload too short for a whole
// stamp is looked for.
const search = 256

// identify names the message whose first off bytes were seen.
func (c *Checker) identify(off int) (conn, seq uint32, ok bool) {
	if off == 0 {
		return 0, 0, false
	}
	if off >= StampSize {
		conn, seq, ok = c.p.Identify(c.stamp[:])
		return conn, seq, ok && off == c.sizeOf(conn, seq)
	}
	for d := uint32(0); d < 2*search; d++ {
		seq := c.next + d - search
		if s := c.p.Stamp(c.conn, seq); bytes.Equal(s[:off], c.stamp[:off]) && off == c.sizeOf(c.conn, seq) {
			return c.conn, seq, true
		}
	}
	return 0, 0, false
}
