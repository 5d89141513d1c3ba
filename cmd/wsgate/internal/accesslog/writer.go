package accesslog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"wsgate/eventloop/record"
)

// DefaultQueue is the size of the queue when Options.Queue is 0, in bytes.
const DefaultQueue = 4 << 20

// Paths that are no files.
const (
	Off    = "off" // "" means the same
	Stderr = "stderr"
	Stdout = "stdout"
)

// maxPooled bounds the buffers that are kept for encoding the next line. A
// line is about 500 bytes long; only requests with huge targets exceed this.
const maxPooled = 16 << 10

// Options of a Writer.
type Options struct {
	// Path is "stderr", "stdout", "off" (or ""), or the path of a file, which
	// is appended to and created with mode 0640. A FIFO must have a reader.
	Path string
	// Queue bounds the bytes of the lines that wait, 0 is DefaultQueue. While a
	// batch is being written another queue fills, so that at most twice as much
	// is held.
	Queue int
	// Logf writes one line to the operator's log; nil writes none. It is called
	// on the Writer's goroutine, at most once a minute for failing writes and
	// once a minute for dropped lines.
	Logf func(format string, args ...any)
}

// Writer is an access log. It implements record.Log. All methods are safe for
// concurrent use, and Open, Close and Request of record.Log never block.
//
// The Writer owns its destination: a file that it opened, or a duplicate of
// stderr or stdout.
type Writer struct {
	opt  Options
	open func(path string) (sink, error)
	now  func() time.Time

	lines  sync.Pool // *[]byte, to encode a line in
	errors atomic.Uint64

	mu        sync.Mutex
	front     []byte // whole lines that wait; its capacity is Options.Queue
	dropped   uint64
	closed    bool
	abandoned bool // the deadline of Shutdown has passed
	sink      sink // replaced by the goroutine only
	next      sink // opened by Reopen and not taken yet

	wake    chan struct{} // token: the queue got its first line, or is half full
	control chan struct{} // token: Reopen or Shutdown was called
	done    chan struct{} // closed when the goroutine has ended

	// Of the goroutine alone.
	back        []byte // the batch that is being written
	from        int    // how much of back has been written
	timer       *time.Timer
	failedAt    int64 // size of the file at the last failed write, -1 after a success
	errorLogged time.Time
	dropLogged  time.Time
	dropsTold   uint64

	// Set by the goroutine, read after done.
	lost    uint64 // lines that were queued and not written
	failure error  // the last write's, when lines were lost
}

var _ record.Log = (*Writer)(nil)

// Open opens the access log and starts its goroutine, which Shutdown ends.
func Open(o Options) (*Writer, error) {
	return start(o, openSink, time.Now)
}

func start(o Options, open func(string) (sink, error), now func() time.Time) (*Writer, error) {
	if o.Path == "" {
		o.Path = Off
	}
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	w := &Writer{opt: o, open: open, now: now}
	if o.Path == Off {
		return w, nil
	}
	var err error
	if w.front, w.back, err = queues(o.Queue); err != nil {
		return nil, err
	}
	if w.sink, err = open(o.Path); err != nil {
		unmap(w.front)
		unmap(w.back)
		return nil, err
	}
	w.failedAt = -1
	w.timer = time.NewTimer(time.Hour)
	w.timer.Stop()
	w.lines.New = func() any { b := make([]byte, 0, 1024); return &b }
	w.wake = make(chan struct{}, 1)
	w.control = make(chan struct{}, 1)
	w.done = make(chan struct{})
	go w.run()
	return w, nil
}

// Open implements record.Log.
func (w *Writer) Open(o *record.Open) {
	if w.off() {
		return
	}
	b := w.line()
	*b = appendOpen(*b, o)
	w.put(b)
}

// Close implements record.Log: it logs the end of a session. Shutdown is what
// ends the Writer.
func (w *Writer) Close(c *record.Close) {
	if w.off() {
		return
	}
	b := w.line()
	*b = appendClose(*b, c)
	w.put(b)
}

// Request implements record.Log.
func (w *Writer) Request(r *record.Request) {
	if w.off() {
		return
	}
	b := w.line()
	*b = appendRequest(*b, r)
	w.put(b)
}

// off tells whether the log is off.
func (w *Writer) off() bool { return w.opt.Path == Off }

// line returns an empty buffer, which put gives back.
func (w *Writer) line() *[]byte { return w.lines.Get().(*[]byte) }

// put queues the line in b, or drops and counts it when the queue is full or
// the Writer closed.
func (w *Writer) put(b *[]byte) {
	line := *b
	w.mu.Lock()
	had := len(w.front)
	has := had + len(line)
	if w.closed || has > w.opt.Queue {
		w.dropped++
		has = had
	} else {
		w.front = append(w.front, line...)
	}
	w.mu.Unlock()
	if half := w.opt.Queue / 2; had < has && (had == 0 || had < half && has >= half) {
		poke(w.wake)
	}
	if cap(line) <= maxPooled {
		*b = line[:0]
		w.lines.Put(b)
	}
}

// Dropped returns how many lines were not logged: the queue was full, the
// Writer closed, or Shutdown gave them up.
func (w *Writer) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// WriteErrors returns how many writes have failed. A failed write is repeated
// and loses nothing by itself.
func (w *Writer) WriteErrors() uint64 { return w.errors.Load() }

// Reopen opens the path anew and switches to it: lines logged after it has
// returned go to the new file, those logged before to either, none to both or
// to none. When the path cannot be opened, the old file stays and the error is
// returned. For stderr, stdout and off it does nothing.
func (w *Writer) Reopen() error {
	switch w.opt.Path {
	case Off, Stderr, Stdout:
		return nil
	}
	s, err := w.open(w.opt.Path)
	if err != nil {
		return err
	}
	w.mu.Lock()
	old := w.next
	w.next = s
	closed := w.closed
	if closed {
		w.next, old = nil, s
	}
	w.mu.Unlock()
	if old != nil {
		old.Close()
	}
	if closed {
		return errClosed
	}
	poke(w.control)
	return nil
}

var errClosed = errors.New("access log is closed")

// Shutdown writes what is queued and closes the file. Lines logged from now on
// are dropped and counted. When ctx is done before, or the last write fails,
// the rest is given up, counted as dropped, and an error says how much it was.
// A write that hangs in the kernel and cannot be interrupted (a stalled disk)
// is left behind. Calling it again waits for the same end.
func (w *Writer) Shutdown(ctx context.Context) error {
	if w.off() {
		return nil
	}
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	poke(w.control)
	select {
	case <-w.done:
		return w.loss()
	case <-ctx.Done():
	}
	w.mu.Lock()
	w.abandoned = true
	err := w.sink.SetWriteDeadline(time.Unix(1, 0))
	w.mu.Unlock()
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("queued lines may be lost: %w", ctx.Err())
	}
	<-w.done
	return w.loss()
}

// loss says what was given up by the goroutine, which has ended.
func (w *Writer) loss() error {
	if w.lost == 0 {
		return nil
	}
	return fmt.Errorf("%d lines not written: %w", w.lost, w.failure)
}

// poke leaves a token in c unless there is one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
