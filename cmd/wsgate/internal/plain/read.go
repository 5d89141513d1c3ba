package plain

import (
	"errors"
	"io"
	"os"
	"time"

	"wsgate/handshake"
	"wsgate/splice/sys"
)

// Read implements net.Conn for net/http: it passes on what has been accepted.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.out) == 0 && c.state == atHead {
		if err := c.readHead(); err != nil {
			return 0, err
		}
	}
	if len(c.out) > 0 {
		n := copy(p, c.out)
		c.out = c.out[n:]
		return n, nil
	}
	switch c.state {
	case inBody:
		return c.readBody(p)
	case atEnd:
		return 0, c.watch()
	}
	return 0, io.EOF
}

// answered: net/http has sent the response to the request passed on last and
// wants the next one. That can only be had when the request was passed on to
// its end.
func (c *conn) answered() {
	c.info.Requests++
	if c.state == atEnd && len(c.out) == 0 {
		c.state = atHead
		return
	}
	c.state = ended
}

// readHead reads up to the end of a request head and prepares what net/http
// sees of it. net/http is idle. Any error ends the connection without a word
// from net/http; what the client has to hear has been said.
func (c *conn) readHead() error {
	set := c.srv.opt.Current()
	c.req.Reset()
	var until time.Time
	began := time.Time{}
	for {
		if b := c.pending(); len(b) > 0 {
			if began.IsZero() {
				began = time.Now()
				until = after(set.RequestHead)
			}
			done, bad := c.req.Parse(b, &set.Limits)
			if bad != nil {
				c.refuseHead(set, began, bad)
				return io.EOF
			}
			if done {
				break
			}
		} else {
			until = after(set.Keepalive)
		}
		if err := c.fill(until, len(c.pending()) == 0); err != nil {
			if err == errExpired && !began.IsZero() {
				c.refuseHead(set, began, handshake.ErrHeadTimeout)
			}
			return io.EOF
		}
	}
	if c.req.Upgrade {
		c.state = leaving
		return io.EOF
	}
	c.accept(set, began)
	return nil
}

// fill reads more behind the pending bytes.
func (c *conn) fill(until time.Time, waiting bool) error {
	if c.off > 0 {
		n := copy(c.buf, c.buf[c.off:])
		c.buf, c.off = c.buf[:n], 0
	}
	if len(c.buf) == cap(c.buf) {
		grown := make([]byte, len(c.buf), max(4<<10, 2*cap(c.buf)))
		copy(grown, c.buf)
		c.buf = grown
	}
	n, err := c.read(c.buf[len(c.buf):cap(c.buf)], until, waiting)
	c.buf = c.buf[:len(c.buf)+n]
	return err
}

// accept takes the parsed head out of the pending bytes: it becomes the
// exchange that the handler works on.
func (c *conn) accept(set *Settings, began time.Time) {
	b := c.pending()[:c.req.HeadLen]
	c.x = newExchange(c, set, began, b)
	c.head = appendHead(c.head[:0], &c.req, b)
	c.out = c.head
	c.consume(c.req.HeadLen)
	c.body.Init(c.req.Body)
	c.state = inBody
	if c.req.Body.Kind == handshake.NoBody {
		c.end()
	}
}

// end: the request has been passed on whole.
func (c *conn) end() {
	c.state = atEnd
	c.x.whole.Store(true)
}

// readBody passes on the body of the request, verified. p is not empty.
func (c *conn) readBody(p []byte) (int, error) {
	if b := c.pending(); len(b) > 0 {
		n := copy(p, b)
		n, err := c.follow(p[:n])
		c.consume(n)
		return n, err
	}
	n, err := c.read(p, after(c.x.set.RequestBody), false)
	switch err {
	case nil:
	case errExpired:
		return 0, c.bodyFault(handshake.ErrBodyTimeout)
	case io.EOF, errGone:
		c.x.gone.Store(true)
		c.state = ended
		return 0, io.ErrUnexpectedEOF
	default:
		return 0, err
	}
	k, err := c.follow(p[:n])
	if err == nil && k < n {
		c.buf = append(c.buf, p[k:n]...)
	}
	return k, err
}

// follow judges the next bytes of the body and returns how many belong to it.
func (c *conn) follow(p []byte) (int, error) {
	n, done, bad := c.body.Consume(p)
	if bad != nil {
		return 0, c.bodyFault(bad)
	}
	if done {
		c.end()
	}
	return n, nil
}

// bodyFault ends the request whose body is being read. The handler answers if
// nothing has been sent yet.
func (c *conn) bodyFault(e *handshake.Error) error {
	c.x.fault.Store(e)
	c.state = ended
	return e
}

// watch waits for the end of the client's stream while a request is being
// served. Bytes that arrive belong to the next request and stay in the kernel;
// a FIN behind them is the business of that request.
func (c *conn) watch() error {
	if err := c.arm(time.Time{}, false); err != nil {
		return errGone
	}
	for {
		var end error
		err := c.raw.Read(func(fd uintptr) bool {
			end = c.streamEnd(int(fd))
			return end != nil
		})
		switch {
		case end != nil:
			c.x.gone.Store(true)
			return end
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return errGone
		}
		if err := c.verdict(); err != nil {
			return err
		}
	}
}

// streamEnd returns io.EOF after a FIN that nothing unread precedes, errGone
// after a RST, and nil otherwise.
func (c *conn) streamEnd(fd int) error {
	if c.secure {
		return c.secureEnd(fd)
	}
	switch sys.PeekEnd(fd) {
	case sys.Gone:
		return errGone
	case sys.EOF:
		if len(c.pending()) == 0 {
			return io.EOF
		}
	}
	return nil
}
