package plain

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
	"wsgate/handshake"
	"wsgate/splice"
	"wsgate/splice/sys"
)

// Conn is a client connection on its way between a loop and the Server.
// Whoever holds it owns the descriptor.
type Conn struct {
	ID       record.ID
	FD       int            // non-blocking socket; -1 in Released
	Unread   []byte         // read from FD and not used up, a request head first; owned by the receiver
	Peer     netip.AddrPort // invalid for a unix socket
	Listener string
	TLS      *splice.TLS // the TLS connection on FD, nil for none; moves with FD
	Info     *record.TLS // what is known about it
	Accepted time.Time
	Requests int // requests answered on this connection so far
}

// Settings is what a generation of the configuration says about plain HTTP.
// It is immutable; a request keeps the Settings it began under.
type Settings struct {
	Routes *route.Table
	Limits handshake.Limits

	RequestHead time.Duration // whole request head, from its first byte; 0 is no limit, here and below
	RequestBody time.Duration // between two reads of a request body
	Connect     time.Duration // one connect to an endpoint
	Response    time.Duration // from the whole request to the response head
	Send        time.Duration // between two successful writes to a client or an endpoint
	Keepalive   time.Duration // between two requests of a client connection

	// For WebSockets over HTTP/2; the loops have the same.
	Upgrade   time.Duration // from the whole request to the 101
	HalfClose time.Duration // from the end of one direction to the end of the session
	Close     time.Duration // from the gateway's Close to its answer
	Idle      time.Duration // without a byte in either direction; a route may have its own
	// Tunnels bounds the WebSockets over HTTP/2 at a time: each needs a
	// descriptor. 0 is no limit.
	Tunnels int

	// Trusted tells whether an address is a trusted proxy. nil trusts nobody.
	Trusted func(netip.Addr) bool
	// TCP options of connections to endpoints.
	TCP sys.TCPOptions
}

// Options of a Server. All of them must be set.
type Options struct {
	// Current returns the Settings in force. It is called for every request.
	Current func() *Settings
	// Return gives a connection back to a loop: Unread starts with the head of
	// an upgrade request. Ownership of the descriptor passes.
	Return func(Conn)
	// Released tells that a connection is gone and its descriptor closed. It is
	// called exactly once for each Serve, unless Return was called.
	Released func(Conn)
	Log      record.Log
	// Budget bounds the bytes that TLS connections hold.
	Budget *splice.Budget
	// Error takes lines for the operator: faults of the gateway itself.
	Error func(format string, args ...any)
}

// Server proxies plain HTTP for the connections handed to it. Its methods are
// safe for concurrent use.
type Server struct {
	opt    Options
	http   *http.Server
	proxy  *httputil.ReverseProxy
	up     *upstream
	tally  tally
	codecs codecs

	draining  atomic.Bool
	lingering atomic.Int64
	tunnels   atomic.Int64 // WebSockets over HTTP/2
	lastID    atomic.Uint64

	mu    sync.Mutex // guards what follows
	conns map[served]struct{}
	empty chan struct{} // closed when conns becomes empty; nil when nobody waits
}

type connKey struct{}

// New returns a Server. It runs nothing until Serve is called.
func New(o Options) *Server {
	s := &Server{opt: o, conns: make(map[served]struct{})}
	s.tally.init()
	s.codecs.budget = o.Budget
	s.up = newUpstream(s)
	s.proxy = &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      s.up,
		FlushInterval:  -1, // long polling and event streams: as they come
		ErrorLog:       log.New(io.Discard, "", 0),
		BufferPool:     new(copyBuffers),
		ModifyResponse: modifyResponse,
		ErrorHandler:   s.proxyFailed,
	}
	// The filter bounds heads and times everything, so net/http's own limits
	// are out of the way: it must never answer in words of its own.
	s.http = &http.Server{
		Handler:                      s,
		MaxHeaderBytes:               1 << 30,
		DisableGeneralOptionsHandler: true,
		Protocols:                    new(http.Protocols),
		ErrorLog:                     log.New(errorLines{s}, "", 0),
		ConnState: func(nc net.Conn, st http.ConnState) {
			if c, ok := nc.(*conn); ok && st == http.StateIdle {
				c.answered()
			}
		},
		BaseContext: func(l net.Listener) context.Context { return l.(*single).conn.ctx },
	}
	s.http.Protocols.SetHTTP1(true)
	return s
}

// errorLines passes net/http's complaints to the operator's log.
type errorLines struct{ s *Server }

func (e errorLines) Write(p []byte) (int, error) {
	e.s.opt.Error("plain http: %s", strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// Serve takes c over. It does not block. Later either Options.Return or
// Options.Released is called, exactly once. During and after Drain connections
// are still served, each for one request.
func (s *Server) Serve(c Conn) {
	f := newConn(s, c)
	if c.Info != nil && c.Info.Protocol == "h2" {
		arriving := new(arrival)
		s.mu.Lock()
		s.conns[arriving] = struct{}{}
		s.mu.Unlock()
		go func() {
			defer s.forget(arriving)
			s.serveSecure(f)
		}()
		return
	}
	s.mu.Lock()
	s.conns[f] = struct{}{}
	s.mu.Unlock()
	go func() {
		if err := f.open(); err != nil {
			s.opt.Error("plain http: connection %016x: %v", uint64(c.ID), err)
			f.Close()
			return
		}
		s.http.Serve(&single{conn: f})
	}()
}

// single is a listener that has one connection to give. It lets every
// connection enter net/http without a goroutine that accepts.
type single struct {
	conn  *conn
	given bool
}

func (l *single) Accept() (net.Conn, error) {
	if l.given {
		return nil, io.EOF
	}
	l.given = true
	return l.conn, nil
}

func (l *single) Close() error   { return nil }
func (l *single) Addr() net.Addr { return l.conn.LocalAddr() }

// served is a connection in the Server's hands, HTTP/1 or HTTP/2.
type served interface {
	drain() // close when idle, now or later
	kill()  // end at once
}

// forget removes a connection whose owner has been told: Drain returns after the
// last one.
func (s *Server) forget(c served) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// each calls f for every connection.
func (s *Server) each(f func(served)) {
	s.mu.Lock()
	all := make([]served, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		f(c)
	}
}

// Drain closes idle connections at once and lets requests in flight finish,
// each answered with Connection: close. An upgrade request that arrives
// meanwhile still goes back to a loop. When ctx ends first, everything left is
// cut and its error is returned. Idle connections to endpoints are closed.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	s.each(served.drain)
	defer s.up.transport.CloseIdleConnections()
	select {
	case <-s.gone():
		return nil
	case <-ctx.Done():
	}
	s.each(served.kill)
	<-s.gone()
	return ctx.Err()
}

// gone returns a channel that is closed when there is no connection.
func (s *Server) gone() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	return s.empty
}

// CloseIdleUpstream closes the connections to endpoints that no request uses.
func (s *Server) CloseIdleUpstream() { s.up.transport.CloseIdleConnections() }

// copyBuffers lends the buffers that response bodies are copied through.
type copyBuffers struct{ pool sync.Pool }

const copyBufferSize = 32 << 10

// Get implements httputil.BufferPool.
func (b *copyBuffers) Get() []byte {
	if p, ok := b.pool.Get().(*[copyBufferSize]byte); ok {
		return p[:]
	}
	return make([]byte, copyBufferSize)
}

// Put implements httputil.BufferPool.
func (b *copyBuffers) Put(p []byte) { b.pool.Put((*[copyBufferSize]byte)(p)) }
