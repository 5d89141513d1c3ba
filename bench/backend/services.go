package backend

import (
	"strconv"

	"github.com/gobwas/ws"

	"wsgate/bench/sock"
	"wsgate/bench/wire"
)

// service is what c asks for.
func (s *Server) service(c *conn, o wire.Order) service {
	switch o.Path {
	case wire.PathSource:
		return &source{pattern: s.pattern(o), conn: o.Conn, size: o.Size, sizes: o.Sizes}
	case wire.PathSink:
		k := &sink{pattern: s.pattern(o), conn: o.Conn}
		k.check.Start(k.pattern, o.Conn, o.Size)
		if o.Sizes != nil {
			k.check.Vary(o.Sizes)
		}
		return k
	case wire.PathRoom:
		return s.join(c, roomKey{o.Seed, o.Room})
	case wire.PathSlow:
		c.slowDown(o.Rate)
	case wire.PathAbrupt:
		return &abrupt{left: o.After, reset: o.Reset}
	}
	return echo{}
}

// echo sends every frame back as it comes, fragmented as it came.
type echo struct{ plain }

func (echo) data(s *Server, _ *conn, h *ws.Header, chunk []byte, off int64, _ bool) {
	if off == 0 {
		start := len(s.out)
		s.out = wire.AppendHeader(s.out, h.OpCode, int(h.Length), false, h.Mask)
		if !h.Fin {
			s.out[start] &^= 0x80
		}
	}
	s.out = append(s.out, chunk...)
}

// source sends messages for as long as the socket takes them. After the peer's
// Close it completes the message it is in and sends a Close whose reason is
// the number of messages sent, so that the receiver can tell whether it has all.
type source struct {
	plain
	pattern  *wire.Pattern
	conn     uint32
	size     int         // of the next message, and without sizes of all
	sizes    *wire.Sizes // or nil
	seq      uint32
	out      sock.Gather // the message being sent
	stopping bool
}

// sendBudget is how many bytes one source sends a turn.
const sendBudget = 256 << 10

func (*source) data(*Server, *conn, *ws.Header, []byte, int64, bool) {}

func (f *source) finish(*Server, *conn) bool {
	f.stopping = true
	return true
}

// send writes past s.out, straight from the shared body: a copy would cost as
// much as the write.
func (f *source) send(s *Server, c *conn) (more bool) {
	if !c.writable {
		return false
	}
	for budget := sendBudget; ; {
		if f.out.Empty() {
			if f.stopping {
				f.farewell(s, c)
				return false
			}
			if budget <= 0 {
				return true
			}
			f.next()
		}
		n, o := f.out.Send(c.fd)
		if o.Gone() {
			s.drop(c)
			return false
		}
		if o.WouldBlock() {
			c.writable = false
			return false
		}
		budget -= n
	}
}

// next makes the next message the one being sent.
func (f *source) next() {
	if f.sizes != nil {
		f.size = f.sizes.Of(f.pattern, f.conn, f.seq)
	}
	head := wire.AppendHeader(f.out.Buffer(), ws.OpBinary, f.size, false, [4]byte{})
	stamp := f.pattern.Stamp(f.conn, f.seq)
	head = append(head, stamp[:min(f.size, wire.StampSize)]...)
	f.out.Set(head, f.pattern.Body(f.conn, f.seq, f.size))
	f.seq++
}

func (f *source) farewell(s *Server, c *conn) {
	body := ws.NewCloseFrameBody(ws.StatusNormalClosure, strconv.FormatUint(uint64(f.seq), 10))
	s.out = wire.AppendHeader(s.out, ws.OpClose, len(body), false, [4]byte{})
	s.out = append(s.out, body...)
	c.closing = true
}

// sink checks what it is sent and acknowledges every message with its stamp
// and what is wrong with it.
type sink struct {
	plain
	pattern *wire.Pattern
	conn    uint32
	check   wire.Checker
}

func (k *sink) data(s *Server, _ *conn, h *ws.Header, chunk []byte, _ int64, last bool) {
	k.check.Chunk(chunk)
	if !last || !h.Fin {
		return
	}
	v := k.check.End()
	seq := v.Expected
	if v.Known && v.Conn == k.conn {
		seq = v.Seq
	}
	stamp := k.pattern.Stamp(k.conn, seq)
	s.out = wire.AppendHeader(s.out, ws.OpBinary, wire.AckSize, false, [4]byte{})
	s.out = append(s.out, stamp[:]...)
	s.out = append(s.out, byte(v.Fault))
}
