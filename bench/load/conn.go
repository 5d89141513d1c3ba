package load

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/gobwas/ws"

	"wsgate/bench/sock"
	"wsgate/bench/wire"
)

type state uint8

const (
	none        state = iota // no socket
	connecting               // connect() has been called
	handshaking              // TLS is being agreed on
	upgrading                // the request has been sent
	open                     // the 101 was right
	closing                  // our Close has been sent or is pending
)

// conn is one connection, and after it has ended the place for the next.
type conn struct {
	id               uint32 // its number in this run
	fd               int
	tls              *secure // nil without TLS
	slot, generation int32
	state            state
	queued           bool
	readable, hangup bool
	writable         bool
	closed           bool // the peer's Close has come
	asked            bool // for its last message, in idle
	dialed           int64
	last             int64 // when the latest message came, in down

	dec     wire.Decoder
	check   wire.Checker
	key     string
	head    []byte // response head that came in pieces
	control []byte // payload of the latest control frame, until it is taken

	sent      uint32      // messages begun; the next one's number
	times     []int64     // when each message under way was due, by number modulo the length, a power of two
	pending   []byte      // frames that the socket did not take
	pendingAt int         // how much of it is written
	bulk      sock.Gather // the large message being sent
	status    byte        // of a sink's acknowledgement
	taken     int         // bytes of that acknowledgement
}

// opening reports whether c is on its way from connect() to the 101.
func (c *conn) opening() bool { return c.state != none && c.state < open }

// outstanding is how many messages are under way. It is below zero when a
// message came that was never asked for.
func (c *conn) outstanding() int { return int(int32(c.sent - c.check.Next())) }

// remember notes when the next message was due. The ring grows with what is
// under way.
func (c *conn) remember(at int64) {
	if n := c.outstanding() + 1; n > len(c.times) {
		size := max(4, len(c.times))
		for size < n {
			size *= 2
		}
		times := make([]int64, size)
		for seq := c.check.Next(); seq != c.sent; seq++ {
			times[int(seq)&(size-1)] = c.times[int(seq)&(len(c.times)-1)]
		}
		c.times = times
	}
	c.times[int(c.sent)&(len(c.times)-1)] = at
}

// dueAt is when message seq, which is under way or just came, was due.
func (c *conn) dueAt(seq uint32) int64 { return c.times[int(seq)&(len(c.times)-1)] }

// openMore dials until enough connections are being opened.
func (l *loop) openMore() {
	if !l.driver.opensFirst() {
		return
	}
	limit := max(l.cfg.Opening/l.cfg.Loops, 1)
	for l.nextSlot < len(l.conns) && l.opening < limit && l.fatal == nil {
		l.dialNext()
	}
}

func (l *loop) dialNext() {
	c := l.conns[l.nextSlot]
	l.nextSlot++
	l.dial(c)
}

// redial has a new connection opened in the place of c, which has ended, at the
// end of the turn.
func (l *loop) redial(c *conn) { l.dialing = append(l.dialing, c) }

// dialDue opens what redial asked for. One that fails at once waits for the
// next turn.
func (l *loop) dialDue() {
	due := l.dialing
	l.dialing, l.dialed = l.dialed[:0], due
	for _, c := range due {
		if l.stopping {
			return
		}
		l.reopen(c)
	}
}

// reopen dials in the place of c, which has ended.
func (l *loop) reopen(c *conn) {
	l.live++
	l.dial(c)
}

// dial starts a connection in the place of c, which is empty.
func (l *loop) dial(c *conn) {
	*c = conn{slot: c.slot, generation: c.generation + 1, queued: c.queued, times: c.times, fd: -1}
	c.id = l.serial*uint32(l.cfg.Loops) + uint32(l.index)
	l.serial++
	c.dialed = l.now()
	src := l.cfg.Sources
	var source netip.Addr // the kernel chooses
	if len(src) > 0 {
		source = src[int(c.id)%len(src)]
	}
	fd, err := sock.Connect(l.target.addr, source)
	if err == nil {
		if err = l.poll.Add(fd, c.slot, c.generation); err != nil {
			sock.Close(fd)
		}
	}
	l.opening++
	c.state = connecting
	if err != nil {
		l.unopened(c, "connect", err)
		return
	}
	c.fd = fd
}

// serve does what can be done for c in this turn.
func (l *loop) serve(c *conn) {
	if c.state == connecting {
		if !c.writable && !c.hangup {
			return
		}
		if l.tls != nil {
			l.startTLS(c)
		} else {
			l.request(c)
		}
		if c.fd < 0 {
			return
		}
	}
	l.out = l.out[:0]
	for range 4 {
		if !c.readable {
			break
		}
		if c.tls != nil {
			l.receiveTLS(c)
		} else {
			l.receive(c)
		}
		if c.fd < 0 {
			return
		}
	}
	l.finishTurn(c)
	if c.fd >= 0 && c.readable {
		l.again(c)
	}
}

// sendBudget is how many bytes of large messages a connection sends a turn.
const sendBudget = 256 << 10

