package backend

import (
	"github.com/gobwas/ws"

	"wsgate/bench/sock"
	"wsgate/bench/wire"
)

// conn is one connection. Its buffers exist only while something is incomplete.
type conn struct {
	fd               int
	slot, generation int32
	queued           bool // on the ready list
	readable, hangup bool // more may be read
	writable         bool
	closing          bool // close once pending is written
	service          service
	head             []byte // request head that came in pieces
	dec              wire.Decoder
	control          []byte // payload of the latest control frame, until it is answered
	pending          []byte // what the socket did not take
	pendingAt        int
	pace             *pace // of a slow reader; nil: reads all that comes
}

// A service is what a connection's path asked for. It lives on the server's
// goroutine and appends what it answers to s.out.
type service interface {
	// data takes the next bytes of a data frame's payload, unmasked, at
	// offset off of the frame whose header is h. They may be written to.
	data(s *Server, c *conn, h *ws.Header, chunk []byte, off int64, last bool)
	// send is called when pending is empty and the socket may take more; it
	// reports whether it wants to go on in the next turn.
	send(s *Server, c *conn) (more bool)
	// finish takes the peer's Close; it reports whether the service will
	// close by itself, later.
	finish(s *Server, c *conn) (later bool)
	// ended takes the end of the connection.
	ended(s *Server)
}

// plain is what most services have in common: they only answer.
type plain struct{}

func (plain) send(*Server, *conn) bool   { return false }
func (plain) finish(*Server, *conn) bool { return false }
func (plain) ended(*Server)              {}

// readBudget is how many reads one connection has a turn.
const readBudget = 4

// serve does what can be done for c in this turn: write what waits, read and
// answer, let the service send.
func (s *Server) serve(c *conn) {
	if !s.flush(c) {
		return
	}
	for range readBudget {
		if !c.readable || c.closing || len(c.pending) > 0 {
			break
		}
		in := s.in
		if c.pace != nil {
			if in = s.allowed(c, in); len(in) == 0 {
				break
			}
		}
		n, o := sock.Read(c.fd, in)
		if o.EOF() || o.Gone() {
			s.drop(c)
			return
		}
		if c.pace != nil {
			c.pace.left -= float64(n)
		}
		// A short read has emptied the socket; the next bytes are a new event.
		c.readable = o.Done() && (n == len(in) || c.hangup)
		s.out = s.out[:0]
		if n > 0 && !s.take(c, in[:n]) {
			s.drop(c)
			return
		}
		if !s.write(c, s.out) {
			return
		}
	}
	if c.service != nil && !c.closing && len(c.pending) == 0 {
		s.out = s.out[:0]
		more := c.service.send(s, c)
		if c.fd < 0 || !s.write(c, s.out) {
			return
		}
		if more && len(c.pending) == 0 {
			s.again(c)
		}
	}
	if c.readable && len(c.pending) == 0 && c.fd >= 0 && (c.pace == nil || !c.pace.waits) {
		s.again(c)
	}
}

// flush writes what is pending. It reports false when the connection is gone.
func (s *Server) flush(c *conn) bool {
	if len(c.pending) == 0 {
		return s.write(c, nil)
	}
	n, o := sock.Write(c.fd, c.pending[c.pendingAt:])
	if o.Gone() {
		s.drop(c)
		return false
	}
	if c.pendingAt += n; c.pendingAt == len(c.pending) {
		c.pending, c.pendingAt = nil, 0
		return s.write(c, nil)
	}
	return true
}

// write sends b, keeping what the socket does not take. It holds that nothing
// is pending, or that b is empty. It reports false when the connection is gone
// or was closing and had no more to say.
func (s *Server) write(c *conn, b []byte) bool {
	if len(b) > 0 {
		n, o := sock.Write(c.fd, b)
		if o.Gone() {
			s.drop(c)
			return false
		}
		if n < len(b) {
			c.pending, c.pendingAt = append([]byte(nil), b[n:]...), 0
		}
	}
	if c.closing && len(c.pending) == 0 {
		s.drop(c)
		return false
	}
	return true
}

// take consumes b: the request head, then frames. It reports false when the
// peer breaks the protocol; the kit's own peers never do, so a bare close will do.
func (s *Server) take(c *conn, b []byte) bool {
	if c.service == nil {
		var ok bool
		if b, ok = s.takeHead(c, b); !ok || c.service == nil {
			return ok
		}
	}
	for len(b) > 0 || c.dec.Opened() {
		if !c.dec.Opened() {
			n, ok, err := c.dec.Open(b)
			if err != nil {
				return false
			}
			b = b[n:]
			if !ok {
				return true
			}
		}
		h := &c.dec.Header
		chunk, off, last := c.dec.Payload(b)
		if len(chunk) == 0 && !last {
			return true
		}
		b = b[len(chunk):]
		ws.Cipher(chunk, h.Mask, int(off))
		if h.OpCode.IsControl() {
			c.control = append(c.control[:off], chunk...)
			if last {
				if !s.takeControl(c, h) {
					return true
				}
				c.control = nil
			}
			continue
		}
		c.service.data(s, c, h, chunk, off, last)
	}
	return true
}

// takeHead consumes the request head at the start of b and what came before it.
func (s *Server) takeHead(c *conn, b []byte) (rest []byte, ok bool) {
	if len(c.head) > 0 {
		b = append(c.head, b...)
	}
	r, err := wire.ParseRequest(b)
	if err != nil {
		return nil, false
	}
	if r.Length == 0 {
		c.head = append([]byte(nil), b...)
		return nil, true
	}
	c.head = nil
	if r.Key == "" {
		s.out = append(s.out, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 16\r\nConnection: close\r\n\r\nwsbench backend\n"...)
		c.closing = true
		return nil, true
	}
	order, err := wire.ParseOrder(r.Target)
	if err != nil {
		msg := err.Error() + "\n"
		s.out = append(s.out, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"+msg...)
		c.closing = true
		return nil, true
	}
	s.out = wire.AppendAccepted(s.out, r.Key)
	c.service = s.service(c, order)
	return b[r.Length:], true
}

// takeControl answers a complete control frame. It reports false after a Close:
// nothing may follow it.
func (s *Server) takeControl(c *conn, h *ws.Header) bool {
	payload := c.control
	switch h.OpCode {
	case ws.OpPing:
		s.out = wire.AppendHeader(s.out, ws.OpPong, len(payload), false, h.Mask)
		s.out = append(s.out, payload...)
	case ws.OpClose:
		if c.service.finish(s, c) {
			return false
		}
		s.out = wire.AppendHeader(s.out, ws.OpClose, len(payload), false, h.Mask)
		s.out = append(s.out, payload...)
		c.closing = true
		return false
	}
	return true
}
