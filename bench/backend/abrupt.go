package backend

import (
	"github.com/gobwas/ws"

	"wsgate/bench/sock"
)

// abrupt is an echo that ends after some messages, or at once after the 101,
// without a Close: with the end of stream, or with RST. RST may overtake the
// last echoes, and the 101: the kernel drops what has not been sent, and the
// receiver's what has not been read.
type abrupt struct {
	echo
	left  uint32 // messages before the end
	reset bool
	over  bool
}

func (a *abrupt) data(s *Server, c *conn, h *ws.Header, chunk []byte, off int64, last bool) {
	if a.left == 0 {
		return
	}
	a.echo.data(s, c, h, chunk, off, last)
	if last && h.Fin {
		a.left--
	}
}

// finish leaves a Close unanswered that comes after the last message.
func (a *abrupt) finish(*Server, *conn) (later bool) { return a.left == 0 }

// send ends the stream once everything before has been written. After the end
// of stream c reads on until the peer's: closing a socket with unread data
// would send RST.
func (a *abrupt) send(s *Server, c *conn) (more bool) {
	switch {
	case a.left > 0 || a.over:
	case a.reset:
		sock.Reset(c.fd)
		s.forget(c)
	default:
		a.over = true
		sock.FinishWrites(c.fd)
	}
	return false
}
