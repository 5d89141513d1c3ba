package splice

import (
	"wsgate/splice/frame"
	"wsgate/splice/sys"
)

// Pump moves bytes from src to dst until one of them would block, about budget
// bytes have been read, or the session has something to decide. It writes what
// is pending, reads what fits, tests for done, and goes round again. It
// allocates nothing.
func (h *Half) Pump(w *Worker, src, dst End, budget int) Facts {
	var f Facts
	if h.flags&^(hup|noSplice|closeTold|brokenTold) == readable && h.pend == nil && h.pipe == nil && !h.wantsSplice() && budget > 0 {
		// The turn of a small message: one read, one write, nothing else.
		if f = h.copyStep(w, src, dst); f&^Moved == 0 && h.flags&readable == 0 {
			return f
		}
		if f&(AtEnd|Violated|TooBig|DstGone) != 0 {
			return f
		}
		budget -= BufferSize
	}
	for {
		if h.Pending() && f&DstBlocked == 0 {
			f |= h.flush(w, dst)
		}
		if !h.Pending() && h.flags&(wantEnd|wantFin) != 0 {
			f |= h.settle(w, dst)
		}
		if h.Pending() && h.flags&cut == 0 || f&(AtEnd|Violated|TooBig|DstGone) != 0 {
			break
		}
		if h.Ended() {
			f |= h.tellEnd()
			break
		}
		if h.flags&readable == 0 {
			break
		}
		if budget <= 0 {
			f |= More
			break
		}
		before := h.bytes
		f |= h.step(w, src, dst)
		budget -= int(h.bytes - before)
	}
	if h.pipe != nil && h.pipe.n == 0 {
		w.pipes.put(h.pipe)
		h.pipe = nil
	}
	return f
}

// Feed passes on bytes that were read before the relay began: lead goes to dst
// as it is, data is what the source sent and is scanned. Both are copied. It
// is called once, before the first Pump, and reports like it.
func (h *Half) Feed(w *Worker, dst End, lead, data []byte) Facts {
	buf := w.scratch[:0]
	buf = append(append(buf, lead...), data...)
	h.count(w, len(data))
	f := h.take(w, dst, buf, len(lead))
	if h.Pending() {
		f |= DstBlocked
	}
	return f
}

// tellEnd reports the source's end, once. Nothing is pending for a destination
// that lives, unless the half has been cut.
func (h *Half) tellEnd() Facts {
	if h.flags&told != 0 {
		return 0
	}
	h.flags |= told
	if h.flags&gone != 0 {
		return SrcGone
	}
	return SrcEOF
}

// settle does what Finish and Fin asked for. Nothing is pending.
func (h *Half) settle(w *Worker, dst End) Facts {
	var f Facts
	if h.flags&wantEnd != 0 && (h.flags&cut != 0 || h.Ended() || h.boundary() || h.scan.Opaque()) {
		h.flags &^= wantEnd
		h.cut()
		f |= AtEnd
	}
	if h.flags&(wantEnd|wantFin) == wantFin {
		if dst.TLS != nil && !dst.TLS.closing() {
			h.keep(w, w.SealClose(dst.TLS))
			f |= h.flush(w, dst)
			if h.pend != nil || h.flags&lost != 0 {
				return f
			}
		}
		h.flags &^= wantFin
		h.flags |= finSent
		w.IO.Shutdown(dst.FD)
		f |= FinSent
	}
	return f
}

// step reads once and passes on what it read. The source may be readable and,
// unless the half has been cut, nothing is pending.
func (h *Half) step(w *Worker, src, dst End) Facts {
	if h.flags&cut != 0 {
		return h.discardStep(w, src)
	}
	if h.wantsSplice() {
		if f, handled := h.spliceStep(w, src, dst); handled {
			return f
		}
	}
	return h.copyStep(w, src, dst)
}

