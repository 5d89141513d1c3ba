package splice

import (
	"io"

	"wsgate/splice/record"
	"wsgate/splice/sys"
)

// secureSessions is how many TLS 1.3 connections of a loop keep their AEADs
// (1,280 bytes and more each) between two records.
const secureSessions = 1024

// sealMax is how much plaintext goes into one write: two full records.
const sealMax = 32 << 10

// Codec reads and writes TLS connections: it holds what they need only while
// bytes flow. It is touched on one goroutine at a time, and allocates nothing
// while the AEADs of a connection are at hand.
type Codec struct {
	// IO performs reads and writes.
	IO sys.IO

	budget *Budget
	cache  *record.Cache
	input  []byte // records as they came
	sealed []byte // records to be written
	spill  []byte // plaintext that does not fit where it is wanted
}

// NewCodec returns a Codec that keeps the AEADs of at most sessions
// connections and takes buffers from budget.
func NewCodec(io sys.IO, budget *Budget, sessions int) *Codec {
	return &Codec{IO: io, budget: budget, cache: record.NewCache(sessions)}
}

// Read reads at most len(p) bytes of plaintext, like sys.IO's Read: EOF is the
// peer's close_notify, or the end of its stream without one (TLS.Truncated),
// and Gone also a connection whose records cannot be read (TLS.Failure). empty
// tells that the descriptor had nothing more when it was last asked, as a read
// shorter than p does without TLS.
func (c *Codec) Read(e End, p []byte) (n int, empty bool, o sys.Outcome) {
	t := e.TLS
	if t.left != nil {
		return c.serve(t, p), false, sys.OK
	}
	if c.input == nil {
		c.input = make([]byte, BufferSize)
	}
	have := 0
	if t.part != nil {
		have = copy(c.input, t.part.B)
		c.drop(&t.part)
		if t.flags&ahead != 0 {
			t.flags &^= ahead
			have, n = c.open(t, have, p)
		}
	}
	for {
		if n > 0 {
			c.stash(t, c.input[:have])
			return n, empty && !t.over() && !t.Buffered(), sys.OK
		}
		if t.over() {
			if t.fail != nil {
				return 0, false, sys.Gone
			}
			return 0, false, sys.EOF
		}
		room := len(c.input) - have
		if len(p) >= 16<<10 {
			room = min(room, max(len(p)-have, recordHeader)) // so that it fits
		}
		m, out, _ := c.IO.Read(e.FD, c.input[have:have+room])
		switch out {
		case sys.OK:
			empty = m < room
			have, n = c.open(t, have+m, p)
		case sys.EOF:
			t.flags |= sawEnd
		case sys.WouldBlock:
			c.stash(t, c.input[:have])
			return 0, true, sys.WouldBlock
		default:
			return 0, false, out
		}
	}
}

// over tells whether nothing more can be read.
func (t *TLS) over() bool { return t.fail != nil || t.flags&(sawNotify|sawEnd) != 0 }

// serve gives plaintext that did not fit the last time.
func (c *Codec) serve(t *TLS, p []byte) int {
	n := copy(p, t.left.B[t.leftAt:])
	t.leftAt += int32(n)
	if int(t.leftAt) == len(t.left.B) {
		c.drop(&t.left)
		t.leftAt = 0
	}
	return n
}

// open opens the whole records at the front of the have bytes in the input. It
// returns how many bytes are left, moved to the front, and how many bytes of
// plaintext are in p; what did not fit there is kept.
func (c *Codec) open(t *TLS, have int, p []byte) (rest, n int) {
	dst := p[:0]
	if len(p) < have {
		if c.spill == nil {
			c.spill = make([]byte, 0, BufferSize)
		}
		dst = c.spill[:0]
	}
	at := 0
	for at < have && !t.over() {
		out, used := c.openOne(t, dst, c.input[at:have])
		if used == 0 {
			break
		}
		dst = out
		at += used
	}
	rest = copy(c.input, c.input[at:have])
	if len(p) >= have {
		return rest, len(dst)
	}
	n = copy(p, dst)
	if n < len(dst) {
		t.left = c.budget.get()
		t.left.B = append(t.left.B, dst[n:]...)
	}
	return rest, n
}

// openOne opens the first record of in, if it is whole, and appends its
// plaintext to dst.
func (c *Codec) openOne(t *TLS, dst, in []byte) (out []byte, used int) {
	if t.old != nil {
		return t.openOld(dst, in)
	}
	if t.filing != nil && wholeRecord(in) {
		t.file(in[:recordLen(in)])
	}
	out, used, event, err := t.rec.Open(c.cache, dst, in)
	switch {
	case err != nil:
		t.fail = err
	case event == record.CloseNotify:
		t.flags |= sawNotify
	}
	return out, used
}

// file lets the tls.Conn of a client see a record, for the session tickets in
// it. What it answers is of no use: the answer is given by the record layer.
func (t *TLS) file(rec []byte) {
	t.wire.in = append(t.wire.in[:0:0], rec...)
	var p [512]byte
	for {
		_, err := t.filing.Read(p[:])
		if err != nil {
			t.wire.out = nil
			if !isAgain(err) {
				t.Filed()
			}
			return
		}
	}
}

