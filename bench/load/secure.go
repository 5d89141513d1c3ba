package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"wsgate/bench/sock"
)

// secure is TLS over the socket of one connection, without blocking and
// without a goroutine beside the loop.
//
// The loop reads ciphertext into a buffer that all its connections share, and
// sends what they seal from another; crypto/tls sits between the two and takes
// secure itself for its net.Conn. Both buffers are empty between the turns of
// two connections: crypto/tls keeps a record that came in part, and unsent
// keeps what the socket did not take.
//
// A handshake of crypto/tls waits where it stands for what the server sends. So
// it runs as a coroutine of the loop's goroutine: where it would wait it yields,
// and the loop resumes it when more has come. It ends with the handshake, or in
// release.
type secure struct {
	l     *loop
	c     *conn
	conn  *tls.Conn
	shake func() (struct{}, bool) // goes on with the handshake; false when it has ended
	stop  func()                  // ends it early; nil afterwards
	wait  func(struct{}) bool     // inside of it, until shake is called; false after stop
	err   error                   // how it ended
	began int64                   // when the ClientHello was sealed

	in       []byte       // ciphertext for crypto/tls
	end      sock.Outcome // how the socket ended, once it has
	ended    bool         // crypto/tls has seen that
	unsent   []byte       // ciphertext that the socket did not take
	unsentAt int          // how much of it is written
	notified bool         // close_notify is sealed
}

// sealAtOnce is how many bytes of plaintext become ciphertext before it is
// sent: four full records for one system call.
const sealAtOnce = 4 * maxRecord

// maxRecord is the most plaintext in a record (RFC 8446 5.1).
const maxRecord = 16 << 10

// errAgain tells crypto/tls that nothing more has come for now. It keeps its
// state over an error that is temporary.
var errAgain net.Error = notYet{}

type notYet struct{}

func (notYet) Error() string   { return "nothing has come" }
func (notYet) Timeout() bool   { return true }
func (notYet) Temporary() bool { return true }

// errReleased ends a handshake that nobody waits for any more.
var errReleased = errors.New("connection was given up")

// write sends b, or a first part of it: n is how much.
func (l *loop) write(c *conn, b []byte) (n int, o sock.Outcome) {
	if c.tls != nil {
		return c.tls.write(b)
	}
	return sock.Write(c.fd, b)
}

// writeBulk sends what it can of the large message of c.
func (l *loop) writeBulk(c *conn) (n int, o sock.Outcome) {
	if c.tls != nil {
		return c.tls.writeBulk(&c.bulk)
	}
	return c.bulk.Send(c.fd)
}

// startTLS begins the handshake of c, the attempt to connect having ended.
func (l *loop) startTLS(c *conn) {
	s := &secure{l: l, c: c}
	s.conn = tls.Client(s, l.tls)
	s.shake, s.stop = iter.Pull(func(yield func(struct{}) bool) {
		s.wait = yield
		if s.err = s.conn.HandshakeContext(context.Background()); s.err == nil {
			s.err = l.cfg.TLS.verify(s.conn.ConnectionState())
		}
		s.wait = nil
	})
	c.tls, c.state = s, handshaking
	l.shakeHands(c, "connect")
}

// shakeHands goes on with the handshake of c. When it is done, the upgrade
// request leaves together with its last flight. lost names the fault of a
// socket that is found to be lost.
func (l *loop) shakeHands(c *conn, lost string) {
	s := c.tls
	_, waits := s.shake()
	if !waits && s.err == nil {
		s.shake, s.stop = nil, nil
		state := s.conn.ConnectionState()
		l.handshakes.add(&state, l.now()-s.began)
		l.request(c)
		return
	}
	o := s.flush()
	switch {
	case !waits:
		l.unopened(c, "tls", fmt.Errorf("handshake: %w", s.cause(s.err)))
	case o.Gone():
		l.unopened(c, lost, o.Err())
	}
}

// receiveTLS reads once from the socket of c, and takes all that comes of it.
func (l *loop) receiveTLS(c *conn) {
	s := c.tls
	n, o := sock.Read(c.fd, l.sealedIn)
	c.readable = o.Done() && (n == len(l.sealedIn) || c.hangup)
	if s.in = l.sealedIn[:n]; !o.Done() && !o.WouldBlock() {
		s.end = o
	}
	if c.state == handshaking {
		if l.shakeHands(c, "tls"); c.state == handshaking || c.fd < 0 {
			return
		}
	}
	for {
		n, err := s.conn.Read(l.in)
		if n > 0 {
			l.take(c, l.in[:n])
		}
		switch {
		case c.fd < 0 || err == errAgain:
			return
		case err != nil:
			l.endTLS(c, err)
			return
		}
	}
}

// endTLS takes the end of what c receives.
func (l *loop) endTLS(c *conn, err error) {
	s := c.tls
	if over := s.ended || err == io.EOF; over || c.closed && c.state == closing {
		l.gone(c, s.cause(err))
		return
	}
	_ = s.flush() // the alert, so that the server knows why
	if n := l.driver.due(c); n > 0 && c.state != upgrading {
		l.faultN("lost", int64(n), "connection %d: %d replies never came", c.id, n)
	}
	l.fail(c, "tls", "connection %d: %v", c.id, err)
}