// copyStep reads into the scratch buffer, behind the held part of a header,
// and writes from there.
func (h *Half) copyStep(w *Worker, src, dst End) Facts {
	room := BufferSize
	if h.flags&bulk != 0 && h.scan.Remaining() == 0 && !h.scan.Opaque() {
		room = peek
	}
	if h.flags&wantEnd != 0 {
		// A frame is open, or Finish would have been settled: nothing behind
		// it may be read.
		room = int(min(uint64(room), h.scan.Remaining()))
	}
	buf, f := h.read(w, src, room)
	if len(buf) == 0 {
		return f
	}
	if h.scan.Opaque() && len(buf) >= spliceMin {
		h.flags |= bulk
	}
	return f | h.take(w, dst, buf, 0)
}

// read fills the scratch buffer with the held bytes and at most room more. It
// returns nothing when no byte could be read.
func (h *Half) read(w *Worker, src End, room int) ([]byte, Facts) {
	start := headroom - int(h.nheld)
	n, empty, out := w.read(src, w.scratch[headroom:headroom+room])
	switch out {
	case sys.OK:
	case sys.EOF:
		h.flags |= eof
		if h.flags&cut == 0 && h.nheld > 0 {
			return h.unhold(w, start), 0
		}
		return nil, 0
	case sys.WouldBlock:
		h.flags &^= readable
		if src.TLS != nil && src.TLS.Partial() {
			return nil, SrcPartial
		}
		return nil, 0
	default:
		h.flags |= gone
		return nil, 0
	}
	if empty && h.flags&hup == 0 {
		h.flags &^= readable
	}
	h.count(w, n)
	if h.nheld > 0 {
		copy(w.scratch[start:], h.held[:h.nheld])
		h.nheld = 0
	}
	return w.scratch[start : headroom+n], Moved
}

func (h *Half) count(w *Worker, n int) {
	h.bytes += uint64(n)
	w.Totals[h.dir].Bytes += uint64(n)
}

// unhold gives up a header that will never be complete: it goes on as it came.
func (h *Half) unhold(w *Worker, start int) []byte {
	copy(w.scratch[start:], h.held[:h.nheld])
	h.nheld = 0
	h.scan.SetOpaque()
	return w.scratch[start:headroom]
}

// take scans data behind its first lead bytes, writes what may be passed on
// and keeps the rest of it pending. data lies in the scratch buffer.
func (h *Half) take(w *Worker, dst End, data []byte, lead int) Facts {
	messages := h.scan.Messages()
	n, keep, verdict := h.scan.Scan(w.dec, data[lead:])
	w.Totals[h.dir].Messages += h.scan.Messages() - messages
	n += lead
	if keep > 0 {
		h.nheld = uint8(copy(h.held[:], data[n:n+keep]))
	}
	f := h.write(w, dst, data[:n])
	switch verdict {
	case frame.Violation:
		h.cut()
		h.scan.SetOpaque()
		f |= Violated | late(h.discard(w, data[n:]))
	case frame.TooBig:
		h.cut()
		h.scan.Unlimit()
		f |= TooBig | late(h.discard(w, data[n:]))
	}
	if h.flags&bulk != 0 && !h.scan.Opaque() && h.scan.Remaining() < spliceMin {
		h.flags &^= bulk
	}
	return f | h.tellClose()
}

// late marks a Close that came behind a cut, so that the session hears of the
// cut first.
func late(f Facts) Facts {
	if f&CloseSeen != 0 {
		f = f&^CloseSeen | CloseLate
	}
	return f
}

// tellClose reports the source's Close and its first violation, each once.
func (h *Half) tellClose() Facts {
	var f Facts
	if h.flags&closeTold == 0 && h.scan.CloseSeen() {
		h.flags |= closeTold
		f = CloseSeen
	}
	if h.flags&brokenTold == 0 && h.scan.Opaque() && h.scan.Violation() != "" {
		h.flags |= brokenTold
		f |= Broken
	}
	return f
}

