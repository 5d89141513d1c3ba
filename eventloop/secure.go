package eventloop

import (
	"crypto/tls"

	"wsgate/eventloop/record"
	"wsgate/splice"
	"wsgate/splice/sys"
)

// ClearText says what becomes of plain HTTP on a TLS listener.
type ClearText uint8

// The answers to plain HTTP on a TLS listener.
const (
	Redirect ClearText = iota // 301, or 308 for methods with a body, to the https URL
	Refuse                    // 400
	Serve                     // as on a listener without TLS
)

// ListenerTLS is how a listener speaks TLS. It is not changed after New.
type ListenerTLS struct {
	// Config returns the configuration of the next handshake. It is called on
	// the handshake's goroutine; what it returns is cloned, not changed. Its
	// KeyLogWriter, if there is one, must be safe for concurrent use. nil:
	// there is no certificate yet.
	Config func() *tls.Config
	// ClearText is what plain HTTP gets.
	ClearText ClearText
}

// end returns what the relay and the codec need of one side.
func (s *session) end(sd side) splice.End {
	return splice.End{FD: int(s.fd[sd]), TLS: s.tls[sd]}
}

// recv reads from one side before the relay.
func (s *session) recv(l *Loop, sd side, p []byte) (int, sys.Outcome) {
	if s.tls[sd] == nil {
		n, out, _ := l.worker.IO.Read(int(s.fd[sd]), p)
		if out == sys.OK {
			s.took(sd, n, len(p))
		}
		return n, out
	}
	n, empty, out := l.worker.Codec.Read(s.end(sd), p)
	if out == sys.OK && empty && !s.hup[sd] {
		s.may[sd] = false
	}
	return n, out
}

// send writes to one side before the relay. What was not taken has to be sent
// again, beginning with the same bytes (Codec.Write).
func (s *session) send(l *Loop, sd side, p []byte) (int, sys.Outcome) {
	if s.tls[sd] == nil {
		n, out, _ := l.worker.IO.Write(int(s.fd[sd]), p, false)
		return n, out
	}
	return l.worker.Codec.Write(s.end(sd), p)
}

// alert tells a peer whose records cannot be read why (RFC 8446 6.2), and ends
// our direction, so that the alert is read before the connection is closed. It
// returns false when the connection is not TLS, or broke in another way.
func (s *session) alert(l *Loop, sd side) bool {
	t := s.tls[sd]
	if t == nil || t.Failure() == nil {
		return false
	}
	l.counters.TLSFailures[record.TLSFailure{Side: s.sideName(sd), Reason: failureName(t.Failure())}]++
	if sd == client && s.state == relaying && s.half[1].Pending() || sd == upstream && s.state == relaying && s.half[0].Pending() {
		return true // the record that is half written cannot be followed by anything
	}
	if wire := l.worker.SealAlert(t); len(wire) > 0 {
		l.worker.IO.Write(int(s.fd[sd]), wire, false)
	}
	l.worker.IO.Shutdown(int(s.fd[sd]))
	l.worker.IO.Read(int(s.fd[sd]), l.discard())
	return true
}

func (s *session) sideName(sd side) string {
	if sd == client {
		return "client"
	}
	return "upstream"
}

// releaseTLS ends the TLS connection of a side whose descriptor is about to be
// closed; polite: with a close_notify, if nothing unwritten precedes it.
func (s *session) releaseTLS(l *Loop, sd side, polite bool) {
	t := s.tls[sd]
	if t == nil {
		return
	}
	s.tls[sd] = nil
	if polite && !t.Unwritten() {
		if wire := l.worker.SealClose(t); len(wire) > 0 {
			l.worker.IO.Write(int(s.fd[sd]), wire, false)
		}
	}
	l.worker.Codec.Release(t)
}
