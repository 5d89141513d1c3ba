package plain

import (
	"time"

	sm "wsgate/eventloop/session"
	"wsgate/splice/frame"
)

const (
	// halfSmall and halfLarge are the sizes of a half's buffer: it holds the
	// small one while it waits, and the large one while reads fill it.
	halfSmall = 2 << 10
	halfLarge = 16 << 10
)

// fact is what a half has come upon: see splice.Facts, whose words these are.
type fact uint16

const (
	factClose fact = 1 << iota
	factViolated
	factTooBig
	factDestGone
	factSourceGone
	factEnd
	factAtEnd
	factFinSent
)

// half is one direction of a tunnel: splice.Half for a peer that is an
// io.Reader and an io.Writer. It belongs to the tunnel's goroutine; a worker of
// its own reads and writes on its behalf, one at a time, and never while the
// buffer is looked at here.
type half struct {
	dir  sm.Dir
	scan frame.Scanner
	dec  *frame.Decoder
	buf  []byte // what the worker reads into, and writes from
	pass int    // bytes at the front of buf that are being written
	held int    // bytes behind them: the beginning of a frame header

	reading bool
	writing bool      // from buf
	sending bool      // the gateway's own bytes, or the half-close
	since   time.Time // of the write in progress

	queue   []byte // the gateway's own bytes, to be sent next
	found   fact   // not told yet
	cut     bool   // nothing more is passed on
	clean   bool   // the cut fell on a frame boundary
	ended   bool   // the source gives nothing more
	gone    bool   // ended by a reset
	told    bool   // the end has been told
	lost    bool   // the destination is dead
	wantEnd bool
	wantFin bool
	finSent bool

	closeTold, lateClose, brokenTold bool
	bytes, discarded                 uint64
	unreported, counted              uint64 // bytes and messages that the metrics know of
}

func (h *half) init(d sm.Dir, c frame.Config) {
	h.dir, h.dec = d, frame.NewDecoder()
	h.scan.Init(c)
}

// cutNow stops passing on.
func (h *half) cutNow() {
	if !h.cut {
		h.cut, h.clean = true, h.scan.AtBoundary()
	}
}

// abandon: the destination is dead.
func (h *half) abandon() {
	h.cutNow()
	h.lost, h.wantEnd, h.wantFin, h.queue = true, false, false, nil
}

// arrived takes n bytes that were read behind the held ones. It returns how
// many bytes at the front of buf are to be written.
func (h *half) arrived(n int) int {
	h.bytes += uint64(n)
	data := h.buf[:h.held+n]
	h.held = 0
	if h.cut {
		h.discard(data)
		return 0
	}
	head, rest := data, []byte(nil)
	if h.wantEnd && !h.scan.Opaque() {
		// A frame is open, or the end would have been told: it is finished, and
		// nothing behind it passed on.
		k := int(min(uint64(len(data)), h.scan.Remaining()))
		head, rest = data[:k], data[k:]
	}
	k, keep, verdict := h.scan.Scan(h.dec, head)
	h.pass = k
	switch {
	case verdict == frame.Violation:
		h.cutNow()
		h.scan.SetOpaque()
		h.found |= factViolated
		h.discard(head[k:])
	case verdict == frame.TooBig:
		h.cutNow()
		h.scan.Unlimit()
		h.found |= factTooBig
		h.discard(head[k:])
	case len(rest) > 0:
		h.cutNow()
		h.discard(rest)
	default:
		h.held = keep
	}
	h.noteClose()
	return k
}

// atEOF gives up a header that will never be complete: it goes on as it came.
func (h *half) atEOF() int {
	n := h.held
	h.held = 0
	if h.cut || n == 0 {
		return 0
	}
	h.scan.SetOpaque()
	h.pass = n
	return n
}

// wrote: the bytes at the front of buf are with the destination.
func (h *half) wrote() {
	copy(h.buf, h.buf[h.pass:h.pass+h.held])
	h.pass = 0
}

// discard scans p for the source's Close and counts it. What is the beginning
// of a header is held.
func (h *half) discard(p []byte) {
	h.discarded += uint64(len(p))
	for len(p) > 0 {
		n, keep, verdict := h.scan.Scan(h.dec, p)
		switch verdict {
		case frame.Violation:
			h.scan.SetOpaque()
			h.noteClose()
			return
		case frame.TooBig:
			h.scan.Unlimit()
			p = p[n:]
			continue
		}
		// It comes again in front of the next bytes, and is counted then.
		h.held = copy(h.buf[h.pass:], p[n:n+keep])
		h.discarded -= uint64(keep)
		break
	}
	h.noteClose()
}

// noteClose notes the source's Close. One behind the cut has not been passed on:
// the machine hears of it after what the cut is for.
func (h *half) noteClose() {
	if !h.closeTold && h.scan.CloseSeen() {
		h.closeTold = true
		if h.cut {
			h.lateClose = true
			return
		}
		h.found |= factClose
	}
}

// settle does what finish and fin asked for when nothing is being written, and
// tells the end of the source. sendFin begins to pass the half-close on.
func (h *half) settle(sendFin func(*half)) {
	if h.lateClose && !h.wantEnd && h.found == 0 {
		h.lateClose = false
		h.found |= factClose
	}
	if h.writing || h.sending || len(h.queue) > 0 {
		return
	}
	if h.wantEnd && (h.cut || h.ended || h.scan.AtBoundary() || h.scan.Opaque()) {
		h.wantEnd = false
		h.cutNow()
		h.found |= factAtEnd
	}
	if h.wantFin && !h.wantEnd && h.found&factAtEnd == 0 {
		h.wantFin, h.finSent = false, true
		sendFin(h)
	}
	if h.ended && !h.told {
		h.told = true
		if h.gone {
			h.found |= factSourceGone
		} else {
			h.found |= factEnd
		}
	}
}

// truncated tells whether a frame was passed on in part only.
func (h *half) truncated() bool {
	if h.cut {
		return !h.clean && !h.scan.Opaque()
	}
	return h.ended && !h.scan.AtBoundary() && !h.scan.Opaque()
}

// room returns what to read into behind the held bytes.
func (h *half) room() []byte {
	if h.buf == nil {
		h.buf = make([]byte, halfSmall)
	}
	return h.buf[h.held:]
}

// resize adapts the buffer to the last read, which took n bytes. Nothing but
// the held bytes is in it.
func (h *half) resize(n int) {
	size := 0
	switch {
	case len(h.buf) == halfSmall && n >= halfSmall-16:
		size = halfLarge
	case len(h.buf) == halfLarge && n <= halfSmall/2:
		size = halfSmall
	default:
		return
	}
	next := make([]byte, size)
	copy(next, h.buf[:h.held])
	h.buf = next
}
