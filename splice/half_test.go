package splice

import (
	"bytes"
	"encoding/binary"
	"fmt"
	goio "io"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/gobwas/ws"

	"wsgate/splice/frame"
	"wsgate/splice/sys"
)

// Descriptors of the fake world. Pipes have numbers that no process reaches.
const (
	srcFD    = 1 << 24
	dstFD    = 1<<24 + 1
	pipeBase = 1<<24 + 16
)

// fakeIO is a source, a destination and pipes, with faults: short reads and
// writes, EAGAIN at any step, full pipes, and ends of both kinds.
type fakeIO struct {
	rnd     *rand.Rand
	in      []byte // what the source still has
	srcEnd  sys.Outcome
	out     bytes.Buffer
	dstDead syscall.Errno
	stuck   bool // the destination takes nothing
	pipes   map[int]*bytes.Buffer
	fins    int
	calls   map[string]int
	noPipe  bool // splice is unsupported
	faults  bool
}

func newFakeIO(seed uint64, in []byte) *fakeIO {
	return &fakeIO{
		rnd: rand.New(rand.NewPCG(seed, 1)), in: in, srcEnd: sys.WouldBlock,
		pipes: map[int]*bytes.Buffer{}, calls: map[string]int{}, faults: true,
	}
}

// some returns how much of n one call moves: between nothing and all of it.
func (f *fakeIO) some(n int) int {
	if n == 0 || !f.faults {
		return n
	}
	switch f.rnd.IntN(6) {
	case 0:
		return 0
	case 1:
		return 1
	case 2:
		return n
	}
	return 1 + f.rnd.IntN(n)
}

func (f *fakeIO) Read(fd int, p []byte) (int, sys.Outcome, sys.Errno) {
	f.calls["read"]++
	if fd != srcFD {
		n, _ := f.pipe(fd).Read(p)
		return n, sys.OK, 0
	}
	if len(f.in) == 0 {
		return 0, f.srcEnd, 0
	}
	n := f.some(min(len(p), len(f.in)))
	if n == 0 {
		return 0, sys.WouldBlock, syscall.EAGAIN
	}
	copy(p, f.in[:n])
	f.in = f.in[n:]
	return n, sys.OK, 0
}

func (f *fakeIO) Write(fd int, p []byte, _ bool) (int, sys.Outcome, sys.Errno) {
	f.calls["write"]++
	if f.dstDead != 0 {
		return 0, sys.Gone, f.dstDead
	}
	n := f.some(len(p))
	if f.stuck || n == 0 {
		return 0, sys.WouldBlock, syscall.EAGAIN
	}
	f.out.Write(p[:n])
	return n, sys.OK, 0
}

func (f *fakeIO) Splice(from, to, n int, _ bool) (int, sys.Outcome, sys.Errno) {
	f.calls["splice"]++
	if from == srcFD {
		if f.noPipe {
			return 0, sys.Unsupported, syscall.EINVAL
		}
		if len(f.in) == 0 {
			return 0, f.srcEnd, 0
		}
		m := f.some(min(n, len(f.in)))
		if m == 0 {
			return 0, sys.WouldBlock, syscall.EAGAIN
		}
		f.pipe(to).Write(f.in[:m])
		f.in = f.in[m:]
		return m, sys.OK, 0
	}
	if f.dstDead != 0 {
		return 0, sys.Gone, f.dstDead
	}
	m := f.some(n)
	if f.stuck || m == 0 {
		return 0, sys.WouldBlock, syscall.EAGAIN
	}
	f.out.Write(f.pipe(from).Next(m))
	return m, sys.OK, 0
}

func (f *fakeIO) Shutdown(int) sys.Outcome { f.fins++; return sys.OK }

// pipe returns the contents of a fake pipe: the read end has an even number,
// the write end the odd one behind it.
func (f *fakeIO) pipe(fd int) *bytes.Buffer {
	fd &^= 1
	if f.pipes[fd] == nil {
		f.pipes[fd] = new(bytes.Buffer)
	}
	return f.pipes[fd]
}

// newFakeWorker has n pipes of a small capacity.
func newFakeWorker(io sys.IO, n int) *Worker {
	w := NewWorker(io, NewBudget(0), n)
	w.Now = 1
	for i := range n {
		w.pipes.free = append(w.pipes.free, &Pipe{r: pipeBase + 2*i, w: pipeBase + 2*i + 1, cap: 40_000})
		w.pipes.open++
	}
	return w
}

