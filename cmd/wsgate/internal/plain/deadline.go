package plain

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

var (
	// errExpired: a time limit of the gateway has passed.
	errExpired = errors.New("time limit passed")
	// errStopped: the gateway reads nothing more from this client.
	errStopped = errors.New("reading stopped")

	past = time.Unix(1, 0)
)

// deadlines joins what two parties want of the socket's read deadline: net/http
// sets one in the past to get its pending Read back, the filter has time limits
// of its own. A Read that ends by deadline asks whose it was.
type deadlines struct {
	sync.Mutex
	http     time.Time // as net/http set it
	own      time.Time // of the read in progress
	waiting  bool      // the read in progress waits for the first byte of a request
	draining bool      // idle connections close
	muted    bool      // the request's body is not read any further
	killed   bool      // everything is over
}

// applyLocked sets the socket's deadlines to what is wanted now.
func (c *conn) applyLocked() error {
	if c.file == nil {
		return nil
	}
	if c.killed {
		return c.file.SetDeadline(past)
	}
	d := c.own
	if !c.http.IsZero() && (d.IsZero() || c.http.Before(d)) {
		d = c.http
	}
	if c.muted || c.waiting && c.draining {
		d = past
	}
	return c.file.SetReadDeadline(d)
}

// SetReadDeadline implements net.Conn for net/http.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	c.http = t
	return c.applyLocked()
}

// SetWriteDeadline implements net.Conn. The filter times writes itself;
// net/http only ever clears the deadline.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// arm sets the time limit of the read that follows. The zero time is none.
func (c *conn) arm(own time.Time, waiting bool) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	c.own, c.waiting = own, waiting
	return c.applyLocked()
}

// armWrite sets the time limit of the write that follows. 0 is none.
func (c *conn) armWrite(d time.Duration) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if c.killed {
		return errStopped
	}
	if d <= 0 {
		return c.file.SetWriteDeadline(time.Time{})
	}
	return c.file.SetWriteDeadline(time.Now().Add(d))
}

// verdict tells whose deadline ended a read: errStopped, errExpired,
// os.ErrDeadlineExceeded for net/http's, or nil when it has been moved since.
func (c *conn) verdict() error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	now := time.Now()
	switch {
	case c.killed, c.muted, c.waiting && c.draining:
		return errStopped
	case !c.http.IsZero() && !c.http.After(now):
		return os.ErrDeadlineExceeded
	case !c.own.IsZero() && !c.own.After(now):
		return errExpired
	}
	return nil
}

// read reads from the socket until own. Its error is io.EOF, errGone,
// errExpired, errStopped or os.ErrDeadlineExceeded.
func (c *conn) read(p []byte, own time.Time, waiting bool) (int, error) {
	for {
		if err := c.arm(own, waiting); err != nil {
			return 0, errGone
		}
		n, err := c.take(p)
		switch {
		case n > 0:
			return n, nil
		case err == io.EOF:
			return 0, io.EOF
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return 0, errGone
		}
		if err := c.verdict(); err != nil {
			return 0, err
		}
	}
}

// drain closes the connection if it is idle now, or as soon as it is.
func (c *conn) drain() {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	c.draining = true
	c.applyLocked()
}

// mute ends the read in progress, and every later one, of a request's body
// that nobody wants any more. The connection ends after the response.
func (c *conn) mute() {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	c.muted = true
	c.applyLocked()
}

// unmute lets linger read.
func (c *conn) unmute() {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	c.muted, c.http = false, time.Time{}
}

// kill ends the connection: reads and writes fail, requests are cancelled.
func (c *conn) kill() {
	c.deadlines.Lock()
	c.killed = true
	c.applyLocked()
	c.deadlines.Unlock()
	c.cancel()
}

func (c *conn) isKilled() bool {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	return c.killed
}

// after returns the time d from now; the zero time for a limit of 0.
func after(d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}
