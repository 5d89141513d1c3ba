package plain

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// h2Frame is the largest frame taken: the least that RFC 9113 6.5.2 allows,
	// which bounds the buffer that a connection reads frames into.
	h2Frame = 16 << 10
	// h2Streams is how many streams a client may have open (RFC 9113 6.5.2), and
	// how many handlers run for it.
	h2Streams = 250
	// h2StreamWindow and h2ConnWindow are what a client may send before a handler
	// has read it: the memory that one stream, and one connection, can hold.
	h2StreamWindow = 256 << 10
	h2ConnWindow   = 1 << 20
	// h2PingAfter is how long a connection may be silent before it is asked
	// whether it lives, h2PingWait how long it may take to say so.
	h2PingAfter = 2 * time.Minute
	h2PingWait  = 15 * time.Second
	// h2LateIdle is how long a connection that comes while the gateway drains
	// may take to ask for something.
	h2LateIdle = time.Second
	// h2HeadRoom is how much larger than our own limit a header list may be for
	// the refusal to be ours: net/http answers above it, without a record.
	h2HeadRoom = 4
)

// h2conn is a client's HTTP/2 connection. It has an http.Server of its own, so
// that it lives under the Settings it began with and can be told alone to go
// away (RFC 9113 6.8); that costs some 2 KB beside the rest.
type h2conn struct {
	srv    *Server
	info   Conn
	wire   *meter
	http   *http.Server  // set before accepted is
	closed chan struct{} // net/http has let go of the connection, which is closed

	mu       sync.Mutex
	idle     *sync.Cond // handlers has become 0
	handlers int
	accepted bool // net/http has taken the connection and will close it
	over     bool // no handler may begin
	draining bool
	killed   bool
	tunnels  map[*tunnel]struct{}
}

// serveH2 serves a client's HTTP/2 connection until it is over and calls
// Options.Released then. It owns nc, which carries plain text: TLS, if any, is
// undone below it. info is what the loop knew of the connection; its FD must be
// -1. The connection takes part in Drain like those of HTTP/1: it gets a
// GOAWAY, what is in flight finishes, what outlasts the deadline is cut.
func (s *Server) serveH2(nc net.Conn, info Conn) {
	c := &h2conn{srv: s, info: info, closed: make(chan struct{}), tunnels: make(map[*tunnel]struct{})}
	c.idle = sync.NewCond(&c.mu)
	c.wire = newMeter(nc, c)
	s.mu.Lock()
	s.conns[c] = struct{}{}
	late := s.draining.Load()
	s.mu.Unlock()
	h := c.server(s.opt.Current(), late)
	h.Serve(&oneConn{conn: c.wire})
	<-c.closed
	c.wait()
	s.opt.Released(c.info)
	s.forget(c)
}

// server is net/http's side of the connection: HTTP/2 with prior knowledge and
// nothing else, since ALPN has settled that.
//
// A late connection, one that comes while the gateway drains, is served what it
// asks for at once: its first response says GOAWAY.
func (c *h2conn) server(set *Settings, late bool) *http.Server {
	head := set.Limits.Head
	if head <= 0 {
		head = 16 << 10
	}
	h := &http.Server{
		Handler:           c,
		MaxHeaderBytes:    h2HeadRoom * head,
		ReadHeaderTimeout: set.RequestHead, // of the preface
		IdleTimeout:       set.Keepalive,
		Protocols:         new(http.Protocols),
		ErrorLog:          log.New(h2ErrorLines{c.srv}, "", 0),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          h2Streams,
			MaxReadFrameSize:              h2Frame,
			MaxReceiveBufferPerConnection: h2ConnWindow,
			MaxReceiveBufferPerStream:     h2StreamWindow,
			SendPingTimeout:               h2PingAfter,
			PingTimeout:                   h2PingWait,
			WriteByteTimeout:              set.Send,
			CountError:                    c.srv.tally.h2Error,
		},
		// A connection that is told to go away before its preface has been read
		// has not heard it.
		ConnState: func(_ net.Conn, st http.ConnState) {
			switch {
			case st == http.StateClosed:
				close(c.closed)
			case st == http.StateIdle && c.isDraining():
				go c.goAway()
			}
		},
	}
	h.Protocols.SetUnencryptedHTTP2(true)
	if late && (h.IdleTimeout == 0 || h.IdleTimeout > h2LateIdle) {
		h.IdleTimeout = h2LateIdle
	}
	c.http = h
	return h
}

// h2ErrorLines passes panics on to the operator's log and drops the rest: what
// clients do wrong is counted.
type h2ErrorLines struct{ s *Server }

func (e h2ErrorLines) Write(p []byte) (int, error) {
	if line := string(p); strings.Contains(line, "panic") {
		e.s.opt.Error("http/2: %s", strings.TrimRight(line, "\n"))
	}
	return len(p), nil
}

// oneConn is a listener that has one connection to give.
type oneConn struct {
	conn  *meter
	given bool
}

// Accept implements net.Listener. From the first call on the server can be
// told to go away without closing the connection before it has begun.
func (l *oneConn) Accept() (net.Conn, error) {
	if l.given {
		return nil, io.EOF
	}
	l.given = true
	c := l.conn.c
	c.mu.Lock()
	c.accepted = true
	c.mu.Unlock()
	return l.conn, nil
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// begin counts a handler. false: the connection is over.
func (c *h2conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	c.handlers++
	c.info.Requests++
	return true
}

func (c *h2conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handlers--; c.handlers == 0 {
		c.idle.Broadcast()
	}
}

// wait returns when no handler runs and none can begin. The connection is
// closed, so that all of them have been cancelled.
func (c *h2conn) wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for c.handlers > 0 {
		c.idle.Wait()
	}
}

// drain implements served.
func (c *h2conn) drain() {
	c.mu.Lock()
	c.draining = true
	open := make([]*tunnel, 0, len(c.tunnels))
	for t := range c.tunnels {
		open = append(open, t)
	}
	c.mu.Unlock()
	c.goAway()
	for _, t := range open {
		t.drain()
	}
}

// goAway sends a GOAWAY when the preface has been read. net/http does so when
// its server is shut down, and the connection closes behind the last stream.
func (c *h2conn) goAway() {
	c.mu.Lock()
	accepted := c.accepted
	c.mu.Unlock()
	if !accepted {
		return
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	c.http.Shutdown(now)
}

func (c *h2conn) isDraining() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}

// kill implements served.
func (c *h2conn) kill() {
	c.mu.Lock()
	c.killed = true
	c.mu.Unlock()
	c.wire.Close()
}

func (c *h2conn) isKilled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.killed
}

// addTunnel lets drain find t. true: the connection is draining already.
func (c *h2conn) addTunnel(t *tunnel) (draining bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tunnels[t] = struct{}{}
	return c.draining
}

func (c *h2conn) removeTunnel(t *tunnel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.tunnels, t)
}
