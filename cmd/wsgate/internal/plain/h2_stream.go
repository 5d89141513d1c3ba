package plain

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"wsgate/handshake"
)

// stream is one request's stream of an HTTP/2 connection: the ResponseWriter
// below the responder, with time limits on what the client takes and sends.
type stream struct {
	http.ResponseWriter
	c    *h2conn
	ctx  context.Context // ends with the stream
	rc   *http.ResponseController
	send time.Duration

	mu    sync.Mutex
	over  bool        // the handler is about to return
	timer *time.Timer // of the write in progress; nil before the first
}

func newStream(c *h2conn, w http.ResponseWriter, r *http.Request, set *Settings) *stream {
	return &stream{ResponseWriter: w, c: c, ctx: r.Context(), rc: http.NewResponseController(w), send: set.Send}
}

// end: the ResponseWriter must not be touched from here on.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// lost implements downstream.
func (s *stream) lost() bool { return s.ctx.Err() != nil || s.isKilled() }

// isKilled implements downstream.
func (s *stream) isKilled() bool { return s.c.isKilled() }

// mute implements downstream.
func (s *stream) mute() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.rc.SetReadDeadline(past)
	}
}

// reset ends the stream with RST_STREAM and wakes whoever writes to it.
func (s *stream) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.rc.SetWriteDeadline(past)
	}
}

// arm resets the stream unless disarm comes within the time limit. Writes wait
// for the client's window and for the connection.
func (s *stream) arm() {
	if s.send <= 0 {
		return
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(s.send, s.reset)
		return
	}
	s.timer.Reset(s.send)
}

func (s *stream) disarm() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// Write implements http.ResponseWriter.
func (s *stream) Write(p []byte) (int, error) {
	s.arm()
	defer s.disarm()
	return s.ResponseWriter.Write(p)
}

// FlushError is what http.ResponseController looks for.
func (s *stream) FlushError() error {
	s.arm()
	defer s.disarm()
	return s.rc.Flush()
}

// streamBody is the body of a request, timed.
type streamBody struct {
	io.ReadCloser
	st      *stream
	x       *exchange
	timer   *time.Timer
	expired atomic.Bool // nothing has come for Settings.RequestBody
	closed  atomic.Bool // nobody wants it any more
}

// Read implements io.Reader. Nothing within Settings.RequestBody, or another
// length than announced, is a fault of the request; a reset is the end of it.
func (b *streamBody) Read(p []byte) (int, error) {
	if limit := b.x.set.RequestBody; limit > 0 {
		if b.timer == nil {
			b.timer = time.AfterFunc(limit, b.expire)
		} else {
			b.timer.Reset(limit)
		}
		defer b.timer.Stop()
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil, err == io.EOF, b.closed.Load():
	case b.st.lost():
		b.x.gone.Store(true)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		b.x.fault.CompareAndSwap(nil, errLength)
	case b.expired.Load():
		b.x.fault.CompareAndSwap(nil, handshake.ErrBodyTimeout)
	}
	return n, err
}

func (b *streamBody) expire() {
	b.expired.Store(true)
	b.st.mute()
}

// Close implements io.Closer.
func (b *streamBody) Close() error {
	b.closed.Store(true)
	return b.ReadCloser.Close()
}
