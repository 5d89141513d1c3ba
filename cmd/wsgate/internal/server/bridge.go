package server

import (
	"runtime"

	"wsgate/cmd/wsgate/internal/plain"
	"wsgate/eventloop"
)

// bridge carries connections between the loops and the plain HTTP server,
// which do not know each other.
type bridge struct{ server *Server }

// Serve implements eventloop.Plain.
func (b *bridge) Serve(c eventloop.Conn) {
	b.server.plain.Serve(plain.Conn{
		ID: c.ID, FD: c.FD, Unread: c.Unread, Peer: c.Peer,
		Listener: c.Listener, Accepted: c.Accepted, Requests: c.Requests,
		TLS: c.TLS, Info: c.Info,
	})
}

// giveBack returns a connection with an upgrade request in front to a loop.
func (b *bridge) giveBack(c plain.Conn) {
	b.server.gateway.Return(eventloop.Conn{
		ID: c.ID, FD: c.FD, Unread: c.Unread, Peer: c.Peer,
		Listener: c.Listener, Accepted: c.Accepted, Requests: c.Requests,
		TLS: c.TLS, Info: c.Info,
	})
}

// settings is the generation in force as the plain HTTP server sees it.
func (s *Server) settings() *plain.Settings { return s.current.Load() }

// loopCount resolves 0: one loop for each processor that the process may use.
func loopCount(configured int) int {
	if configured > 0 {
		return configured
	}
	return runtime.GOMAXPROCS(0)
}