// openOld opens a record with the tls.Conn.
func (t *TLS) openOld(dst, in []byte) (out []byte, used int) {
	used = recordLen(in)
	if used == 0 || used > len(in) && used <= maxRecord {
		return dst, 0
	}
	used = min(used, len(in))
	t.wire.in = in[:used]
	defer func() { t.wire.in = nil }()
	for {
		// The plaintext of a record is shorter than the record, so there is
		// room for all of it.
		n, err := t.old.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case err == nil:
		case isAgain(err):
			return dst, used
		case err == io.EOF:
			t.flags |= sawNotify
			return dst, used
		default:
			t.fail = err
			return dst, used
		}
	}
}

// stash keeps what has been read and not opened.
func (c *Codec) stash(t *TLS, p []byte) {
	if len(p) == 0 {
		return
	}
	if t.part == nil {
		t.part = c.budget.get()
	}
	t.part.B = append(t.part.B, p...)
	if n := recordLen(t.part.B); n > 0 && (n <= len(t.part.B) || n > maxRecord) {
		t.flags |= ahead
	}
}

// Seal returns p as records to be written, valid until the next call. Small
// messages are one record, large ones full records.
func (c *Codec) Seal(t *TLS, p []byte) []byte {
	if t.closing() {
		return nil
	}
	c.sealed = c.seal(t, c.sealed[:0], p)
	return c.sealed
}

func (c *Codec) seal(t *TLS, dst, p []byte) []byte {
	if dst == nil {
		dst = make([]byte, 0, record.Overhead(sealMax))
	}
	if t.old == nil {
		return t.rec.Seal(c.cache, dst, p)
	}
	t.wire.swapOut(dst)
	// A write to the Wire cannot fail, so an error is that of a connection
	// that has been given up: there is nothing to send.
	t.old.Write(p)
	return t.wire.swapOut(nil)
}

// SealClose returns our close_notify as a record to be written, valid until
// the next call; nothing when it, or a fatal alert, has been sealed before.
func (c *Codec) SealClose(t *TLS) []byte {
	if t.closing() {
		return nil
	}
	t.flags |= sentClose
	if t.old == nil {
		return t.rec.AppendAlert(c.cache, c.sealed[:0], record.AlertCloseNotify)
	}
	t.wire.swapOut(c.sealed[:0])
	t.old.CloseWrite()
	return t.wire.swapOut(nil)
}

// SealAlert returns the alert that the peer's fault asks for (RFC 8446 6.2) as
// a record to be written; nothing when none is due.
func (c *Codec) SealAlert(t *TLS) []byte {
	if t.fail == nil || t.closing() {
		return nil
	}
	t.flags |= sentClose
	if t.old != nil {
		return t.wire.swapOut(nil) // the tls.Conn has sealed it
	}
	if alert, due := record.AlertDue(t.fail); due {
		return t.rec.AppendAlert(c.cache, c.sealed[:0], alert)
	}
	return nil
}

// Write writes plaintext, like sys.IO's Write, but that a caller whose bytes
// were not all taken has to come again with the rest of the same bytes: some of
// them may have been sealed already, and are counted when the record has been
// written whole.
func (c *Codec) Write(e End, p []byte) (n int, o sys.Outcome) {
	t := e.TLS
	for {
		if t.out != nil {
			m, out := c.flushOut(e)
			n += m
			p = p[m:]
			if out != sys.OK {
				return n, short(n, out)
			}
		}
		if len(p) == 0 {
			return n, sys.OK
		}
		if t.closing() {
			return n, sys.Gone
		}
		k := min(len(p), sealMax)
		wire := c.Seal(t, p[:k])
		m, out, _ := c.IO.Write(e.FD, wire, false)
		if out != sys.OK && out != sys.WouldBlock {
			return n, out
		}
		if m < len(wire) {
			t.out = c.budget.get()
			t.out.B = append(t.out.B, wire[m:]...)
			t.outAt, t.owed = 0, int32(k)
			continue
		}
		n += k
		p = p[k:]
	}
}

// short is the outcome of a write that took n bytes before it met o.
func short(n int, o sys.Outcome) sys.Outcome {
	if n > 0 && o == sys.WouldBlock {
		return sys.OK
	}
	return o
}

// flushOut writes what was sealed before. It returns the plaintext bytes that
// are thereby written.
func (c *Codec) flushOut(e End) (n int, o sys.Outcome) {
	t := e.TLS
	for int(t.outAt) < len(t.out.B) {
		m, out, _ := c.IO.Write(e.FD, t.out.B[t.outAt:], false)
		if out != sys.OK {
			return 0, out
		}
		t.outAt += int32(m)
	}
	n = int(t.owed)
	c.drop(&t.out)
	t.outAt, t.owed = 0, 0
	return n, sys.OK
}

// Shutdown ends our direction: close_notify if it can be written at once, then
// the FIN.
func (c *Codec) Shutdown(e End) {
	if t := e.TLS; t != nil && t.out == nil {
		if wire := c.SealClose(t); len(wire) > 0 {
			c.IO.Write(e.FD, wire, false)
		}
	}
	c.IO.Shutdown(e.FD)
}

// Forget drops what c keeps for t, which goes on with another Codec.
func (c *Codec) Forget(t *TLS) { c.cache.Drop(&t.rec) }

// Release ends t: buffers go back, keys are wiped.
func (c *Codec) Release(t *TLS) {
	c.cache.Drop(&t.rec)
	c.drop(&t.part)
	c.drop(&t.left)
	c.drop(&t.out)
	t.rec.Wipe()
	t.old, t.filing, t.wire = nil, nil, nil
}

func (c *Codec) drop(b **Buffer) {
	if *b != nil {
		c.budget.put(*b)
		*b = nil
	}
}

// Built returns how often ciphers have been built.
func (c *Codec) Built() uint64 { return c.cache.Built() }
