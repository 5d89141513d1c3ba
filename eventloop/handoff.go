package eventloop

import (
	"wsgate/splice/sys"
)

// handOff gives the connection to the plain HTTP server: descriptor and every
// byte read so far, the request head included. The session is forgotten, the
// connection still counts.
func (l *Loop) handOff(s *session) {
	t := s.att
	c := Conn{
		ID:       s.id,
		FD:       int(s.fd[client]),
		TLS:      s.tls[client],
		Info:     s.info,
		Peer:     t.peer,
		Listener: s.listener,
		Accepted: l.wall(s.opened),
		Requests: int(s.requests),
	}
	if t.in != nil {
		c.Unread = append([]byte(nil), t.in.B...)
	}
	if c.TLS != nil {
		l.worker.Forget(c.TLS)
	}
	s.tls[client] = nil
	if err := sys.EpollDel(l.epfd, c.FD); err != nil {
		l.g.opt.Errorf("epoll: %v", err)
	}
	s.fd[client] = -1
	l.forget(s)
	l.g.opt.Plain.Serve(c)
}

// adopt takes a connection back that has an upgrade request in front.
func (l *Loop) adopt(c Conn) {
	s, err := l.newSession(c.FD, c.Peer, c.Listener, nil)
	if err != nil {
		l.g.opt.Errorf("connection from %s comes back: %v", c.Peer, err)
		if c.TLS != nil {
			l.worker.Release(c.TLS)
		}
		sys.Close(c.FD)
		l.g.conns.Add(-1)
		return
	}
	s.id = c.ID
	s.tls[client], s.info = c.TLS, c.Info
	s.requests = uint16(min(c.Requests, 1<<16-1))
	s.may[client] = true
	t := s.att
	t.in = heads.Get()
	t.in.B = append(t.in.B, c.Unread...)
	if lim := l.g.Current().Limits.Head.Head; len(t.in.B) > lim+heldMax {
		s.refuse(l, errHeadTooLarge)
		return
	}
	l.current = s
	s.readHead(l)
	l.current = nil
}

// heldMax is how many bytes behind an upgrade request are held; more are left
// in the socket.
const heldMax = 16 << 10
