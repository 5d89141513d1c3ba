package splice

import (
	"wsgate/splice/frame"
)

const (
	// spliceMin is how many bytes of a frame must be left for the way through
	// a pipe to be cheaper than the copy: it costs two more system calls.
	spliceMin = 16 << 10
	// spliceMax is how many bytes go through a pipe at a time: more would serve
	// one session in long bursts while the others wait. With 128 KiB, eight
	// sessions of 64 KB frames had a quarter of the longest gaps (p99) and cost
	// nearly twice the CPU a MB.
	spliceMax = 512 << 10
	// peek is what is read of the next frame in a run of large ones: its
	// header and a few bytes more, so that nearly all of it can be spliced.
	peek = 14
)

// Facts is what Pump came upon: a set of bits.
type Facts uint16

// The facts. Those marked "once" are reported by one Pump only.
const (
	Moved      Facts = 1 << iota // bytes were read or written
	More                         // the budget is used up and the source may have more: pump again
	DstBlocked                   // the destination takes no more at present; reading has stopped
	SrcEOF                       // once: end of stream from the source, and all before it is written
	SrcGone                      // once: the source was reset or timed out
	DstGone                      // once: the destination does not exist any more; what was pending is dropped
	DstReset                     // with DstGone: it sent a RST, and no FIN before it
	CloseSeen                    // once: a whole Close frame of the source has gone past
	Violated                     // once: the source broke the protocol; the rest of it is discarded
	TooBig                       // once: a message is over the limit; the rest of it is discarded
	AtEnd                        // once after Finish: all that is to be passed on has been written
	FinSent                      // once after Fin: the half-close has been passed on
	Broken                       // once: the source's first frame violation, whatever comes of it
	SrcPartial                   // the source's TLS connection holds a part of a record
	CloseLate                    // CloseSeen, behind what Violated or TooBig stands for
)

type halfFlags uint16

const (
	readable   halfFlags = 1 << iota // the source may have bytes
	hup                              // the source's end of stream is near: a short read proves nothing
	eof                              // end of stream was read
	gone                             // the source is dead
	cut                              // nothing more is passed on; what is read is discarded
	wantEnd                          // Finish was called, AtEnd not yet reported
	wantFin                          // Fin was called, FIN not yet sent
	finSent                          // FIN has been sent to the destination
	lost                             // the destination is dead
	bulk                             // the last frame was spliced: expect another like it
	noSplice                         // these descriptors cannot be spliced
	clean                            // set at the cut: it fell on a frame boundary
	told                             // end of stream, or the source's death, has been reported
	closeTold                        // CloseSeen has been reported
	brokenTold                       // Broken has been reported
)

// Half is one direction of a relay. It owns its pending buffer and its pipe,
// if it holds any, until Release; the descriptors belong to the session.
// Init must be called before use.
type Half struct {
	scan frame.Scanner
	// pend holds bytes for the destination from off on; nil when there are
	// none. A half with pending bytes, or bytes in its pipe, does not read,
	// unless it has been cut.
	pend *Buffer
	pipe *Pipe
	// stalled is the Worker's time since when the destination has taken
	// nothing; 0 when nothing is pending.
	stalled   int64
	bytes     uint64
	spliced   uint64
	discarded uint64
	off       int32
	flags     halfFlags
	dir       uint8 // index of Worker.Totals
	nheld     uint8
	held      [13]byte // the beginning of a frame header that is not complete
}

// Init prepares h for a new session; dir, 0 or 1, is what it is counted under
// in Worker.Totals.
func (h *Half) Init(c frame.Config, dir uint8) {
	*h = Half{dir: dir}
	h.scan.Init(c)
}

// MarkReadable notes that the source may have bytes; hangup that its end of
// stream or an error has been signalled, too.
func (h *Half) MarkReadable(hangup bool) {
	h.flags |= readable
	if hangup {
		h.flags |= hup
	}
}

// Bytes returns the bytes read from the source, those discarded included.
func (h *Half) Bytes() uint64 { return h.bytes }

// Spliced returns the bytes that went through a pipe.
func (h *Half) Spliced() uint64 { return h.spliced }

// Discarded returns the bytes read and not passed on.
func (h *Half) Discarded() uint64 { return h.discarded }

// Messages returns the data messages completed by the source.
func (h *Half) Messages() uint64 { return h.scan.Messages() }

// Violation returns the first frame violation of the source, "" for none.
func (h *Half) Violation() string { return h.scan.Violation() }

