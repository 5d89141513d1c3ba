package splice

import (
	"wsgate/splice/frame"
	"wsgate/splice/sys"
)

// headroom is kept free in front of the bytes read into the scratch buffer, so
// that a frame header of which a part came with the read before can be put
// together in place. A header is at most 14 bytes long (RFC 6455 5.2).
const headroom = 16

// Worker is what the halves of one event loop share: it is touched on the
// loop's goroutine only.
type Worker struct {
	// Codec reads, writes, opens and seals; its IO also splices.
	Codec
	// Now is the loop's clock in nanoseconds, set once a turn. Halves note it
	// when a peer stops taking bytes.
	Now int64
	// Totals counts what the halves have done, by the direction that they were
	// given to Init.
	Totals [2]Totals

	direct  bool // IO is the kernel: calls need no dynamic dispatch
	scratch []byte
	dec     *frame.Decoder
	buffers int
	pipes   pipes
}

// Totals are sums over all halves of one direction.
type Totals struct {
	Bytes    uint64 // read from sources
	Messages uint64 // data messages completed by sources
	Spliced  uint64 // part of Bytes that went through a pipe
}

// NewWorker returns a Worker whose halves take pending buffers from budget and
// use at most maxPipes pipes (two descriptors each) at a time.
func NewWorker(io sys.IO, budget *Budget, maxPipes int) *Worker {
	_, direct := io.(sys.Kernel)
	return &Worker{
		Codec:   *NewCodec(io, budget, secureSessions),
		direct:  direct,
		scratch: make([]byte, headroom+BufferSize),
		dec:     frame.NewDecoder(),
		pipes:   pipes{max: maxPipes},
	}
}

// read and write are the two calls of every turn.
func (w *Worker) read(e End, p []byte) (n int, empty bool, o sys.Outcome) {
	switch {
	case e.TLS != nil:
		return w.Codec.Read(e, p)
	case w.direct:
		n, o, _ = sys.Kernel{}.Read(e.FD, p)
	default:
		n, o, _ = w.IO.Read(e.FD, p)
	}
	return n, n < len(p), o
}

func (w *Worker) write(fd int, p []byte, more bool) (int, sys.Outcome, sys.Errno) {
	if w.direct {
		return sys.Kernel{}.Write(fd, p, more)
	}
	return w.IO.Write(fd, p, more)
}

// Close closes the pipes that are not lent out. The halves that hold one have
// been released before.
func (w *Worker) Close() { w.pipes.shut() }

// Buffers returns how many pending buffers the halves of this worker hold.
func (w *Worker) Buffers() int { return w.buffers }

// Pipes returns how many pipes are lent to halves, how many are kept for the
// next, and how often a half copied because there was none.
func (w *Worker) Pipes() (used, idle int, missed uint64) {
	return w.pipes.open - len(w.pipes.free), len(w.pipes.free), w.pipes.missed
}
