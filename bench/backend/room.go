package backend

import (
	"github.com/gobwas/ws"

	"wsgate/bench/sock"
	"wsgate/bench/wire"
)

// roomKey names a room: runs have seeds, so that their rooms do not meet.
type roomKey struct {
	seed uint64
	room uint32
}

// room is the members that get each other's messages. It exists while it has any.
type room struct {
	key     roomKey
	members []*member
}

// member sends every message of its connection to all members of its room, the
// sender included, each as one frame. It joins before its 101 is sent, and
// leaves with its Close or the end of its connection.
type member struct {
	plain
	room *room // nil once it has left: nothing follows a Close
	c    *conn
	at   int    // its place among the members
	part []byte // a message that came in pieces so far
	op   ws.OpCode
}

// maxLag is how many bytes a member may be behind its room. One that is
// further behind is cut off, not held back: the others must not wait for it.
const maxLag = 16 << 20

func (s *Server) join(c *conn, key roomKey) *member {
	r := s.rooms[key]
	if r == nil {
		r = &room{key: key}
		s.rooms[key] = r
	}
	m := &member{room: r, c: c, at: len(r.members)}
	r.members = append(r.members, m)
	return m
}

// leave takes m out of its room, once.
func (m *member) leave(s *Server) {
	r := m.room
	if r == nil {
		return
	}
	m.room = nil
	last := len(r.members) - 1
	r.members[m.at] = r.members[last]
	r.members[m.at].at = m.at
	r.members[last] = nil
	if r.members = r.members[:last]; last == 0 {
		delete(s.rooms, r.key)
	}
}

func (m *member) ended(s *Server) { m.leave(s) }

func (m *member) finish(s *Server, _ *conn) (later bool) {
	m.leave(s)
	return false
}

func (m *member) data(s *Server, _ *conn, h *ws.Header, chunk []byte, off int64, last bool) {
	if off == 0 && h.OpCode != ws.OpContinuation {
		m.op = h.OpCode
	}
	last = last && h.Fin
	if len(m.part) > 0 || !last {
		if len(m.part)+len(chunk) > wire.MaxSize {
			m.c.closing = true // the kit sends nothing so long
			return
		}
		m.part = append(m.part, chunk...)
		chunk = m.part
	}
	if last {
		m.spread(s, chunk)
		m.part = nil
	}
}

// spread sends a message to the room. The sender's own copy goes the way of
// its other answers.
func (m *member) spread(s *Server, payload []byte) {
	s.frame = wire.AppendHeader(s.frame[:0], m.op, len(payload), false, [4]byte{})
	s.frame = append(s.frame, payload...)
	for _, to := range m.room.members {
		if to == m {
			s.out = append(s.out, s.frame...)
		} else {
			s.post(to.c, s.frame)
		}
	}
}

// post sends b to c, from the turn of another connection. That c is gone shows
// in its own next turn.
func (s *Server) post(c *conn, b []byte) {
	if c.closing {
		return
	}
	if len(c.pending) == 0 {
		n, o := sock.Write(c.fd, b)
		if o.Gone() {
			c.readable = true // the reason, or the end of stream
			s.again(c)
			return
		}
		b = b[n:]
	}
	c.pending = append(c.pending, b...)
	if len(c.pending)-c.pendingAt > maxLag {
		c.pending, c.closing = nil, true
		s.again(c)
	}
}
