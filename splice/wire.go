package splice

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// recordHeader is the length of a TLS record's header (RFC 8446 5.1).
const recordHeader = 5

// maxRecord is the longest record that a peer may send: TLS 1.2 allows 2,048
// bytes of expansion (RFC 5246 6.2.3), TLS 1.3 only 256.
const maxRecord = recordHeader + 16<<10 + 2<<10

// recordLen returns the length of the record that b begins with, 0 while its
// header is not whole.
func recordLen(b []byte) int {
	if len(b) < recordHeader {
		return 0
	}
	return recordHeader + int(b[3])<<8 + int(b[4])
}

// wholeRecord tells whether b begins with a whole record.
func wholeRecord(b []byte) bool {
	n := recordLen(b)
	return n > 0 && n <= len(b)
}

// Wire is the net.Conn below a tls.Conn that has no socket of its own. It gives
// one record at a time, so that the tls.Conn never holds bytes of a record that
// it has not asked for: when the handshake returns, everything behind it is
// still here.
//
// During the handshake the tls.Conn runs on a goroutine of its own: Read waits,
// after it has handed what there is to send to the function given to NewWire.
// Give, End and Fail are called by the owner of the socket. From Settle on
// nothing waits and everything belongs to the owner's goroutine.
type Wire struct {
	mu      sync.Mutex
	more    sync.Cond
	in      []byte
	left    int // bytes of the present record that are still to be read
	out     []byte
	ended   bool
	settled bool
	failed  error
	idle    func(out []byte) (resume func())
	local   net.Addr
	remote  net.Addr
}

// NewWire returns a Wire for a handshake. idle is called on the handshake's
// goroutine whenever that has to wait for the peer, with the bytes to be sent,
// which it may keep; the function that it returns is called before the
// handshake goes on.
func NewWire(local, remote net.Addr, idle func(out []byte) (resume func())) *Wire {
	w := &Wire{idle: idle, local: local, remote: remote}
	w.more.L = &w.mu
	return w
}

// Give appends bytes that came from the peer. p is copied.
func (w *Wire) Give(p []byte) {
	w.mu.Lock()
	w.in = append(w.in, p...)
	w.mu.Unlock()
	w.more.Signal()
}

// End notes the end of the peer's stream.
func (w *Wire) End() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.more.Signal()
}

// Fail ends the handshake with err, at the latest when it next waits.
func (w *Wire) Fail(err error) {
	w.mu.Lock()
	w.failed = err
	w.mu.Unlock()
	w.more.Signal()
}

// Settle ends the handshake: from here on nothing waits. It returns what is
// still to be sent.
func (w *Wire) Settle() (out []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settled = true
	w.idle = nil
	out, w.out = w.out, nil
	return out
}

// Rest returns the bytes that were given and not read.
func (w *Wire) Rest() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.in
	w.in = nil
	return in
}

// Read implements net.Conn.
func (w *Wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		switch {
		case w.failed != nil:
			return 0, w.failed
		case w.ready():
			n := min(len(p), w.left, len(w.in))
			copy(p, w.in[:n])
			w.in = w.in[n:]
			w.left -= n
			if len(w.in) == 0 {
				w.in = nil
			}
			return n, nil
		case w.settled:
			return 0, errAgain
		case w.ended:
			return 0, io.EOF
		}
		w.wait()
	}
}

// ready tells whether there is something to read: the rest of a record, a
// whole one, or one that is too long to wait for.
func (w *Wire) ready() bool {
	if w.left > 0 {
		return len(w.in) > 0
	}
	n := recordLen(w.in)
	if n == 0 || n > len(w.in) && n <= maxRecord {
		if w.ended && len(w.in) > 0 && !w.settled {
			w.left = len(w.in) // the tls.Conn finds out that it is cut
			return true
		}
		return false
	}
	w.left = n
	return true
}

// wait hands out what is to be sent and waits for the owner.
func (w *Wire) wait() {
	out := w.out
	w.out = nil
	w.mu.Unlock()
	resume := w.idle(out)
	w.mu.Lock()
	for w.failed == nil && !w.ended && !w.ready() {
		w.more.Wait()
	}
	w.mu.Unlock()
	resume()
	w.mu.Lock()
}

// Write implements net.Conn: it keeps p until the handshake waits, or until it
// is taken.
func (w *Wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.out = append(w.out, p...)
	w.mu.Unlock()
	return len(p), nil
}

// swapOut replaces what is to be sent.
func (w *Wire) swapOut(p []byte) (was []byte) {
	was, w.out = w.out, p
	return was
}

// Close implements net.Conn. The socket is its owner's.
func (w *Wire) Close() error { return nil }

// LocalAddr implements net.Conn.
func (w *Wire) LocalAddr() net.Addr { return w.local }

// RemoteAddr implements net.Conn. A tls.Conn keeps session tickets under it.
func (w *Wire) RemoteAddr() net.Addr { return w.remote }

// SetDeadline implements net.Conn; time limits are the owner's.
func (w *Wire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (w *Wire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (w *Wire) SetWriteDeadline(time.Time) error { return nil }

// errAgain is what a settled Wire answers without a whole record. crypto/tls
// keeps its state and may be asked again after an error that is temporary.
var errAgain net.Error = again{}

type again struct{}

func (again) Error() string   { return "no whole record" }
func (again) Timeout() bool   { return false }
func (again) Temporary() bool { return true }

// isAgain tells whether err comes from a settled Wire that has nothing.
func isAgain(err error) bool { return errors.Is(err, errAgain) }