// Closed returns code and reason of the source's Close frame, once seen. The
// reason is valid until Release.
func (h *Half) Closed() (code uint16, reason []byte, ok bool) { return h.scan.Closed() }

// Pending tells whether bytes wait for the destination.
func (h *Half) Pending() bool { return h.pend != nil || h.pipe != nil && h.pipe.n > 0 }

// Stalled returns the Worker's time since when the destination has taken
// nothing although bytes wait for it, 0 when none do.
func (h *Half) Stalled() int64 { return h.stalled }

// Ended tells whether the source will give nothing more.
func (h *Half) Ended() bool { return h.flags&(eof|gone) != 0 }

// Lost tells whether the destination is dead.
func (h *Half) Lost() bool { return h.flags&lost != 0 }

// Clean tells whether what has been passed on ends at a frame boundary, so
// that a Close frame may follow it. It is meaningful from AtEnd on.
func (h *Half) Clean() bool { return h.flags&clean != 0 }

// Deaf tells whether the source's frames cannot be followed: they are not
// looked at, or it has broken the protocol.
func (h *Half) Deaf() bool { return h.scan.Opaque() }

// Truncated tells whether a frame was passed on in part only.
func (h *Half) Truncated() bool {
	if h.flags&cut != 0 {
		return h.flags&clean == 0 && !h.scan.Opaque()
	}
	return h.Ended() && !h.boundary() && !h.scan.Opaque()
}

// Finish asks that the present frame be passed on to its end and nothing
// behind it. AtEnd reports that this has happened, or that the boundaries are
// not known or not reachable any more and what was pending has been written;
// Clean tells which.
func (h *Half) Finish() {
	if h.flags&finSent == 0 {
		h.flags |= wantEnd
	}
}

// Discard stops passing on at once. What the source still sends is read,
// scanned for its Close and counted. Pending bytes are still written.
func (h *Half) Discard() { h.cut() }

// Abandon is Discard for a dead destination: what was pending is dropped.
func (h *Half) Abandon(w *Worker) {
	h.cut()
	h.flags |= lost
	h.flags &^= wantEnd | wantFin
	h.drop(w)
}

// Forget notes that the source's descriptor is closed: nothing is read any
// more and no end is reported.
func (h *Half) Forget() { h.flags |= gone | told }

// Send queues the gateway's own bytes behind what is pending. The caller has
// seen AtEnd. t is the destination's TLS connection, nil for none.
func (h *Half) Send(w *Worker, t *TLS, p []byte) {
	if h.flags&(lost|finSent) != 0 {
		return
	}
	if t != nil {
		p = w.Seal(t, p)
	}
	h.keep(w, p)
}

// CopyOnly keeps the half from splicing: one of its ends is a TLS connection.
func (h *Half) CopyOnly() { h.flags |= noSplice }

// Fin asks for the half-close to be passed on behind what is pending.
func (h *Half) Fin() {
	if h.flags&(lost|finSent) == 0 {
		h.flags |= wantFin
	}
}

// Release gives buffer and pipe back. h must not be used afterwards, except
// for its counts.
func (h *Half) Release(w *Worker) { h.drop(w) }

func (h *Half) drop(w *Worker) {
	if h.pend != nil {
		w.budget.put(h.pend)
		w.buffers--
		h.pend, h.off = nil, 0
	}
	if h.pipe != nil {
		w.pipes.put(h.pipe)
		h.pipe = nil
	}
	h.stalled = 0
}

// boundary tells whether the bytes passed on so far end between two frames.
func (h *Half) boundary() bool { return h.scan.AtBoundary() }

func (h *Half) cut() {
	if h.flags&cut != 0 {
		return
	}
	h.flags |= cut
	if h.boundary() {
		h.flags |= clean
	}
	h.flags &^= bulk
}

// keep puts p into the pending buffer.
func (h *Half) keep(w *Worker, p []byte) {
	if len(p) == 0 {
		return
	}
	if h.pend == nil {
		h.pend = w.budget.get()
		h.off = 0
		w.buffers++
	}
	h.pend.B = append(h.pend.B, p...)
	if h.stalled == 0 {
		h.stalled = w.Now
	}
}

// Queue puts bytes in front of everything else that h passes on, before Feed:
// what had been sealed for a TLS destination and not written.
func (h *Half) Queue(w *Worker, wire []byte) { h.keep(w, wire) }