// stream makes frames of all sizes, masked or not.
func stream(rnd *rand.Rand, frames int, masked bool) []byte {
	var b bytes.Buffer
	for range frames {
		size := [...]int{0, 1, 125, 126, 1000, 20_000, 65_535, 65_536, 300_000}[rnd.IntN(9)]
		payload := make([]byte, size)
		for i := range payload {
			payload[i] = byte(rnd.Uint32())
		}
		f := ws.NewBinaryFrame(payload)
		if rnd.IntN(4) == 0 && size <= 125 {
			f = ws.NewPingFrame(payload)
		}
		if masked {
			f = ws.MaskFrame(f)
		}
		if err := ws.WriteFrame(&b, f); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// drive pumps until the source's end has been reported, as a loop would whose
// descriptors become ready again and again.
func drive(t *testing.T, h *Half, w *Worker, until Facts) Facts {
	t.Helper()
	var all Facts
	for range 2_000_000 {
		h.MarkReadable(true)
		f := h.Pump(w, End{FD: srcFD}, End{FD: dstFD}, 64<<10)
		all |= f
		if f&until != 0 {
			return all
		}
	}
	t.Fatalf("the half came to no end; facts %b", all)
	return 0
}

// TestRelayExact: whatever the kernel does, every byte arrives once and in
// order, and the half holds nothing when it is done.
func TestRelayExact(t *testing.T) {
	for _, mode := range []frame.Mode{frame.Observe, frame.Enforce, frame.Off} {
		for _, pipes := range []int{0, 2} {
			for seed := range uint64(24) {
				t.Run(fmt.Sprintf("%v/pipes=%d/seed=%d", mode, pipes, seed), func(t *testing.T) {
					rnd := rand.New(rand.NewPCG(seed, 7))
					data := stream(rnd, 12, true)
					io := newFakeIO(seed, data)
					io.srcEnd = sys.EOF
					io.noPipe = seed%7 == 0
					w := newFakeWorker(io, pipes)
					var h Half
					h.Init(frame.Config{Mode: mode, Masked: true}, 0)
					drive(t, &h, w, SrcEOF)
					if !bytes.Equal(io.out.Bytes(), data) {
						t.Fatalf("%d bytes arrived, want %d, or not the same", io.out.Len(), len(data))
					}
					if h.Bytes() != uint64(len(data)) || h.Pending() || h.Truncated() {
						t.Errorf("bytes %d of %d, pending %v, truncated %v", h.Bytes(), len(data), h.Pending(), h.Truncated())
					}
					h.Fin()
					if f := h.Pump(w, End{FD: srcFD}, End{FD: dstFD}, 1); f&FinSent == 0 || io.fins != 1 {
						t.Errorf("no half-close: %b, %d", f, io.fins)
					}
					h.Release(w)
					if w.Buffers() != 0 || len(w.pipes.free) != pipes || w.budget.Used() != 0 {
						t.Errorf("leaked: %d buffers, %d of %d pipes, %d bytes", w.Buffers(), len(w.pipes.free), pipes, w.budget.Used())
					}
				})
			}
		}
	}
}

// TestFinishCutsNoFrame: after Finish the destination gets whole frames, the
// Close, and nothing else, wherever the request comes.
func TestFinishCutsNoFrame(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		data := stream(rnd, 10, false)
		closing := frame.AppendClose(nil, 1000, "bye", false, [4]byte{})
		io := newFakeIO(seed, append(bytes.Clone(data), closing...))
		w := newFakeWorker(io, 1)
		var h Half
		h.Init(frame.Config{Mode: frame.Observe}, 0)
		for range rnd.IntN(20) {
			h.MarkReadable(false)
			h.Pump(w, End{FD: srcFD}, End{FD: dstFD}, 1+rnd.IntN(50_000))
		}
		h.Finish()
		if f := drive(t, &h, w, AtEnd|CloseSeen); f&AtEnd == 0 {
			drive(t, &h, w, AtEnd)
		}
		if !h.Clean() {
			t.Fatalf("seed %d: not at a boundary", seed)
		}
		own := frame.AppendClose(nil, 1001, "", false, [4]byte{})
		passed := io.out.Len()
		h.Send(w, nil, own)
		h.Fin()
		if _, _, seen := h.Closed(); !seen {
			drive(t, &h, w, CloseSeen)
		}
		for range 1000 {
			h.Pump(w, End{FD: srcFD}, End{FD: dstFD}, 1000)
		}
		if got := io.out.Bytes()[passed:]; !bytes.Equal(got, own) || io.fins != 1 {
			t.Fatalf("seed %d: behind the frames came %x, %d fins", seed, got, io.fins)
		}
		if code, reason, ok := h.Closed(); !ok || code != 1000 || string(reason) != "bye" {
			t.Errorf("seed %d: the sender's Close was not read: %d %q %v", seed, code, reason, ok)
		}
		whole := io.out.Bytes()[:passed]
		for r := bytes.NewReader(whole); r.Len() > 0; {
			head, err := ws.ReadHeader(r)
			if err != nil || head.Length > int64(r.Len()) {
				t.Fatalf("seed %d: a frame was cut: %v", seed, err)
			}
			r.Seek(head.Length, goio.SeekCurrent)
		}
	}
}

// TestFinishOpaque: without boundaries what is pending is written, no more.
func TestFinishOpaque(t *testing.T) {
	io := newFakeIO(1, bytes.Repeat([]byte{7}, 100_000))
	w := newFakeWorker(io, 0)
	var h Half
	h.Init(frame.Config{Mode: frame.Off}, 0)
	io.stuck = true
	h.MarkReadable(false)
	for !h.Pending() {
		h.MarkReadable(false)
		h.Pump(w, End{FD: srcFD}, End{FD: dstFD}, 1000)
	}
	read := h.Bytes()
	h.Finish()
	io.stuck = false
	drive(t, &h, w, AtEnd)
	if h.Clean() || uint64(io.out.Len()) != read {
		t.Errorf("clean %v, wrote %d of %d", h.Clean(), io.out.Len(), read)
	}
}

// TestViolation: what came before is delivered, the offending frame is not.
func TestViolation(t *testing.T) {
	good := stream(rand.New(rand.NewPCG(3, 3)), 3, true)
	bad := ws.MustCompileFrame(ws.NewTextFrame([]byte("not masked")))
	for _, split := range []int{0, 1} {
		io := newFakeIO(uint64(split), append(bytes.Clone(good), bad...))
		w := newFakeWorker(io, 1)
		var h Half
		h.Init(frame.Config{Mode: frame.Enforce, Masked: true}, 0)
		if f := drive(t, &h, w, Violated); f&Broken == 0 {
			t.Error("the violation is not reported to be counted")
		}
		h.Finish()
		drive(t, &h, w, AtEnd)
		if !bytes.Equal(io.out.Bytes(), good) || !h.Clean() || h.Violation() != "unmasked" {
			t.Errorf("%d bytes of %d delivered, clean %v, violation %q", io.out.Len(), len(good), h.Clean(), h.Violation())
		}
		io.srcEnd = sys.EOF
		drive(t, &h, w, SrcEOF)
		if h.Discarded() != uint64(len(bad)) {
			t.Errorf("discarded %d, want %d", h.Discarded(), len(bad))
		}
	}
}

// TestTooBig: the rest of the message is thrown away, the sender's Close is
// still found in it.
func TestTooBig(t *testing.T) {
	small := ws.MustCompileFrame(ws.NewBinaryFrame(make([]byte, 1000)))
	large := ws.MustCompileFrame(ws.NewBinaryFrame(make([]byte, 100_001)))
	closing := frame.AppendClose(nil, 1009, "", false, [4]byte{})
	for seed := range uint64(20) {
		io := newFakeIO(seed, bytes.Join([][]byte{small, large, closing}, nil))
		w := newFakeWorker(io, 1)
		var h Half
		h.Init(frame.Config{Mode: frame.Observe, MaxMessage: 100_000}, 0)
		drive(t, &h, w, TooBig)
		h.Finish()
		seen := drive(t, &h, w, AtEnd)
		if seen&CloseSeen == 0 {
			drive(t, &h, w, CloseSeen)
		}
		if !bytes.Equal(io.out.Bytes(), small) {
			t.Errorf("seed %d: %d bytes passed, want %d", seed, io.out.Len(), len(small))
		}
		if want := uint64(len(large) + len(closing)); h.Discarded() != want {
			t.Errorf("seed %d: discarded %d, want %d", seed, h.Discarded(), want)
		}
	}
}

// TestEnds: resets and dead destinations are told apart and lose no buffer.
func TestEnds(t *testing.T) {
	data := stream(rand.New(rand.NewPCG(5, 5)), 5, false)
	t.Run("source reset", func(t *testing.T) {
		io := newFakeIO(2, bytes.Clone(data))
		io.srcEnd = sys.Gone
		w := newFakeWorker(io, 1)
		var h Half
		h.Init(frame.Config{}, 0)
		drive(t, &h, w, SrcGone)
		if !bytes.Equal(io.out.Bytes(), data) {
			t.Errorf("bytes before the reset were lost: %d of %d", io.out.Len(), len(data))
		}
	})
	for errno, reset := range map[syscall.Errno]bool{syscall.EPIPE: false, syscall.ECONNRESET: true} {
		t.Run("destination "+errno.Error(), func(t *testing.T) {
			io := newFakeIO(2, bytes.Clone(data))
			io.dstDead = errno
			w := newFakeWorker(io, 1)
			var h Half
			h.Init(frame.Config{}, 0)
			f := drive(t, &h, w, DstGone)
			if f&DstReset != 0 != reset {
				t.Errorf("reset told as %v", !reset)
			}
			io.srcEnd = sys.EOF
			drive(t, &h, w, SrcEOF)
			h.Fin()
			if f := h.Pump(w, End{FD: srcFD}, End{FD: dstFD}, 1); f&FinSent != 0 || io.fins != 0 {
				t.Error("a FIN to a dead destination")
			}
			if w.Buffers() != 0 || len(w.pipes.free)+1 < w.pipes.open {
				t.Errorf("leaked %d buffers", w.Buffers())
			}
		})
	}
	t.Run("held header", func(t *testing.T) {
		io := newFakeIO(4, []byte{0x82, 126, 1})
		io.srcEnd = sys.EOF
		w := newFakeWorker(io, 0)
		var h Half
		h.Init(frame.Config{}, 0)
		drive(t, &h, w, SrcEOF)
		if io.out.Len() != 3 {
			t.Errorf("%d of 3 bytes of a partial header were passed on", io.out.Len())
		}
	})
}

// TestHugeFrame: a frame of several GiB is relayed as it comes.
func TestHugeFrame(t *testing.T) {
	head := []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint64(head[2:], 6<<30)
	io := newFakeIO(1, append(head, make([]byte, 1<<20)...))
	w := newFakeWorker(io, 1)
	var h Half
	h.Init(frame.Config{Mode: frame.Enforce}, 0)
	for len(io.in) > 0 || h.Pending() {
		h.MarkReadable(false)
		h.Pump(w, End{FD: srcFD}, End{FD: dstFD}, 1<<20)
	}
	if io.out.Len() != 10+1<<20 || h.Spliced() == 0 {
		t.Errorf("%d bytes arrived, %d spliced", io.out.Len(), h.Spliced())
	}
	h.Finish()
	if f := h.Pump(w, End{FD: srcFD}, End{FD: dstFD}, 1); f&AtEnd != 0 {
		t.Error("a boundary within a frame")
	}
}

// TestRelayTurnAllocatesNothing covers the turn of a small message, a stalled
// one and a spliced one, beyond the calibration point of bytebufferpool.
func TestRelayTurnAllocatesNothing(t *testing.T) {
	small := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(make([]byte, 64))))
	large := ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame(make([]byte, 200_000))))
	io := newFakeIO(1, nil)
	io.faults = false
	w := newFakeWorker(io, 1)
	var h Half
	h.Init(frame.Config{Mode: frame.Observe, Masked: true}, 0)
	turn := func(data []byte) func() {
		return func() {
			io.in = data
			io.out.Reset()
			io.stuck = true
			h.MarkReadable(false)
			h.Pump(w, End{FD: srcFD}, End{FD: dstFD}, 1<<20)
			io.stuck = false
			for len(io.in) > 0 || h.Pending() {
				h.MarkReadable(false)
				h.Pump(w, End{FD: srcFD}, End{FD: dstFD}, 1<<20)
			}
		}
	}
	turn(large)()
	if n := testing.AllocsPerRun(60_000, turn(small)); n != 0 {
		t.Errorf("%v allocations in a turn with a small message", n)
	}
	if n := testing.AllocsPerRun(200, turn(large)); n != 0 {
		t.Errorf("%v allocations in a turn with a large frame", n)
	}
	if h.Spliced() == 0 {
		t.Error("nothing was spliced")
	}
}

// BenchmarkEchoTurn is the cost of one small message without the kernel's.
func BenchmarkEchoTurn(b *testing.B) {
	small := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(make([]byte, 64))))
	io := newFakeIO(1, nil)
	io.faults = false
	w := newFakeWorker(io, 1)
	var h Half
	h.Init(frame.Config{Mode: frame.Observe, Masked: true}, 0)
	b.ReportAllocs()
	for b.Loop() {
		io.in = small
		io.out.Reset()
		h.MarkReadable(false)
		h.Pump(w, End{FD: srcFD}, End{FD: dstFD}, 1<<20)
	}
}
