package counts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/gobwas/ws"

	"wsgate/bench/sock"
	"wsgate/bench/wire"
)

// session is one WebSocket through the gateway with both of its ends in this
// goroutine. One thing happens at a time: the next begins when its effect has
// come out at the other end and the gateway has become quiet, so that what the
// gateway calls does not depend on who was faster.
type session struct {
	g        *gateway
	ctx      context.Context
	client   *net.TCPConn
	upstream *net.TCPConn
	buf      []byte
}

// open connects and upgrades.
func (g *gateway) open(ctx context.Context) (s *session, err error) {
	s = &session{g: g, ctx: ctx}
	defer func() {
		if err != nil {
			s.drop()
		}
	}()
	c, err := net.DialTimeout("tcp4", g.addr.String(), stepLimit)
	if err != nil {
		return s, err
	}
	s.client = c.(*net.TCPConn)
	if err := g.settle(ctx, "connect"); err != nil {
		return s, err
	}
	key := wire.Key(rand.Uint64())
	if err := s.send(s.client, wire.AppendRequest(nil, g.addr.String(), wire.PathEcho, key)); err != nil {
		return s, err
	}
	if err := g.backend.SetDeadline(time.Now().Add(stepLimit)); err != nil {
		return s, err
	}
	if s.upstream, err = g.backend.AcceptTCP(); err != nil {
		return s, err
	}
	return s, s.upgrade(key)
}

// upgrade takes the request at the backend and answers it.
func (s *session) upgrade(key string) error {
	head, err := s.head(s.upstream)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	r, err := wire.ParseRequest(head)
	if err != nil || r.Length != len(head) || r.Key == "" {
		return fmt.Errorf("request %q at the backend: %w", head, errors.Join(err, errUnexpected))
	}
	if err := s.g.settle(s.ctx, "request"); err != nil {
		return err
	}
	if err := s.send(s.upstream, wire.AppendAccepted(nil, r.Key)); err != nil {
		return err
	}
	if head, err = s.head(s.client); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if n, err := wire.ParseAccepted(head, key); err != nil || n != len(head) {
		return fmt.Errorf("answer %q: %w", head, errors.Join(err, errUnexpected))
	}
	return s.g.settle(s.ctx, "answer")
}

var errUnexpected = errors.New("not what was expected")

// echo sends one message of size bytes to the backend and back.
func (s *session) echo(size int) error {
	payload := make([]byte, size)
	mask := [4]byte{1, 2, 3, 4}
	up := ws.MaskFrameWith(ws.NewBinaryFrame(payload), mask)
	if err := s.pass("message up", s.client, s.upstream, up); err != nil {
		return err
	}
	return s.pass("message down", s.upstream, s.client, ws.NewBinaryFrame(payload))
}

// pass sends f from one end and takes it at the other, unchanged.
func (s *session) pass(step string, from, to *net.TCPConn, f ws.Frame) error {
	b, err := ws.CompileFrame(f)
	if err != nil {
		return err
	}
	if err := s.send(from, b); err != nil {
		return err
	}
	if cap(s.buf) < len(b) {
		s.buf = make([]byte, len(b))
	}
	got := s.buf[:len(b)]
	if _, err := io.ReadFull(to, got); err != nil {
		return fmt.Errorf("frame: %w", err)
	}
	if !bytes.Equal(got, b) {
		return fmt.Errorf("frame: %w", errUnexpected)
	}
	return s.g.settle(s.ctx, step)
}

// close ends the session as RFC 6455 7.1 has it: Close from the client, Close
// from the backend, which ends its stream first.
func (s *session) close() error {
	defer s.drop()
	body := ws.NewCloseFrameBody(ws.StatusNormalClosure, "")
	if err := s.pass("close up", s.client, s.upstream, ws.MaskFrameWith(ws.NewCloseFrame(body), [4]byte{1, 2, 3, 4})); err != nil {
		return err
	}
	if err := s.pass("close down", s.upstream, s.client, ws.NewCloseFrame(body)); err != nil {
		return err
	}
	if err := s.quickAck(); err != nil {
		return err
	}
	if err := s.upstream.CloseWrite(); err != nil {
		return err
	}
	if err := s.ended("end down", s.client); err != nil {
		return err
	}
	if err := s.client.Close(); err != nil {
		return err
	}
	return s.ended("end up", s.upstream)
}

// ended takes the end of the stream.
func (s *session) ended(step string, c *net.TCPConn) error {
	if n, err := c.Read(make([]byte, 1)); err != io.EOF {
		return fmt.Errorf("end of stream: %d bytes: %w", n, errors.Join(err, errUnexpected))
	}
	return s.g.settle(s.ctx, step)
}

// drop closes what is open.
func (s *session) drop() {
	for _, c := range []*net.TCPConn{s.client, s.upstream} {
		if c != nil {
			c.Close()
		}
	}
}

func (s *session) send(c *net.TCPConn, b []byte) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if err := c.SetDeadline(time.Now().Add(stepLimit)); err != nil {
		return err
	}
	if err := s.quickAck(); err != nil {
		return err
	}
	_, err := c.Write(b)
	return err
}

// head reads until the end of a head, and nothing may follow it.
func (s *session) head(c *net.TCPConn) (b []byte, err error) {
	if err := c.SetDeadline(time.Now().Add(stepLimit)); err != nil {
		return nil, err
	}
	buf := make([]byte, wire.MaxHead)
	for !bytes.Contains(b, []byte("\r\n\r\n")) {
		n, err := c.Read(buf)
		b = append(b, buf[:n]...)
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

// quickAck has both ends acknowledge at once what they get next. Delayed, the
// acknowledgement of a FIN wakes the gateway once more or not, as it comes.
func (s *session) quickAck() error {
	for _, c := range []*net.TCPConn{s.client, s.upstream} {
		if c == nil {
			continue
		}
		raw, err := c.SyscallConn()
		if err != nil {
			return err
		}
		if cerr := raw.Control(func(fd uintptr) { err = sock.QuickAck(int(fd)) }); cerr != nil || err != nil {
			return errors.Join(cerr, err)
		}
	}
	return nil
}
