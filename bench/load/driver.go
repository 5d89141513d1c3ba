package load

import (
	"github.com/gobwas/ws"

	"wsgate/bench/wire"
)

// A driver is what one mode does with the connections of one loop. What it
// wants to send it appends to l.out (emit, frame, sendClose); the loop writes
// that when the call returns.
type driver interface {
	unit() string      // what the loop's units count
	latencyOf() string // what its latencies are
	opensFirst() bool  // open every connection before any starts

	order(c *conn) wire.Order             // what c asks of the backend
	expect(c *conn)                       // c is open: make its checker ready
	start(c *conn)                        // c is open and traffic may begin
	stop(c *conn)                         // no more traffic: bring c to its end
	data(c *conn, chunk []byte, end bool) // payload came; end: the message is complete
	more(c *conn) bool                    // c can take a large message: make it c.bulk
	due(c *conn) int                      // replies that c still has to get
	farewell(c *conn, why []byte)         // the answer to our Close
	bears(c *conn, err error) bool        // c fails with err: that is no fault in this mode
	ended(c *conn, clean bool)            // the socket is closed
	tick(now int64) (next int64)          // between the turns; when to call again
}

// A winder is a driver that brings connections to their end by and by: wind is
// called between the turns once no more traffic is wanted.
type winder interface{ wind() }

func newDriver(l *loop) driver {
	base := quiet{l}
	switch l.cfg.Mode {
	case Rate:
		return &rate{echoing: echoing{base}, pace: l.newPace(l.cfg.Rate)}
	case Idle:
		return newIdle(echoing{base})
	case Churn:
		return &churn{echoing{base}}
	case Down:
		return &down{base}
	case Up:
		return newUp(base)
	case Fanout:
		return newFanout(echoing{base})
	case Storm:
		return newStorm(echoing{base})
	}
	return &echo{echoing{base}}
}

// A reporter is a driver with something to report that other modes have not.
// It is asked once for all loops, which have ended and have such drivers too.
type reporter interface {
	report(r *Report, loops []*loop)
}

// never is a time that does not come.
const never = int64(1) << 62

// quiet is what the modes have in common: a driver that does nothing.
type quiet struct{ l *loop }

func (quiet) unit() string            { return "message" }
func (quiet) opensFirst() bool        { return true }
func (quiet) start(*conn)             {}
func (quiet) more(*conn) bool         { return false }
func (quiet) due(c *conn) int         { return max(c.outstanding(), 0) }
func (quiet) farewell(*conn, []byte)  {}
func (quiet) bears(*conn, error) bool { return false }
func (quiet) ended(*conn, bool)       {}
func (quiet) tick(int64) int64        { return never }

func (quiet) order(c *conn) wire.Order { return wire.Order{Path: wire.PathEcho, Conn: c.id} }

// expect waits for messages of c, from the first on, of the run's sizes.
func (q quiet) expect(c *conn) { q.follow(c, c.id) }

// follow has c get the messages of conn, from the first on.
func (q quiet) follow(c *conn, conn uint32) {
	c.check.Start(q.l.pattern, conn, q.l.cfg.Size)
	if s := q.l.cfg.dist(); s != nil {
		c.check.Vary(s)
	}
}

// stop closes c once everything under way has come back.
func (q quiet) stop(c *conn) {
	if c.outstanding() <= 0 {
		q.l.sendClose(c)
	}
}

// echoing is what the modes over the echo service have in common.
type echoing struct{ quiet }

// emit appends the next message of c, which was due at that time, to l.out.
func (e echoing) emit(c *conn, due int64) {
	l := e.l
	c.remember(due)
	m, size := l.mask(), l.sizeOf(c.id, c.sent)
	l.out = wire.AppendHeader(l.out, ws.OpBinary, size, true, m)
	at := len(l.out)
	l.out = l.pattern.Append(l.out, c.id, c.sent, size)
	ws.Cipher(l.out[at:], m, 0)
	c.sent++
}

// receive takes payload. When a message that was due is complete, it returns
// its number and true.
func (e echoing) receive(c *conn, chunk []byte, end bool) (seq uint32, ok bool) {
	c.check.Chunk(chunk)
	if !end {
		return 0, false
	}
	if c.outstanding() <= 0 {
		e.l.unasked(c)
		return 0, false
	}
	v := c.check.End()
	if !e.l.judge(c, v) {
		return 0, false
	}
	if v.Fault == wire.Lost {
		return v.Seq, c.outstanding() >= 0
	}
	return v.Expected, true
}

// echo keeps InFlight messages under way on each connection.
type echo struct{ echoing }

func (*echo) latencyOf() string { return "message sent to echo received" }

func (d *echo) start(c *conn) {
	for now := d.l.now(); c.outstanding() < d.l.cfg.InFlight; {
		d.emit(c, now)
	}
}

func (d *echo) data(c *conn, chunk []byte, end bool) {
	seq, ok := d.receive(c, chunk, end)
	if !ok {
		return
	}
	now := d.l.now()
	if d.l.measuring {
		record(d.l.latency, now-c.dueAt(seq))
		d.l.unit(c.id, seq)
	}
	if d.l.stopping {
		d.stop(c)
		return
	}
	for c.state == open && c.outstanding() < d.l.cfg.InFlight {
		d.emit(c, now)
	}
}

// churn goes through whole lives: connect, upgrade, one echo, close.
type churn struct{ echoing }

func (*churn) unit() string      { return "cycle" }
func (*churn) latencyOf() string { return "connect to the end of stream after Close" }
func (*churn) opensFirst() bool  { return false }

func (d *churn) start(c *conn) { d.emit(c, d.l.now()) }

func (d *churn) data(c *conn, chunk []byte, end bool) {
	if _, ok := d.receive(c, chunk, end); ok {
		d.l.sendClose(c)
	}
}

func (d *churn) ended(c *conn, clean bool) {
	l := d.l
	if clean && l.measuring {
		record(l.latency, l.now()-c.dialed)
		l.unit(c.id, 0)
	}
	if !l.stopping {
		l.redial(c)
	}
}
