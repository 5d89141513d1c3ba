package plain

import (
	"net"
	"sync"
	"time"
)

// socket is the net.Conn of a client's TLS connection for HTTP/2: what conn
// does for HTTP/1, without the filter.
type socket struct {
	*conn
	once sync.Once
}

// Read implements net.Conn. One Read and one Write may run at a time.
func (s *socket) Read(p []byte) (int, error) { return s.take(p) }

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := s.put(p[done:])
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Close implements net.Conn. It ends what is under way.
func (s *socket) Close() error {
	s.once.Do(func() {
		s.endTLS(true)
		s.file.Close()
	})
	return nil
}

// SetDeadline implements net.Conn.
func (s *socket) SetDeadline(t time.Time) error { return s.file.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (s *socket) SetReadDeadline(t time.Time) error { return s.file.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (s *socket) SetWriteDeadline(t time.Time) error { return s.file.SetWriteDeadline(t) }

// arrival keeps Drain waiting from Serve on for a connection that takes part in
// it by itself a moment later.
type arrival struct{ _ byte }

func (*arrival) drain() {}
func (*arrival) kill()  {}

// serveSecure serves a connection for which ALPN has chosen HTTP/2.
func (s *Server) serveSecure(f *conn) {
	if err := f.open(); err != nil {
		s.opt.Error("plain http: connection %016x: %v", uint64(f.info.ID), err)
		f.endTLS(false)
		s.opt.Released(f.info)
		return
	}
	info := f.info
	info.FD, info.TLS = -1, nil
	s.serveH2(&socket{conn: f}, info)
}

var _ net.Conn = (*socket)(nil)