// write sends p; what dst does not take is kept. A dead dst loses it.
func (h *Half) write(w *Worker, dst End, p []byte) Facts {
	if len(p) == 0 {
		return 0
	}
	if dst.TLS != nil {
		p = w.Seal(dst.TLS, p)
	}
	if h.pend != nil {
		h.keep(w, p) // behind what was sealed before the relay began
		return DstBlocked
	}
	more := h.flags&readable != 0 && h.scan.Remaining() >= spliceMin && h.flags&noSplice == 0
	n, out, errno := w.write(dst.FD, p, more)
	if out != sys.OK && out != sys.WouldBlock {
		return h.dead(w, errno)
	}
	if n < len(p) {
		h.keep(w, p[n:])
		return Moved | DstBlocked
	}
	return Moved
}

// dead notes the death of the destination.
func (h *Half) dead(w *Worker, errno sys.Errno) Facts {
	h.Abandon(w)
	if sys.IsReset(errno) {
		return DstGone | DstReset
	}
	return DstGone
}

// flush writes what is pending, in the order buffer, pipe: a half never holds
// both unless the gateway's own bytes were queued behind an abandoned splice.
func (h *Half) flush(w *Worker, dst End) Facts {
	var f Facts
	for h.pipe != nil && h.pipe.n > 0 {
		n, out, errno := w.IO.Splice(h.pipe.r, dst.FD, h.pipe.n, false)
		switch out {
		case sys.OK:
			h.pipe.n -= n
			h.stalled = w.Now
			f |= Moved
		case sys.WouldBlock:
			if h.stalled == 0 {
				h.stalled = w.Now
			}
			return f | DstBlocked
		case sys.Unsupported:
			h.flags |= noSplice
			if !h.unpipe(w) {
				return f | h.dead(w, errno)
			}
		default:
			return f | h.dead(w, errno)
		}
	}
	for h.pend != nil {
		n, out, errno := w.IO.Write(dst.FD, h.pend.B[h.off:], false)
		if out != sys.OK && out != sys.WouldBlock {
			return f | h.dead(w, errno)
		}
		if n > 0 {
			h.off += int32(n)
			h.stalled = w.Now
			f |= Moved
		}
		if int(h.off) < len(h.pend.B) {
			if out == sys.WouldBlock || n == 0 {
				return f | DstBlocked
			}
			continue
		}
		h.drop(w)
	}
	h.stalled = 0
	return f
}

// unpipe moves the contents of the pipe in front of the pending bytes, for a
// destination that cannot be spliced to. It is the rare way out and reads the
// pipe whole: at most its capacity.
func (h *Half) unpipe(w *Worker) bool {
	var own []byte
	if h.pend != nil {
		own = append(own, h.pend.B[h.off:]...)
		h.pend.B, h.off = h.pend.B[:0], 0
	}
	for h.pipe.n > 0 {
		n, out, _ := w.IO.Read(h.pipe.r, w.scratch[:min(len(w.scratch), h.pipe.n)])
		if out != sys.OK {
			return false
		}
		h.pipe.n -= n
		h.keep(w, w.scratch[:n])
	}
	h.keep(w, own)
	return true
}

// discardStep reads once and throws away what it read.
func (h *Half) discardStep(w *Worker, src End) Facts {
	buf, f := h.read(w, src, BufferSize)
	return f | h.discard(w, buf)
}

// discard scans p for the source's Close and counts it.
func (h *Half) discard(w *Worker, p []byte) Facts {
	h.discarded += uint64(len(p))
	for len(p) > 0 {
		n, keep, verdict := h.scan.Scan(w.dec, p)
		switch verdict {
		case frame.Violation:
			h.scan.SetOpaque()
			return 0
		case frame.TooBig:
			h.scan.Unlimit()
			p = p[n:]
			continue
		}
		h.nheld = uint8(copy(h.held[:], p[n:n+keep]))
		h.discarded -= uint64(keep) // counted when they are presented again
		break
	}
	return h.tellClose()
}
