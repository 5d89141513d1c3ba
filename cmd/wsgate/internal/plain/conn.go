package plain

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"wsgate/handshake"
	"wsgate/splice/sys"
)

const (
	// lingerTime is how long a connection is read after the last answer, so
	// that the kernel does not answer late bytes with a RST that would destroy
	// the answer on its way (RFC 9112 9.6).
	lingerTime = 2 * time.Second
	// lingerMax bounds the connections that linger at a time.
	lingerMax = 256
)

// readState says what the next bytes of the client's stream are.
type readState uint8

const (
	atHead  readState = iota // a request head; net/http has answered everything before it
	inBody                   // the body of the request that was passed on last
	atEnd                    // the request was passed on whole; net/http has not answered yet
	leaving                  // an upgrade request; net/http is told that the stream has ended
	ended                    // nothing more is passed on
)

// conn is the net.Conn that net/http serves: a filter over the client's socket.
//
// net/http has at most one Read in progress, each on its own goroutine in
// turn, and calls Close when none is. What Read works with therefore needs no
// lock. Handlers look at the exchange only.
type conn struct {
	srv    *Server
	info   Conn
	file   *os.File // owns the descriptor from open on
	raw    syscall.RawConn
	ctx    context.Context // of every request; ends with the connection
	cancel context.CancelFunc

	state readState
	buf   []byte // buf[off:] is read from the client and not used up
	off   int
	out   []byte // the rest of head, which net/http has not taken yet
	head  []byte
	req   handshake.Request
	body  handshake.Body
	x     *exchange // the request that was passed on last
	path  []byte    // scratch for routing

	wrote      atomic.Bool // bytes have gone to the client
	unwritable atomic.Bool // a write to the client has failed
	cut        atomic.Bool // Close resets, because a FIN would look like the proper end of a response
	closed     atomic.Bool

	secure  bool       // behind TLS
	tlsLock sync.Mutex // guards info.TLS, which is nil once it has been ended

	deadlines
}

func newConn(s *Server, c Conn) *conn {
	f := &conn{srv: s, info: c, buf: c.Unread, secure: c.TLS != nil}
	f.info.Unread = nil
	ctx := context.WithValue(context.Background(), connKey{}, f)
	f.ctx, f.cancel = context.WithCancel(ctx)
	return f
}

// open gives the descriptor to the runtime's poller. On error it is closed.
func (c *conn) open() error {
	f := os.NewFile(uintptr(c.info.FD), "client")
	if f == nil {
		return errors.New("bad descriptor")
	}
	c.info.FD = -1
	// A descriptor that the poller does not take has no deadlines.
	if err := f.SetDeadline(time.Time{}); err != nil {
		f.Close()
		return err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return err
	}
	c.raw = raw
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	c.file = f
	c.draining = c.draining || c.srv.draining.Load()
	return c.applyLocked()
}

// pending returns what is read and not used up.
func (c *conn) pending() []byte { return c.buf[c.off:] }

// consume marks n pending bytes as used up.
func (c *conn) consume(n int) {
	c.off += n
	if c.off == len(c.buf) {
		c.buf, c.off = c.buf[:0], 0
		if cap(c.buf) > 4<<10 {
			c.buf = nil // what a large head or a pipelined burst has needed is not kept while idle
		}
	}
}

// Write implements net.Conn. A client that takes something within
// Settings.Send after every success is never too slow.
func (c *conn) Write(p []byte) (int, error) {
	limit := c.srv.opt.Current().Send
	done := 0
	for {
		if err := c.armWrite(limit); err != nil {
			c.unwritable.Store(true)
			return done, err
		}
		n, err := c.put(p[done:])
		if n > 0 {
			done += n
			c.wrote.Store(true)
		}
		if err == nil {
			return done, nil
		}
		if n > 0 && errors.Is(err, os.ErrDeadlineExceeded) && !c.isKilled() {
			continue
		}
		c.unwritable.Store(true)
		return done, err
	}
}

// Close implements net.Conn. It gives the connection back to a loop when the
// filter has found an upgrade request, and closes it otherwise. It may take
// lingerTime.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.cancel()
	if c.file == nil {
		c.endTLS(false)
		sys.Close(c.info.FD)
		c.info.FD = -1
		c.release()
		return nil
	}
	if c.state == leaving && !c.isKilled() && c.giveBack() {
		return nil
	}
	switch {
	case c.cut.Load():
		c.raw.Control(func(fd uintptr) { sys.SetReset(int(fd)) })
	case c.wrote.Load() && !c.isKilled() && c.moreToCome():
		c.linger()
	}
	c.endTLS(!c.cut.Load() && !c.isKilled())
	c.file.Close()
	c.release()
	return nil
}

func (c *conn) release() {
	c.srv.opt.Released(c.info)
	c.srv.forget(c)
}

// giveBack hands descriptor and unread bytes to a loop. What the kernel holds
// stays there. false: there is no descriptor to be had, and the client has
// been told so.
func (c *conn) giveBack() bool {
	fd, err := -1, error(nil)
	if e := c.raw.Control(func(old uintptr) { fd, err = sys.Dup(int(old)) }); e != nil {
		err = e
	}
	if err != nil {
		c.refuse(handshake.ErrNoResource)
		return false
	}
	c.file.Close()
	back := c.info // the TLS connection moves with it
	back.FD = fd
	back.Unread = c.pending()
	c.srv.opt.Return(back)
	c.srv.forget(c)
	return true
}

// moreToCome tells whether the client has sent something that nobody has read,
// or is about to.
func (c *conn) moreToCome() bool {
	if len(c.pending()) > 0 || c.state == inBody || c.state == ended {
		return true
	}
	n := 0
	c.raw.Control(func(fd uintptr) { n = sys.Unread(int(fd)) })
	return n > 0
}

// linger ends our direction and reads what the client still sends, so that the
// last answer arrives whole.
func (c *conn) linger() {
	if c.srv.lingering.Add(1) > lingerMax {
		c.srv.lingering.Add(-1)
		return
	}
	defer c.srv.lingering.Add(-1)
	c.CloseWrite()
	c.unmute()
	until := time.Now().Add(lingerTime)
	p := make([]byte, 4<<10)
	for {
		if _, err := c.read(p, until, false); err != nil {
			return
		}
	}
}

// CloseWrite sends a FIN. net/http asks for it before some of its closes.
func (c *conn) CloseWrite() error {
	out := sys.OK
	if err := c.raw.Control(func(fd uintptr) { out = c.shutdown(int(fd)) }); err != nil {
		return err
	}
	if out != sys.OK {
		return errGone
	}
	return nil
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return listenerAddr(c.info.Listener) }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr {
	if c.info.Peer.IsValid() {
		return net.TCPAddrFromAddrPort(c.info.Peer)
	}
	return &net.UnixAddr{Net: "unix"}
}

// listenerAddr is a listening address as it was configured.
type listenerAddr string

func (a listenerAddr) Network() string { return "tcp" }
func (a listenerAddr) String() string  { return string(a) }

// errGone is what Read returns when the client's stream has broken.
var errGone = &net.OpError{Op: "read", Net: "tcp", Err: io.ErrUnexpectedEOF}
