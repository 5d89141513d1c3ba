package load

import (
	"fmt"

	"github.com/gobwas/ws"

	"wsgate/bench/sock"
	"wsgate/bench/wire"
)

func errGaveUp(examples []string) error {
	return fmt.Errorf("%d connections in a row failed: %q", giveUp, examples)
}

// receive reads once from the socket of c.
func (l *loop) receive(c *conn) {
	n, o := sock.Read(c.fd, l.in)
	if !o.Done() && !o.WouldBlock() {
		l.gone(c, cause(o))
		return
	}
	// A short read has emptied the socket; the next bytes are a new event.
	c.readable = o.Done() && (n == len(l.in) || c.hangup)
	if n > 0 {
		l.take(c, l.in[:n])
	}
}

// take consumes b: the response head, then frames.
func (l *loop) take(c *conn, b []byte) {
	if c.state == upgrading {
		if len(c.head) > 0 {
			c.head = append(c.head, b...)
			b = c.head
		}
		n, err := wire.ParseAccepted(b, c.key)
		if err != nil {
			l.unopened(c, "upgrade", err)
			return
		}
		if n == 0 {
			if len(c.head) == 0 {
				c.head = append([]byte(nil), b...)
			}
			return
		}
		b = b[n:]
		l.accepted(c)
	}
	for len(b) > 0 || c.dec.Opened() {
		if !c.dec.Opened() {
			n, ok, err := c.dec.Open(b)
			if err != nil {
				l.fail(c, "protocol", "connection %d: %v", c.id, err)
				return
			}
			b = b[n:]
			if !ok {
				return
			}
			if c.closed {
				l.fail(c, "protocol", "connection %d: a frame after Close", c.id)
				return
			}
		}
		chunk, off, last := c.dec.Payload(b)
		if len(chunk) == 0 && !last {
			return
		}
		b = b[len(chunk):]
		if h := &c.dec.Header; h.OpCode.IsControl() {
			if c.control = append(c.control[:off], chunk...); last {
				l.takeControl(c, h)
				c.control = nil
			}
		} else {
			l.driver.data(c, chunk, last && h.Fin)
		}
		if c.fd < 0 {
			return
		}
	}
}

// takeControl takes a complete control frame.
func (l *loop) takeControl(c *conn, h *ws.Header) {
	payload := c.control
	switch h.OpCode {
	case ws.OpPing:
		if c.state == open {
			l.frame(ws.OpPong, payload)
		}
	case ws.OpClose:
		c.closed = true
		code, why := ws.ParseCloseFrameData(payload)
		if c.state != closing {
			if l.borne(c, errClose) {
				return
			}
			if n := l.driver.due(c); n > 0 {
				l.faultN("lost", int64(n), "connection %d: %d replies never came", c.id, n)
			}
			l.fail(c, "closed early", "connection %d got a Close it did not ask for: %d %q", c.id, code, why)
			return
		}
		l.driver.farewell(c, []byte(why))
	}
}

// judge counts what is wrong with a message, and reports whether it is one
// that was due, in its place or after a gap.
func (l *loop) judge(c *conn, v wire.Verdict) (due bool) {
	switch v.Fault {
	case wire.Right:
		l.answered++
		return true
	case wire.Lost:
		l.faultN("lost", int64(v.Missing), "connection %d: message %d came when %d was due", c.id, v.Seq, v.Expected)
		l.answered++
		return true
	case wire.Reordered:
		// It was counted as lost when a later one took its place.
		l.faults["lost"]--
		if l.faults["lost"] == 0 {
			delete(l.faults, "lost")
		}
		l.faultN("reordered", 1, "connection %d: message %d came after a later one", c.id, v.Seq)
	case wire.Duplicate:
		l.faultN("duplicate", 1, "connection %d: message %d came again, %d was due", c.id, v.Seq, v.Expected)
	case wire.Foreign:
		l.faultN("foreign", 1, "connection %d: message %d of connection %d came", c.id, v.Seq, v.Conn)
	case wire.Corrupt:
		l.faultN("corrupt", 1, "connection %d: the bytes of message %d are wrong", c.id, v.Expected)
		return true
	}
	return false
}

// unasked counts a message that came when none was due.
func (l *loop) unasked(c *conn) {
	switch v := c.check.Spare(); v.Fault {
	case wire.Duplicate, wire.Reordered, wire.Foreign:
		l.judge(c, v)
	default:
		l.faultN("unasked", 1, "connection %d: a message came and none was due", c.id)
	}
}
