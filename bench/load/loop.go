package load

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"wsgate/bench/sock"
)

// loop drives a share of the connections. Everything in it belongs to the
// goroutine of its drive method, but for pub.
type loop struct {
	*run
	index  int
	driver driver
	poll   *sock.Poll
	conns  []*conn
	ready  []*conn // have more to do without a new event
	turns  []*conn // the ready list of the turn under way

	dialing []*conn // places to be filled again at the end of the turn
	dialed  []*conn // the list of the turn before, emptied

	nextSlot int    // first connection that was never opened
	opening  int    // connections between connect and 101
	live     int    // connections that have not ended
	serial   uint32 // connections begun, for their numbers
	failures int    // connections in a row that failed
	fatal    error

	arrived              bool
	openedAt             int64
	begin, end, deadline int64 // planned; 0 before the start
	began, ended         int64 // as it happened
	measuring, stopping  bool
	lastSweep            int64

	in, out []byte // scratch of one connection's turn
	rng     uint64 // for masks

	sealedIn, sealed []byte          // scratch of one connection's turn: ciphertext
	record           [maxRecord]byte // plaintext of the record that begins a large message
	handshakes       handshakes

	opened, closed, answered int64
	units, bytes             int64 // completed; their payload
	latency, upgrade         *hdrhistogram.Histogram
	faults                   map[string]int64
	examples                 []string
	cpuBegin, cpuEnd         int64

	pub struct{ open, units, faults atomic.Int64 }
}

// giveUp is how many connections in a row may fail before the run is given up.
const giveUp = 1000

// sweepEvery is how often connections are looked through for timeouts.
const sweepEvery = int64(250 * time.Millisecond)

func newLoop(r *run, index, conns int) (*loop, error) {
	poll, err := sock.NewPoll(512)
	if err != nil {
		return nil, err
	}
	l := &loop{
		run: r, index: index, poll: poll, in: make([]byte, 256<<10),
		rng: r.seed + uint64(index)*0x9e3779b97f4a7c15 | 1, latency: newHistogram(), upgrade: newHistogram(),
		faults: map[string]int64{}, live: conns,
	}
	if r.tls != nil {
		l.sealedIn = make([]byte, len(l.in))
	}
	for i := range conns {
		l.conns = append(l.conns, &conn{fd: -1, slot: int32(i)})
	}
	l.driver = newDriver(l)
	return l, nil
}

// arrive tells the run, once, that this loop's connections are open.
func (l *loop) arrive(wg *sync.WaitGroup) {
	if !l.arrived {
		l.arrived = true
		l.openedAt = l.now()
		wg.Done()
	}
}

// drive opens the connections, waits for the other loops, and goes through the
// phases until every connection has ended or the time for it is over.
func (l *loop) drive(opened *sync.WaitGroup) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The default slack of 50 us is half of the distance between two messages
	// of an open loop at 10,000 a second.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0)
	defer unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)
	defer l.closeAll()
	for {
		next := l.schedule(opened)
		if l.fatal != nil || l.live == 0 && l.begin != 0 && l.ended != 0 {
			break
		}
		if l.stopping && l.now() >= l.deadline {
			l.abandon()
			break
		}
		if err := l.turn(next); err != nil {
			l.fatal = err
			break
		}
	}
	if l.fatal != nil {
		l.run.stop.Store(true)
		l.wake()
	}
	return l.fatal
}

// turn waits until next at the latest and serves what is ready.
func (l *loop) turn(next int64) error {
	wait := time.Duration(max(next-l.now(), 0))
	if len(l.ready) > 0 || len(l.dialing) > 0 {
		wait = 0
	}
	events, err := l.poll.Wait(wait)
	if err != nil {
		return err
	}
	l.ready, l.turns = l.turns[:0], l.ready
	for _, c := range l.turns {
		c.queued = false
		if c.fd >= 0 {
			l.serve(c)
		}
	}
	for i := range events {
		ev := &events[i]
		c := l.conns[ev.Slot]
		if c.fd < 0 || c.generation != ev.Generation {
			continue
		}
		c.readable = c.readable || ev.Readable
		c.hangup = c.hangup || ev.Hangup
		c.writable = c.writable || ev.Writable
		l.serve(c)
	}
	l.dialDue()
	return nil
}