// finishTurn writes what this turn has put into l.out, what was pending, and
// large messages for as long as the socket takes them. A large message begins
// only when nothing is pending, so what is pending beside one comes after it.
func (l *loop) finishTurn(c *conn) {
	if c.fd < 0 {
		return
	}
	if len(l.out) > 0 {
		n := 0
		if len(c.pending) == 0 && c.bulk.Empty() {
			var o sock.Outcome
			if n, o = l.write(c, l.out); o.Gone() {
				l.gone(c, cause(o))
				return
			}
		}
		c.pending = append(c.pending, l.out[n:]...)
		l.out = l.out[:0]
	}
	for budget := sendBudget; ; {
		var n int
		var o sock.Outcome
		switch {
		case c.tls != nil && c.tls.waiting():
			o = c.tls.flush()
		case !c.bulk.Empty():
			n, o = l.writeBulk(c)
			budget -= n
		case len(c.pending) > 0:
			n, o = l.write(c, c.pending[c.pendingAt:])
			if c.pendingAt += n; c.pendingAt == len(c.pending) {
				c.pending, c.pendingAt = nil, 0
			}
		case budget <= 0:
			l.again(c)
			return
		case c.tls != nil && c.closed && c.tls.notify():
		case !l.driver.more(c):
			return
		}
		if o.Gone() {
			l.gone(c, cause(o))
			return
		}
		if o.WouldBlock() {
			return
		}
	}
}

// again has c served in the next turn without a new event.
func (l *loop) again(c *conn) {
	if !c.queued {
		c.queued = true
		l.ready = append(l.ready, c)
	}
}

// request sends the upgrade request. It holds that the attempt to connect has
// ended, and how is what the write tells; with TLS, that the handshake is done.
func (l *loop) request(c *conn) {
	c.key = wire.Key(uint64(c.id) ^ l.seed)
	target := l.driver.order(c).Target(l.target.path)
	if l.cfg.Path != "" {
		target = l.cfg.Path
	}
	l.out = wire.AppendRequest(l.out[:0], l.target.host, target, c.key)
	n, o := l.write(c, l.out)
	if o.Gone() {
		name := "connect"
		if c.tls != nil {
			name = "upgrade"
		}
		l.unopened(c, name, o.Err())
		return
	}
	if n < len(l.out) {
		l.fail(c, "connect", "connection %d: the socket did not take an upgrade request of %d bytes", c.id, len(l.out))
		return
	}
	l.out = l.out[:0]
	c.state = upgrading
}

// accepted makes c open, its 101 being right.
func (l *loop) accepted(c *conn) {
	now := l.now()
	record(l.upgrade, now-c.dialed)
	c.state, c.last, c.key, c.head = open, now, "", nil
	l.opening--
	l.opened++
	l.failures = 0
	l.pub.open.Add(1)
	c.dec.Start(true)
	l.driver.expect(c)
	switch {
	case l.stopping:
		l.driver.stop(c)
	case l.begin != 0:
		l.driver.start(c)
	}
	l.openMore()
}

// sendClose begins the end of c: nothing is sent after it.
func (l *loop) sendClose(c *conn) {
	if c.state != open {
		return
	}
	c.state = closing
	body := ws.NewCloseFrameBody(ws.StatusNormalClosure, "")
	l.frame(ws.OpClose, body)
}

// frame appends a control frame to l.out.
func (l *loop) frame(op ws.OpCode, payload []byte) {
	m := l.mask()
	l.out = wire.AppendHeader(l.out, op, len(payload), true, m)
	at := len(l.out)
	l.out = append(l.out, payload...)
	ws.Cipher(l.out[at:], m, 0)
}

// gone takes the end of the connection, for the reason why.
func (l *loop) gone(c *conn, why error) {
	switch {
	case c.state == upgrading:
		l.unopened(c, "upgrade", fmt.Errorf("ended before its 101: %w", why))
	case c.closed && !c.dec.Inside() && c.state == closing:
		// Both Closes have been passed on: how the socket ends loses nothing.
		if c.tls != nil && c.tls.notify() {
			_ = c.tls.flush()
		}
		l.closed++
		l.release(c)
		l.driver.ended(c, true)
	case !l.borne(c, why):
		if n := l.driver.due(c); n > 0 {
			l.faultN("lost", int64(n), "connection %d: %d replies never came", c.id, n)
		}
		l.fail(c, "cut", "connection %d ended without a Close: %v", c.id, why)
	}
}

// errEndOfStream is a connection that the peer ended without a Close.
var errEndOfStream = errors.New("end of stream")

// cause is why a connection is gone.
func cause(o sock.Outcome) error {
	if err := o.Err(); err != nil {
		return err
	}
	return errEndOfStream
}

// unopened takes the end of an attempt to open c.
func (l *loop) unopened(c *conn, name string, err error) {
	if !l.borne(c, err) {
		l.fail(c, name, "connection %d: %v", c.id, err)
	}
}

// borne ends c without a fault, where the mode bears that it fails.
func (l *loop) borne(c *conn, err error) bool {
	if !l.driver.bears(c, err) {
		return false
	}
	l.release(c)
	l.driver.ended(c, false)
	return true
}

// fail ends c with a fault.
func (l *loop) fail(c *conn, name, format string, args ...any) {
	l.faultN(name, 1, format, args...)
	if l.failures++; l.failures >= giveUp && l.fatal == nil {
		l.fatal = errGaveUp(l.examples)
	}
	l.release(c)
	l.driver.ended(c, false)
}

// release closes the socket of c and empties its place.
func (l *loop) release(c *conn) {
	switch {
	case c.opening():
		l.opening--
	case c.state != none:
		l.pub.open.Add(-1)
	}
	l.closeSocket(c)
	c.state = none
	c.pending = nil
	l.live--
}

// closeSocket closes the socket of c, if it has one.
func (l *loop) closeSocket(c *conn) {
	if c.tls != nil {
		c.tls.release()
		c.tls = nil
	}
	if c.fd >= 0 {
		sock.Close(c.fd)
		c.fd = -1
	}
}

// farewell is the number in the reason of a source's Close.
func farewell(reason []byte) (n uint64, ok bool) {
	n, err := strconv.ParseUint(string(reason), 10, 32)
	return n, err == nil
}
