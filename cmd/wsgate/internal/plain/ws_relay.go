package plain

import (
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"wsgate/eventloop/record"
	sm "wsgate/eventloop/session"
	"wsgate/splice/frame"
)

// grace is how long a peer has to answer the gateway's FIN.
const grace = time.Second

// tunnel is a session over HTTP/2 that relays. Its goroutine, the handler's,
// decides with the same state machine as the loops; each direction has a worker
// that blocks in reads and writes, so that a peer's window or socket buffer
// that is full stops the other peer.
//
// A net/http handler cannot end its half of a stream and go on reading. So a
// half-close towards the client ends both directions: the stream ends when
// what was on its way to the endpoint has been delivered.
type tunnel struct {
	x    *exchange
	st   *stream
	rw   *responder
	body io.ReadCloser // the client's bytes
	conn net.Conn      // the endpoint

	id     record.ID
	key    record.SessionKey
	relay  sm.Relay
	half   [2]half
	cmd    [2]chan func()
	work   sync.WaitGroup
	events chan event
	drains chan struct{}

	opened, active time.Time
	timer          *time.Timer
	expires        time.Time // of the relay's timer; zero: not running
	over           bool
	abort          bool // the stream ends by RST_STREAM
}

// event is what a worker has come back with.
type event struct {
	dir  sm.Dir
	kind uint8
	n    int
	err  error
}

const (
	evRead uint8 = iota
	evWrote
	evSent
	evFin
)

// open passes the verified 101 on as a 200 and relays until the session is over.
func (o *opening) open(body io.ReadCloser) {
	x := o.x
	t := &tunnel{
		x: x, st: o.st, rw: o.rw, body: body, conn: o.conn,
		id:     o.srv.newID(),
		key:    record.SessionKey{Route: x.route.Name, Pool: x.route.Pool.Name, Endpoint: x.last.Address},
		events: make(chan event, 8), drains: make(chan struct{}, 1),
	}
	bits := o.resp.ReservedBits(o.in)
	for d := sm.Up; d <= sm.Down; d++ {
		t.half[d].init(d, frame.Config{
			Mode: x.route.Frames, Masked: d == sm.Up, ReservedBits: bits, MaxMessage: x.route.MaxMessage,
		})
	}
	o.setFields(o.resp.AppendUpgrade(nil, o.in, x.route.Rules))
	o.rw.WriteHeader(http.StatusOK)
	t.conn.SetDeadline(time.Time{})
	t.opened = time.Now()
	t.active = t.opened
	x.opened = true
	o.srv.tally.opened(t.key, time.Since(x.began))
	t.logOpen(o)
	ahead := o.in[o.resp.HeadLen:]
	t.half[sm.Down].buf = make([]byte, max(halfSmall, len(ahead)))
	copy(t.half[sm.Down].buf, ahead)
	o.in = nil
	t.run(len(ahead))
}

// run is the life of the relay. ahead bytes of the endpoint's are in the buffer.
func (t *tunnel) run(ahead int) {
	for d := range t.cmd {
		c := make(chan func())
		t.cmd[d] = c
		t.work.Go(func() {
			for f := range c {
				f()
			}
		})
	}
	if t.st.c.addTunnel(t) {
		t.drain()
	}
	t.timer = time.NewTimer(0)
	defer t.finish()
	t.flushHead(ahead)
	for !t.over {
		t.advance()
		if t.over {
			return
		}
		t.arm()
		select {
		case e := <-t.events:
			t.handle(e)
		case <-t.drains:
			t.step(sm.Event{Kind: sm.Shut, Code: 1001, Who: record.Operator, Why: "drain"})
		case <-t.timer.C:
			t.expired()
		}
	}
}

// flushHead sends the response's head, with what the endpoint has sent behind
// its 101.
func (t *tunnel) flushHead(ahead int) {
	h := &t.half[sm.Down]
	h.arrived(ahead)
	t.count(h)
	t.write(h)
}