// schedule moves the run on to where it should be by now, and returns when it
// wants to be called again.
func (l *loop) schedule(opened *sync.WaitGroup) (next int64) {
	now := l.now()
	next = now + sweepEvery
	if now-l.lastSweep >= sweepEvery {
		l.lastSweep = now
		if l.opening > 0 {
			l.sweep(now)
		}
		l.pub.units.Store(l.units)
	}
	if l.run.stop.Load() && !l.stopping {
		l.stopNow(now, opened)
		return now
	}
	if l.begin == 0 {
		l.openMore()
		if !l.driver.opensFirst() || l.nextSlot == len(l.conns) && l.opening == 0 {
			l.arrive(opened)
		}
		if at := l.start.Load(); at != 0 && l.arrived {
			l.begin = at + int64(l.cfg.Warmup)
			l.end = l.begin + int64(l.cfg.Duration)
			l.startAll()
		} else {
			return next
		}
	}
	if l.live == 0 && len(l.dialing) == 0 && !l.stopping && l.cfg.Mode != Storm {
		// Nobody is left to measure.
		l.begin, l.end = min(l.begin, now), now
	}
	if l.began == 0 && l.now() >= l.begin {
		l.beginMeasure()
	}
	if l.began != 0 && !l.stopping && l.freed.Load() {
		l.end = min(l.end, l.now())
	}
	if !l.stopping && l.now() >= l.end {
		// What fell due while the machine held us up is sent late, not left out.
		for l.driver.tick(l.now()) < l.end {
		}
		l.endMeasure()
		l.stopAll()
	}
	switch {
	case l.stopping:
		if w, ok := l.driver.(winder); ok {
			w.wind()
		}
		return min(next, l.deadline)
	case l.began == 0:
		next = min(next, l.begin)
	default:
		next = min(next, l.end)
	}
	return min(next, l.driver.tick(l.now()))
}

// startAll begins the traffic of every open connection.
func (l *loop) startAll() {
	for _, c := range l.conns {
		if c.state == open {
			l.out = l.out[:0]
			l.driver.start(c)
			l.finishTurn(c)
		}
	}
	if !l.driver.opensFirst() {
		for l.nextSlot < len(l.conns) {
			l.dialNext()
		}
	}
}

func (l *loop) beginMeasure() {
	l.measuring = true
	l.units, l.bytes = 0, 0
	l.latency.Reset()
	if l.index == 0 {
		if l.cfg.Begin != nil {
			l.cfg.Begin()
		}
		l.cpuBegin = processCPU()
	}
	l.began = l.now()
	switch {
	case l.cfg.Mode == Storm:
		l.end = never // until all are back, or the time for it is over
	case !l.cfg.paced():
		// However late the machine let us begin, the measured time is whole.
		// At fixed times it is what falls due in it that counts.
		l.end = l.began + int64(l.cfg.Duration)
	}
}

func (l *loop) endMeasure() {
	l.ended = l.now()
	l.measuring = false
	if l.index == 0 {
		l.cpuEnd = processCPU()
		if l.cfg.End != nil {
			l.cfg.End()
		}
	}
}

// stopAll asks every connection to come to its end.
func (l *loop) stopAll() {
	l.phase.Store("closing")
	l.stopping = true
	l.deadline = l.now() + int64(l.cfg.Timeout)
	for _, c := range l.conns {
		if c.state == open {
			l.out = l.out[:0]
			l.driver.stop(c)
			l.finishTurn(c)
		}
	}
}

// stopNow ends a run before its time: what was measured so far counts, and what
// is being opened is let go.
func (l *loop) stopNow(now int64, opened *sync.WaitGroup) {
	l.arrive(opened)
	if l.began != 0 {
		l.endMeasure()
	} else {
		l.began, l.ended = now, now
	}
	if l.begin == 0 {
		l.begin = now
	}
	l.live -= len(l.conns) - l.nextSlot
	l.nextSlot = len(l.conns)
	l.stopAll()
	l.deadline = min(l.deadline, now+int64(time.Second))
	for _, c := range l.conns {
		if c.opening() {
			l.release(c)
			l.driver.ended(c, false)
		}
	}
}

// sweep ends what took too long to open.
func (l *loop) sweep(now int64) {
	for _, c := range l.conns {
		if c.opening() && now-c.dialed > int64(l.cfg.Timeout) {
			l.late(c)
		}
	}
}

// late ends what was not open in time.
func (l *loop) late(c *conn) {
	what := "101"
	if c.state == handshaking {
		what = "end of the TLS handshake"
	}
	l.fail(c, "timeout", "no %s within %v", what, l.cfg.Timeout)
}

// abandon counts what is still due when the time for it is over.
func (l *loop) abandon() {
	for _, c := range l.conns {
		switch c.state {
		case none:
		case connecting, handshaking, upgrading:
			l.late(c)
		default:
			if n := l.driver.due(c); n > 0 {
				l.faultN("lost", int64(n), "connection %d: %d replies never came", c.id, n)
			}
			l.fail(c, "not closed", "connection %d: no Close and end of stream within %v", c.id, l.cfg.Timeout)
		}
	}
}

func (l *loop) closeAll() {
	for _, c := range l.conns {
		l.closeSocket(c)
	}
	l.pub.units.Store(l.units)
}

// maxExamples bounds the faults that are described in words.
const maxExamples = 8

func (l *loop) faultN(name string, n int64, format string, args ...any) {
	l.faults[name] += n
	l.pub.faults.Add(n)
	if len(l.examples) < maxExamples {
		l.examples = append(l.examples, name+": "+fmt.Sprintf(format, args...))
	}
}

// mask returns the masking key of the next frame. Keys need only differ: what
// is measured does not depend on their being hard to guess.
func (l *loop) mask() (m [4]byte) {
	l.rng ^= l.rng << 13
	l.rng ^= l.rng >> 7
	l.rng ^= l.rng << 17
	m[0], m[1], m[2], m[3] = byte(l.rng), byte(l.rng>>8), byte(l.rng>>16), byte(l.rng>>24)
	return m
}
