package frame

import (
	"io"
	"math"

	"github.com/gobwas/ws"
)

// Bits of the first two bytes of a header (RFC 6455 5.2).
const (
	bitFin    = 0x80
	bitMask   = 0x80
	lenMask   = 0x7f
	maxShort  = 125 // the largest length of a two-byte header, and of a control frame
	len16     = 126 // the length is in the next two bytes
	len64     = 127 // the length is in the next eight bytes
	maxLen16  = math.MaxUint16
	maskBytes = 4
)

type state uint8

const (
	opaque     state = 1 << iota // boundaries are not known
	open                         // inside a fragmented data message
	last                         // the present frame completes a data message
	closing                      // the present frame is a Close
	closeSeen                    // a whole Close frame has gone past
	mustBeMask                   // frames of this direction are masked
)

// Decoder is the scratch memory for decoding headers, shared by the scanners
// of one goroutine.
type Decoder struct {
	r   headerReader
	buf [ws.MaxHeaderSize - 2]byte
}

// NewDecoder returns a Decoder.
func NewDecoder() *Decoder { return new(Decoder) }

// headerReader gives gobwas the bytes of one whole header: on a part of one
// ReadHeader would eat what there is.
type headerReader struct{ b []byte }

func (r *headerReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

// Scanner follows the frames of one direction. Its zero value observes
// unmasked frames without a limit; Init sets anything else.
type Scanner struct {
	remaining uint64 // payload bytes of the present frame still to come
	size      uint64 // payload bytes declared by the frames of the present message
	limit     uint64 // of size; 0: none
	messages  uint64
	close     *closeCapture // of the first Close frame, if that has a payload
	mode      Mode
	reserved  uint8
	state     state
	violation violation
}

// Init prepares s for a new stream.
func (s *Scanner) Init(c Config) {
	*s = Scanner{mode: c.Mode, reserved: c.ReservedBits & 7, limit: uint64(max(c.MaxMessage, 0))}
	if c.Masked {
		s.state = mustBeMask
	}
	if c.Mode == Off {
		s.SetOpaque()
	}
}

// Scan looks at p, the next bytes of the stream. n of them may be passed on;
// keep bytes behind these, at most 13, are the beginning of a header, and must
// come again in front of the bytes that follow.
//
// With Continue n+keep is len(p). With Violation and TooBig the header that is
// to blame starts at p[n] and s is as if it had not been seen: after SetOpaque
// or Unlimit scanning may go on there. Under Observe without a limit a
// violation is noted and everything passes from there on.
//
// It allocates nothing but the room for the payload of a Close, once.
func (s *Scanner) Scan(d *Decoder, p []byte) (n, keep int, v Verdict) {
	for s.state&opaque == 0 {
		if s.remaining > 0 {
			n = s.payload(p, n)
			if s.remaining > 0 {
				return n, 0, Continue
			}
		}
		if s.state&open == 0 {
			n = s.small(p, n)
		}
		rest := p[n:]
		if len(rest) < ws.MinHeaderSize {
			return n, len(rest), Continue
		}
		bad := s.check(rest[0], rest[1])
		size := headerSize(rest[1])
		if bad == none {
			if len(rest) < size {
				return n, len(rest), Continue
			}
			d.r.b = rest[:size]
			h, err := ws.ReadHeaderBuffer(&d.r, d.buf[:])
			d.r.b = nil
			if err != nil || !minimal(rest[1], h.Length) {
				bad = badLength
			} else if s.tooBig(&h) {
				return n, 0, TooBig
			} else {
				s.begin(&h)
				n += size
				continue
			}
		}
		s.violation = bad
		if s.mode == Enforce || s.limit > 0 {
			return n, 0, Violation
		}
		s.SetOpaque()
	}
	return len(p), 0, Continue
}

// payload passes over the payload of the present frame from p[n] on.
func (s *Scanner) payload(p []byte, n int) int {
	take := int(min(s.remaining, uint64(len(p)-n)))
	if s.state&closing != 0 && s.state&closeSeen == 0 {
		s.close.add(p[n : n+take])
	}
	s.Skip(uint64(take))
	return n + take
}

// small passes over whole unfragmented data frames of at most 125 payload
// bytes: nothing about them needs more than a look at two bytes. s is between
// two messages. Reserved bits that an extension owns, it owns here: these are
// first frames of data messages.
func (s *Scanner) small(p []byte, n int) int {
	var masked, extra byte
	if s.state&mustBeMask != 0 {
		masked, extra = bitMask, maskBytes
	}
	longest := byte(maxShort)
	if s.limit > 0 {
		longest = byte(min(maxShort, s.limit))
	}
	owned := s.reserved << 4
	for len(p)-n >= ws.MinHeaderSize {
		length := p[n+1] ^ masked // above 125 for the wrong mask bit, too
		if op := p[n]&^owned ^ bitFin; op != byte(ws.OpText) && op != byte(ws.OpBinary) || length > longest {
			break
		}
		next := n + ws.MinHeaderSize + int(extra) + int(length)
		if next > len(p) {
			break
		}
		s.messages++
		n = next
	}
	return n
}

// check judges what the first two bytes of a header tell.
func (s *Scanner) check(b0, b1 byte) violation {
	op := ws.OpCode(b0 & 0x0f)
	rsv := b0 >> 4 & 7
	length := b1 & lenMask
	first := op == ws.OpText || op == ws.OpBinary // of a data message
	switch {
	case op.IsReserved():
		return badOpcode
	case rsv&^s.reserved != 0, s.reserved == 4 && rsv != 0 && !first:
		// RFC 6455 5.2: a non-zero value that no extension defines fails the
		// connection. RFC 7692 6: the bit of permessage-deflate is for the
		// first fragment of a data message, never for control frames.
		return badRSV
	case s.state&mustBeMask != 0 && b1&bitMask == 0:
		return badUnmasked // 5.1
	case s.state&mustBeMask == 0 && b1&bitMask != 0:
		return badMasked // 5.1
	case op.IsControl() && b0&bitFin == 0:
		return badControlFragmented // 5.5
	case op.IsControl() && length > maxShort:
		return badControlLength // 5.5
	case op == ws.OpClose && length == 1:
		return badCloseLength // 5.5.1: a body begins with a two-byte code
	case op == ws.OpContinuation && s.state&open == 0:
		return badContinuation // 5.4
	case first && s.state&open != 0:
		return badInterleaved // 5.4
	}
	return none
}

// headerSize returns the length of a header by its second byte.
func headerSize(b1 byte) int {
	size := ws.MinHeaderSize
	switch b1 & lenMask {
	case len16:
		size += 2
	case len64:
		size += 8
	}
	if b1&bitMask != 0 {
		size += maskBytes
	}
	return size
}

// minimal tells whether the length is in its shortest form (5.2: "the minimal
// number of bytes MUST be used").
func minimal(b1 byte, length int64) bool {
	switch b1 & lenMask {
	case len16:
		return length > maxShort
	case len64:
		return length > maxLen16
	}
	return true
}

// tooBig judges a data frame against the limit, its message's earlier frames
// included.
func (s *Scanner) tooBig(h *ws.Header) bool {
	if s.limit == 0 || h.OpCode.IsControl() {
		return false
	}
	size := uint64(h.Length)
	if h.OpCode == ws.OpContinuation {
		size += s.size // neither is above 1<<63 - 1
	}
	return size > s.limit
}

// begin takes up the frame of a header that is in order.
func (s *Scanner) begin(h *ws.Header) {
	s.remaining = uint64(h.Length)
	switch {
	case h.OpCode == ws.OpClose:
		s.state |= closing
		if s.state&closeSeen == 0 && h.Length > 0 {
			s.close = &closeCapture{key: h.Mask, masked: h.Masked}
		}
	case h.OpCode.IsControl():
	default:
		s.beginData(h)
	}
	if s.remaining == 0 {
		s.end()
	}
}

func (s *Scanner) beginData(h *ws.Header) {
	if h.OpCode != ws.OpContinuation {
		s.size = 0
	}
	// Without a limit nobody asks for the sum, which then wraps.
	s.size += uint64(h.Length)
	if h.Fin {
		s.state = s.state&^open | last
	} else {
		s.state |= open
	}
}

// end is where the present frame ends.
func (s *Scanner) end() {
	if s.state&last != 0 {
		s.messages++
	}
	if s.state&closing != 0 {
		s.state |= closeSeen
	}
	s.state &^= last | closing
}

// Remaining returns how many payload bytes of the present frame have not been
// passed on; 0 when opaque.
func (s *Scanner) Remaining() uint64 { return s.remaining }

// Skip notes that n payload bytes of the present frame went past another way.
// n is at most Remaining, and the frame is no Close.
func (s *Scanner) Skip(n uint64) {
	if n > s.remaining {
		panic("frame: skip past the end of the frame")
	}
	if n == 0 {
		return
	}
	if s.remaining -= n; s.remaining == 0 {
		s.end()
	}
}

// AtBoundary tells whether what has been passed on ends between two frames. It
// is false when that is not known.
func (s *Scanner) AtBoundary() bool { return s.state&opaque == 0 && s.remaining == 0 }

// Opaque tells whether the boundaries are not known (any more).
func (s *Scanner) Opaque() bool { return s.state&opaque != 0 }

// SetOpaque gives the boundaries up: all further bytes pass.
func (s *Scanner) SetOpaque() {
	s.state |= opaque
	s.remaining = 0
}

// Unlimit drops the limit of message sizes, so that a stream can be followed
// to its Close behind a TooBig. Under Observe it does not stop at a violation then.
func (s *Scanner) Unlimit() { s.limit = 0 }

// Messages returns the number of data messages that have gone past whole.
func (s *Scanner) Messages() uint64 { return s.messages }

// Violation returns a word for the first violation: "opcode", "rsv",
// "unmasked", "masked", "control_fragmented", "control_length",
// "close_length", "continuation", "interleaved" or "length"; "" for none.
func (s *Scanner) Violation() string { return violationNames[s.violation] }