// drain asks for a polite close. It does not block.
func (t *tunnel) drain() {
	select {
	case t.drains <- struct{}{}:
	default:
	}
}

// do gives d's worker something to do. It has nothing else to do.
func (t *tunnel) do(d sm.Dir, kind uint8, f func() (int, error)) {
	t.cmd[d] <- func() {
		n, err := f()
		t.events <- event{d, kind, n, err}
	}
}

func (t *tunnel) read(h *half) {
	h.reading = true
	p, src := h.room(), io.Reader(t.body)
	if h.dir == sm.Down {
		src = t.conn
	}
	t.do(h.dir, evRead, func() (int, error) { return src.Read(p) })
}

// write passes the front of the buffer on. Without bytes it flushes the head.
func (t *tunnel) write(h *half) {
	h.writing, h.since = true, time.Now()
	p := h.buf[:h.pass]
	t.do(h.dir, evWrote, func() (int, error) { return 0, t.put(h.dir, p) })
}

// send writes the gateway's own bytes, also while the worker waits in a read.
func (t *tunnel) send(h *half) {
	h.sending, h.since = true, time.Now()
	p := h.queue
	h.queue = nil
	t.work.Go(func() { t.events <- event{dir: h.dir, kind: evSent, err: t.put(h.dir, p)} })
}

// put writes p to the destination of d.
func (t *tunnel) put(d sm.Dir, p []byte) error {
	if d == sm.Up {
		_, err := t.conn.Write(p)
		return err
	}
	if _, err := t.rw.Write(p); err != nil {
		return err
	}
	return t.st.FlushError()
}

// fin passes the half-close on.
func (t *tunnel) fin(h *half) {
	if h.dir == sm.Up {
		h.sending, h.since = true, time.Now()
		t.work.Go(func() { t.events <- event{dir: sm.Up, kind: evFin, err: closeWrite(t.conn)} })
		return
	}
	// The stream ends when the handler returns, and with it what the client
	// sends: see tunnel.
	h.found |= factFinSent
	if up := &t.half[sm.Up]; !up.ended {
		up.ended = true
		up.cutNow()
	}
}

// handle takes what a worker has come back with.
func (t *tunnel) handle(e event) {
	h := &t.half[e.dir]
	switch e.kind {
	case evRead:
		h.reading = false
		t.arrived(h, e.n, e.err)
	case evWrote:
		h.writing = false
		h.wrote()
		t.wrote(h, e.err)
	case evSent:
		h.sending = false
		t.wrote(h, e.err)
	case evFin:
		h.sending = false
		h.found |= factFinSent
	}
}

// wrote notes the end of a write.
func (t *tunnel) wrote(h *half, err error) {
	switch {
	case err == nil:
		t.active = time.Now()
	case errors.Is(err, errStalled):
		if !h.lost {
			t.step(sm.Event{Kind: sm.Stalled, Dir: h.dir})
		}
	case !h.lost:
		h.abandon()
		h.found |= factDestGone
	}
}

// arrived takes n bytes, and the end of the stream or its breaking off.
func (t *tunnel) arrived(h *half, n int, err error) {
	pass := 0
	if n > 0 {
		t.active = time.Now()
		pass = h.arrived(n)
		t.count(h)
	}
	if err != nil && !h.ended {
		h.ended = true
		h.gone = err != io.EOF
		if pass == 0 && n == 0 {
			pass = h.atEOF()
		}
	}
	switch {
	case pass > 0 && !h.lost:
		t.write(h)
	default:
		h.wrote()
		h.resize(n)
	}
}

