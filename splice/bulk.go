package splice

import "wsgate/splice/sys"

// wantsSplice tells whether the next bytes of the source should go through a
// pipe: the rest of a large frame, or, where frames are not looked at, a
// stream that has just filled the scratch buffer.
func (h *Half) wantsSplice() bool {
	if h.flags&noSplice != 0 || h.nheld > 0 {
		return false
	}
	if h.scan.Opaque() {
		return h.flags&bulk != 0
	}
	return h.scan.Remaining() >= spliceMin
}

// spliceStep moves bytes of the present frame (or of the opaque stream) into
// the half's pipe and from there to dst. Nothing is pending. handled=false
// promises that nothing was consumed: the caller copies.
func (h *Half) spliceStep(w *Worker, src, dst End) (f Facts, handled bool) {
	if h.pipe == nil {
		if h.pipe = w.pipes.get(); h.pipe == nil {
			return 0, false
		}
	}
	want := min(h.pipe.cap, spliceMax)
	opaque := h.scan.Opaque()
	if !opaque {
		want = int(min(uint64(want), h.scan.Remaining()))
	}
	n, out, _ := w.IO.Splice(src.FD, h.pipe.w, want, false)
	switch out {
	case sys.OK:
	case sys.WouldBlock:
		h.flags &^= readable
		return 0, true
	case sys.EOF:
		h.flags |= eof
		return 0, true
	case sys.Unsupported, sys.NoResource:
		h.flags |= noSplice
		return 0, false
	default:
		h.flags |= gone
		return 0, true
	}
	h.pipe.n = n
	h.bytes += uint64(n)
	h.spliced += uint64(n)
	w.Totals[h.dir].Bytes += uint64(n)
	w.Totals[h.dir].Spliced += uint64(n)
	if opaque {
		if n < spliceMin {
			h.flags &^= bulk
		}
	} else {
		messages := h.scan.Messages()
		h.scan.Skip(uint64(n))
		w.Totals[h.dir].Messages += h.scan.Messages() - messages
		h.flags |= bulk
	}
	return Moved | h.flush(w, dst), true
}
