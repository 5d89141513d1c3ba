package eventloop

import (
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wsgate/eventloop/record"
	sm "wsgate/eventloop/session"
	"wsgate/splice"
	"wsgate/splice/sys"
)

// Descriptors of a loop's own in its epoll set; sessions use their slot, which
// is never negative.
const (
	keyWake  = -1
	keyTimer = -2
	// keyListen minus the index of the listening socket.
	keyListen = -3
)

const (
	maxEvents = 512
	// turnBudget is how many bytes one half may read in one go, so that a busy
	// session cannot starve the rest of its loop.
	turnBudget = 512 << 10
	// maxRounds bounds the polls of one turn: going round inside the turn
	// saves the outer poll while there is work, and the bound lets netpoll see
	// its own descriptors.
	maxRounds = 8
)

// Loop is one event loop: an epoll set, the sessions in it, their timers and
// what they share. All fields but those of inbox are touched on the goroutine
// of the netpoll poller that calls Accept.
type Loop struct {
	g     *Gateway
	index int
	epfd  int
	wakeR int // eventfd
	timer int // timerfd

	inbox struct {
		sync.Mutex
		posted []func()
		closed bool
	}

	now         int64 // nanoseconds since Gateway.start
	worker      *splice.Worker
	wheel       wheel
	armed       int64 // when the timerfd expires; 0: not armed
	events      [maxEvents]sys.Event
	listeners   []*listening
	slots       slots
	ready       []*session // sessions with work left over
	stallq      stallQueue
	shakes      shakes
	oldestStall atomic.Int64 // since when the front of stallq has stalled
	spare       []*session   // ended sessions, for reuse
	lines       struct {     // log records, here because what an interface is given escapes
		open    record.Open
		close   record.Close
		request record.Request
	}
	free attempts
	tmp  []byte // for heads that are built and written at once

	current    *session // the session being dispatched, for a recovered panic
	counters   *record.Counters
	seq        uint64
	relays     int64
	lingering  int // sessions in that state
	paused     bool
	wantLogged int64           // when a want of descriptors was last logged
	drain      chan<- struct{} // told when the loop has no session left; nil: not draining
	down       bool
}

func newLoop(g *Gateway, index int) (*Loop, error) {
	l := &Loop{
		g: g, index: index, epfd: -1, wakeR: -1, timer: -1,
		worker:   splice.NewWorker(g.opt.IO, g.budget, g.opt.Pipes),
		counters: record.NewCounters(),
	}
	err := l.open()
	if err != nil {
		l.teardown()
		if l.epfd >= 0 {
			sys.Close(l.epfd)
		}
		return nil, err
	}
	return l, nil
}

func (l *Loop) open() (err error) {
	if l.epfd, err = sys.EpollCreate(); err != nil {
		return err
	}
	if l.wakeR, err = sys.EventFD(); err != nil {
		return err
	}
	if l.timer, err = sys.TimerFD(); err != nil {
		return err
	}
	if err = sys.EpollAdd(l.epfd, l.wakeR, sys.In, key(keyWake, 0)); err != nil {
		return err
	}
	return sys.EpollAdd(l.epfd, l.timer, sys.In, key(keyTimer, 0))
}

// key packs what an epoll event carries: a slot or a constant, and a tag.
func key(slot int32, tag uint32) uint64 { return uint64(uint32(slot)) | uint64(tag)<<32 }

// Fd implements netpoll.Listener: the Loop's epoll descriptor is readable when
// one of its own descriptors is ready.
func (l *Loop) Fd() int { return l.epfd }

// Accept implements netpoll.Listener. It runs one turn and never returns a
// connection: (nil, nil) means "nothing to take".
func (l *Loop) Accept() (net.Conn, error) {
	l.turn()
	return nil, nil
}

// Addr implements netpoll.Listener.
func (l *Loop) Addr() net.Addr { return loopAddr{} }

// Close implements netpoll.Listener. netpoll calls it in Shutdown, after the
// loop has torn itself down and has been taken from the poller.
func (l *Loop) Close() error {
	sys.Close(l.epfd)
	return nil
}

type loopAddr struct{}

func (loopAddr) Network() string { return "epoll" }
func (loopAddr) String() string  { return "epoll" }

// turn polls without waiting, dispatches, and does the work that does not come
// from a descriptor. What is left over makes the set readable again.
func (l *Loop) turn() {
	if l.down {
		return
	}
	began := l.clock()
	worked := false
	for range maxRounds {
		n, _ := sys.EpollWait(l.epfd, l.events[:])
		if n <= 0 && len(l.ready) == 0 {
			break
		}
		worked = true
		l.clock()
		l.dispatch(l.events[:max(n, 0)])
		l.runReady()
		if l.down {
			return
		}
		if n < maxEvents/8 && len(l.ready) == 0 {
			break
		}
	}
	l.arm()
	if len(l.ready) > 0 {
		l.wake()
	}
	if worked {
		l.counters.TurnTime.Observe(time.Duration(l.clock() - began))
	}
}

// clock sets the loop's time.
func (l *Loop) clock() int64 {
	l.now = int64(time.Since(l.g.start))
	l.worker.Now = l.now
	return l.now
}

// dispatch runs all events; a panic ends the session it came from only.
func (l *Loop) dispatch(events []sys.Event) {
	for i := 0; i < len(events); {
		i = l.dispatchFrom(events, i)
	}
}