// cause tells what err, from crypto/tls, means.
func (s *secure) cause(err error) error {
	switch {
	case s.ended && s.end.Gone():
		return s.end.Err()
	case s.ended && errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w inside a TLS record", errEndOfStream)
	case s.ended:
		return fmt.Errorf("%w without close_notify", errEndOfStream)
	case err == io.EOF:
		return fmt.Errorf("%w with close_notify", errEndOfStream)
	}
	return err
}

// write sends plaintext: n is how much of b was sealed. Nothing is while
// ciphertext waits for the socket.
func (s *secure) write(b []byte) (n int, o sock.Outcome) {
	if o, ok := s.clear(); !ok {
		return 0, o
	}
	if n, o = s.seal(b[:min(len(b), sealAtOnce)]); o.Done() {
		o = s.flush()
	}
	return n, o
}

// writeBulk sends of g, which is not empty, as write does of b. The message
// begins with a full record: its head gets none of its own.
func (s *secure) writeBulk(g *sock.Gather) (n int, o sock.Outcome) {
	if o, ok := s.clear(); !ok {
		return 0, o
	}
	for n < sealAtOnce && !g.Empty() && o.Done() {
		var k int
		b := g.Next(s.l.record[:])
		k, o = s.seal(b[:min(len(b), sealAtOnce-n)])
		g.Skip(k)
		n += k
	}
	if o.Done() {
		o = s.flush()
	}
	return n, o
}

// clear sends what the socket did not take before; ok is false when it still
// does not take all of it.
func (s *secure) clear() (o sock.Outcome, ok bool) {
	if len(s.unsent) > 0 {
		o = s.flush()
	}
	return o, len(s.unsent) == 0
}

// seal has b encrypted, all of it unless the outcome says that it is too late:
// after a failure, which ends the connection, or after close_notify.
func (s *secure) seal(b []byte) (n int, o sock.Outcome) {
	n, err := s.conn.Write(b)
	if err != nil {
		return n, sock.Lost(unix.EPROTO)
	}
	return n, o
}

// waiting reports whether there is ciphertext to flush.
func (s *secure) waiting() bool { return len(s.unsent) > 0 || len(s.l.sealed) > 0 }

// flush sends what has been sealed, as far as the socket takes it. What it does
// not take waits in unsent.
func (s *secure) flush() (o sock.Outcome) {
	out := s.l.sealed
	s.l.sealed = out[:0]
	if len(s.unsent) > 0 {
		s.unsent = append(s.unsent, out...)
		out = s.unsent[s.unsentAt:]
	}
	if len(out) == 0 {
		return o
	}
	n, o := sock.Write(s.c.fd, out)
	switch {
	case n == len(out):
		s.unsent, s.unsentAt = s.unsent[:0], 0
	case len(s.unsent) > 0:
		s.unsentAt += n
	default:
		s.unsent = append(s.unsent, out[n:]...)
	}
	return o
}

// notify seals a close_notify, once; it reports whether it did.
func (s *secure) notify() bool {
	if s.notified {
		return false
	}
	s.notified = true
	return s.conn.CloseWrite() == nil
}

// release ends a handshake under way and forgets what was not sent. The
// descriptor may be closed afterwards: nobody else uses it.
func (s *secure) release() {
	if s.stop != nil {
		s.stop()
	}
	s.l.sealed = s.l.sealed[:0]
}

// The methods of net.Conn, for crypto/tls.

// Read gives what the loop has read.
func (s *secure) Read(b []byte) (int, error) {
	for len(s.in) == 0 {
		switch {
		case s.end.Gone():
			s.ended = true
			return 0, s.end.Err()
		case s.end.EOF():
			s.ended = true
			return 0, io.EOF
		case s.wait == nil:
			return 0, errAgain
		case !s.wait(struct{}{}):
			return 0, errReleased
		}
	}
	n := copy(b, s.in)
	s.in = s.in[n:]
	return n, nil
}

// Write puts ciphertext where flush finds it.
func (s *secure) Write(b []byte) (int, error) {
	if s.began == 0 {
		s.began = s.l.now()
	}
	s.l.sealed = append(s.l.sealed, b...)
	return len(b), nil
}

// Close is not called: the descriptor belongs to the connection.
func (s *secure) Close() error {
	return fmt.Errorf("close of a borrowed socket: %w", errors.ErrUnsupported)
}

// LocalAddr is not known and not asked for.
func (s *secure) LocalAddr() net.Addr { return nil }

// RemoteAddr is the target.
func (s *secure) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.l.target.addr) }

// The deadlines of a socket that does not block are the loop's business.

func (s *secure) SetDeadline(time.Time) error      { return nil }
func (s *secure) SetReadDeadline(time.Time) error  { return nil }
func (s *secure) SetWriteDeadline(time.Time) error { return nil }