// count keeps the metrics up to date.
func (t *tunnel) count(h *half) {
	bytes, messages := h.bytes-h.unreported, h.scan.Messages()-h.counted
	h.unreported, h.counted = h.bytes, h.scan.Messages()
	broken := ""
	if !h.brokenTold && h.scan.Opaque() && h.scan.Violation() != "" {
		h.brokenTold = true
		broken = h.scan.Violation()
	}
	t.x.srv.tally.count(func(c *record.Counters) {
		if h.dir == sm.Up {
			c.BytesUp += bytes
			c.MessagesUp += messages
		} else {
			c.BytesDown += bytes
			c.MessagesDown += messages
		}
		if broken != "" {
			c.Violations[broken]++
		}
	})
}

// advance tells the machine what was found, does what it answers, and sets the
// workers to work, until there is nothing left but to wait.
func (t *tunnel) advance() {
	if t.st.isKilled() {
		t.relay.Kill(record.Operator, "stop")
		t.over, t.abort = true, true
		return
	}
	for again := true; again && !t.over; {
		again = false
		for d := range t.half {
			h := &t.half[d]
			if len(h.queue) > 0 && !h.writing && !h.sending {
				t.send(h)
			}
			h.settle(t.fin)
			if f := h.found; f != 0 {
				h.found = 0
				t.tell(h, f)
				again = true
			}
		}
	}
	for d := range t.half {
		if h := &t.half[d]; !t.over && !h.reading && !h.writing && !h.ended {
			t.read(h)
		}
	}
}

// told are the facts in the order in which the machine has to hear of them.
var told = [...]struct {
	fact fact
	kind sm.Kind
}{
	{factClose, sm.CloseSeen},
	{factViolated, sm.Violated},
	{factTooBig, sm.TooBig},
	{factDestGone, sm.DestGone},
	{factSourceGone, sm.SourceGone},
	{factEnd, sm.EndOfStream},
	{factAtEnd, sm.AtEnd},
	{factFinSent, sm.FinSent},
}

func (t *tunnel) tell(h *half, f fact) {
	for _, k := range told {
		if f&k.fact != 0 && !t.over {
			t.step(sm.Event{
				Kind: k.kind, Dir: h.dir, Clean: h.clean,
				Deaf:  t.half[h.dir.Other()].scan.Opaque(),
				Reset: h.dir == sm.Down, // a stream that takes nothing has been reset
			})
		}
	}
}

// step tells the state machine of an event and performs what it answers.
func (t *tunnel) step(e sm.Event) {
	was := t.relay.Timer()
	ops := t.relay.Step(e)
	if now := t.relay.Timer(); now != was {
		t.startTimer(now)
	}
	for d := sm.Up; d <= sm.Down; d++ {
		h := &t.half[d]
		if ops.Has(sm.OpFinish, d) && !h.finSent {
			h.wantEnd = true
		}
		if ops.Has(sm.OpDiscard, d) {
			h.cutNow()
		}
		if ops.Has(sm.OpAbandon, d) {
			h.abandon()
		}
		if ops.Has(sm.OpClose, d) && !h.lost && !h.finSent {
			h.queue = append(h.queue, t.closeFrame(d)...)
		}
		if ops.Has(sm.OpFin, d) && !h.lost && !h.finSent {
			h.wantFin = true
		}
		if ops.Has(sm.OpReset, d) {
			t.reset(d)
		}
	}
	if ops&sm.OpEnd != 0 {
		t.over = true
	}
}

// closeFrame is the gateway's own Close, masked towards the endpoint (RFC 6455 5.3).
func (t *tunnel) closeFrame(d sm.Dir) []byte {
	var mask [4]byte
	if d == sm.Up {
		rand.Read(mask[:])
	}
	return frame.AppendClose(nil, t.relay.Code, "", d == sm.Up, mask)
}

// reset ends the receiver of d, which is the source of the other direction.
func (t *tunnel) reset(d sm.Dir) {
	o := &t.half[d.Other()]
	o.ended, o.told = true, true
	if d == sm.Up {
		resetConn(t.conn)
		return
	}
	t.abort = true
	t.st.reset()
}