func (l *Loop) dispatchFrom(events []sys.Event, i int) (next int) {
	defer func() {
		if r := recover(); r != nil {
			l.recovered(r)
			next = i + 1
		}
	}()
	for ; i < len(events); i++ {
		ev := &events[i]
		if ev.Fd >= 0 {
			if s := l.slots.get(ev.Fd, uint32(ev.Pad)>>1); s != nil {
				l.current = s
				s.ready(l, side(ev.Pad&1), ev.Events)
			}
			continue
		}
		l.own(ev.Fd)
	}
	l.current = nil
	return i
}

// own handles an event on a descriptor of the loop's own.
func (l *Loop) own(k int32) {
	l.current = nil
	switch k {
	case keyWake:
		sys.EventFDDrain(l.wakeR)
		l.runPosted()
	case keyTimer:
		sys.TimerFDDrain(l.timer)
		l.armed = 0
		l.wheel.advance(l.now, l.expire)
	default:
		l.accept(l.listeners[keyListen-k])
	}
}

func (l *Loop) expire(s *session) {
	l.current = s
	s.expired(l)
	l.current = nil
}

// recovered ends the session whose dispatch panicked.
func (l *Loop) recovered(r any) {
	l.counters.Panics++
	l.g.opt.Errorf("panic in loop %d: %v\n%s", l.index, r, debug.Stack())
	s := l.current
	l.current = nil
	if s == nil {
		return
	}
	defer func() {
		if again := recover(); again != nil {
			l.g.opt.Errorf("panic while ending a session: %v\n%s", again, debug.Stack())
		}
	}()
	s.kill(l, record.Internal, "panic")
}

// post runs f on the loop's goroutine, in the order of the posts. It returns
// false when the loop has been torn down: f then never runs.
func (l *Loop) post(f func()) bool {
	l.inbox.Lock()
	if l.inbox.closed {
		l.inbox.Unlock()
		return false
	}
	first := len(l.inbox.posted) == 0
	l.inbox.posted = append(l.inbox.posted, f)
	if first {
		sys.EventFDSignal(l.wakeR)
	}
	l.inbox.Unlock()
	return true
}

// wake makes the loop's set readable.
func (l *Loop) wake() { sys.EventFDSignal(l.wakeR) }

func (l *Loop) runPosted() {
	l.inbox.Lock()
	posted := l.inbox.posted
	l.inbox.posted = nil
	l.inbox.Unlock()
	for _, f := range posted {
		l.runOne(f)
	}
}

func (l *Loop) runOne(f func()) {
	defer func() {
		if r := recover(); r != nil {
			l.recovered(r)
		}
	}()
	f()
}

// runReady gives each session with work left over one more go.
func (l *Loop) runReady() {
	n := len(l.ready)
	for i := range n {
		s := l.ready[i]
		if s == nil {
			continue
		}
		l.ready[i] = nil
		s.queued = false
		l.current = s
		l.runOne(func() { s.resume(l) })
	}
	l.ready = slices.Delete(l.ready, 0, n)
	l.current = nil
}

// later puts s on the ready list.
func (l *Loop) later(s *session) {
	if !s.queued {
		s.queued = true
		l.ready = append(l.ready, s)
	}
}

// arm sets the timerfd for the wheel's next tick, if it is not set for that or
// an earlier one.
func (l *Loop) arm() {
	at := l.wheel.wake(l.now)
	if at == 0 || l.armed != 0 && l.armed <= at {
		return
	}
	if err := sys.TimerFDSet(l.timer, time.Duration(at-l.now), 0); err == nil {
		l.armed = at
	}
}

// nextID returns the log id of a connection.
func (l *Loop) nextID() record.ID {
	l.seq++
	return record.ID(l.g.idBase + l.seq*uint64(l.g.opt.Loops) + uint64(l.index))
}

// wall converts the loop's clock to wall time.
func (l *Loop) wall(at int64) time.Time { return l.g.start.Add(time.Duration(at)) }

// snapshot copies the counters.
func (l *Loop) snapshot() *record.Counters {
	c := record.NewCounters()
	c.Add(l.counters)
	used, idle, missed := l.worker.Pipes()
	c.Pipes, c.PipesIdle, c.PipesMissed = int64(used), int64(idle), missed
	up, down := l.worker.Totals[sm.Up], l.worker.Totals[sm.Down]
	c.BytesUp, c.MessagesUp, c.SplicedUp = up.Bytes, up.Messages, up.Spliced
	c.BytesDown, c.MessagesDown, c.SplicedDown = down.Bytes, down.Messages, down.Spliced
	c.Buffers = int64(l.worker.Buffers())
	c.Buffered = c.Buffers * splice.BufferSize
	c.Connections = int64(l.slots.n)
	c.Relays = l.relays
	c.Shaking = int64(l.shakes.n)
	c.AEADsBuilt = l.worker.Built()
	return c
}

// teardown closes everything but the epoll descriptor, which netpoll still
// watches. It runs in a turn, or before the first one.
func (l *Loop) teardown() {
	l.down = true
	l.inbox.Lock()
	l.inbox.closed = true
	l.inbox.posted = nil
	l.inbox.Unlock()
	l.closeListeners()
	l.worker.Close()
	for _, fd := range []int{l.wakeR, l.timer} {
		if fd >= 0 {
			sys.Close(fd)
		}
	}
}
