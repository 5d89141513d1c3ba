package accesslog

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"time"
)

const (
	// gatherTime is how long the first line of a batch waits for others, so
	// that a busy gateway makes a few hundred writes a second and not one each
	// line.
	gatherTime = 5 * time.Millisecond
	// retryTime is between a failed write and its repetition.
	retryTime = time.Second
	// tellTime is between two reports of the same kind to the operator.
	tellTime = time.Minute
)

// run is the goroutine of the Writer. It ends after Shutdown.
func (w *Writer) run() {
	defer close(w.done)
	for closing := false; !closing; {
		select {
		case <-w.wake:
			w.wait(gatherTime, w.wake)
		case <-w.control:
		}
		closing = w.flush()
	}
	w.give()
}

// wait returns after d, or when there is a token in control or in early, which
// may be nil.
func (w *Writer) wait(d time.Duration, early <-chan struct{}) {
	w.timer.Reset(d)
	select {
	case <-w.timer.C:
	case <-early:
	case <-w.control:
	}
	w.timer.Stop()
}

// flush writes until nothing is queued. It returns true when the Writer is
// closed: then nothing is left, or the rest could not be written.
func (w *Writer) flush() (closing bool) {
	for {
		closing, abandoned := w.take()
		if abandoned {
			w.failure = os.ErrDeadlineExceeded
			return true
		}
		if w.from == len(w.back) {
			return closing
		}
		if err := w.write(); err != nil {
			// Only Shutdown sets a deadline.
			if closing || errors.Is(err, os.ErrDeadlineExceeded) {
				w.failure = err
				return true
			}
			w.tellError(err)
			w.wait(retryTime, nil)
			continue
		}
		w.tellDropped()
	}
}

// take makes back the queued lines once it has been written, and switches to
// the file that Reopen has opened.
func (w *Writer) take() (closing, abandoned bool) {
	written := w.from == len(w.back)
	if written && len(w.back) > keepResident {
		release(w.back)
	}
	w.mu.Lock()
	if written {
		w.front, w.back = w.back[:0], w.front
		w.from = 0
	}
	old := w.sink
	if w.next != nil {
		w.sink, w.next = w.next, nil
	}
	file := w.sink
	closing, abandoned = w.closed, w.abandoned
	w.mu.Unlock()
	if file != old {
		if !sameFile(old, file) {
			w.from = lineStart(w.back, w.from)
			w.failedAt = -1
		}
		old.Close()
	}
	return closing, abandoned
}

// write writes back from where the last write ended. After an error from is
// where the next one begins: behind what was written, or at the start of a
// line that nobody has the first part of any more.
func (w *Writer) write() error {
	file := w.sink // replaced on this goroutine only
	if w.failedAt >= 0 {
		// Whoever truncated the full file has taken the first part of the line.
		if size(file) < w.failedAt {
			w.from = lineStart(w.back, w.from)
		}
		w.failedAt = -1
	}
	n, err := file.Write(file.piece(w.back[w.from:]))
	w.from += n
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	w.errors.Add(1)
	if errors.Is(err, syscall.EPIPE) {
		w.from = lineStart(w.back, w.from)
	}
	w.failedAt = size(file)
	return err
}

// give counts what was not written and closes the files. Nothing is queued any
// more: the Writer is closed.
func (w *Writer) give() {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := w.back[lineStart(w.back, w.from):]
	w.lost = uint64(bytes.Count(left, newline) + bytes.Count(w.front, newline))
	w.dropped += w.lost
	unmap(w.front)
	unmap(w.back)
	w.front, w.back = nil, nil
	w.sink.Close()
	if w.next != nil {
		w.next.Close()
		w.next = nil
	}
}

var newline = []byte{'\n'}

// lineStart returns where the line begins that i is in. b begins with a line.
func lineStart(b []byte, i int) int { return bytes.LastIndexByte(b[:i], '\n') + 1 }

func (w *Writer) tellError(err error) {
	now := w.now()
	if !w.errorLogged.IsZero() && now.Sub(w.errorLogged) < tellTime {
		return
	}
	w.errorLogged = now
	w.opt.Logf("access log: %v (%d failed writes, %d lines dropped so far); trying again every %v",
		err, w.WriteErrors(), w.Dropped(), retryTime)
}

func (w *Writer) tellDropped() {
	dropped := w.Dropped()
	if dropped == w.dropsTold {
		return
	}
	now := w.now()
	if !w.dropLogged.IsZero() && now.Sub(w.dropLogged) < tellTime {
		return
	}
	w.dropsTold, w.dropLogged = dropped, now
	w.opt.Logf("access log: %d lines dropped so far, the queue of %d bytes was full", dropped, w.opt.Queue)
}

// sameFile tells whether a and b are one file, so that the second part of a
// line that stands in a belongs into b. It errs towards no.
func sameFile(a, b sink) bool {
	ia, err := a.Stat()
	if err != nil {
		return false
	}
	ib, err := b.Stat()
	return err == nil && os.SameFile(ia, ib)
}

// size returns the bytes in the file, 0 when it cannot be told.
func size(s sink) int64 {
	info, err := s.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}
