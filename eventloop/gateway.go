package eventloop

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudwego/netpoll"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
	"wsgate/handshake"
	"wsgate/splice"
	"wsgate/splice/sys"
)

// Timeouts of a generation. Sessions point at the Timeouts they were accepted
// under, so it is a small struct of its own and never changed.
type Timeouts struct {
	RequestHead time.Duration // whole request head, from accept or its first byte
	Connect     time.Duration // one connect
	Upgrade     time.Duration // from the whole request head to the 101, over all tries
	Response    time.Duration // between two reads of an answer that is passed on
	Send        time.Duration // between two successful writes to a peer that has bytes waiting
	Keepalive   time.Duration // between two requests of a connection
	HalfClose   time.Duration // from one side's FIN to the end of the session
	Close       time.Duration // for a frame boundary and the answer to the gateway's Close
	Idle        time.Duration // a relay without a byte in either direction; 0 is no limit
}

// Limits of a generation.
type Limits struct {
	Head        handshake.Limits // request and response heads
	Connections int              // client connections held at a time; 0 is no limit
	// Handshakes bounds the TLS handshakes in progress, and those of one
	// client address or endpoint; 0 is no limit. Above it the one that has
	// waited longest for its peer is closed.
	Handshakes           int
	HandshakesPerAddress int
}

// Generation is one immutable configuration as the loops see it.
type Generation struct {
	Routes   *route.Table
	Timeouts *Timeouts
	Limits   Limits
	// Trusted tells whether an address is a trusted proxy. It is called on the
	// loops' goroutines and must not block.
	Trusted func(netip.Addr) bool
	// TCP options of the connections to endpoints.
	TCP sys.TCPOptions
}

// Listener is an address to accept clients on.
type Listener struct {
	Address string       // "127.0.0.1:8080", "[::1]:8080" or "unix:/path"
	TLS     *ListenerTLS // nil: plain HTTP
	// Challenge answers an ACME http-01 request (RFC 8555 8.3) before anything
	// else is done with plain HTTP; nil, or ok=false, leaves it alone. It is
	// called on the loops' goroutines and must not block.
	Challenge func(host, path string) (body string, ok bool)
}

// Conn is a client connection on its way between a loop and the plain HTTP
// server. Whoever holds it owns the descriptor.
type Conn struct {
	ID       record.ID
	FD       int    // non-blocking
	Unread   []byte // read from FD and not used up; owned by the receiver
	Peer     netip.AddrPort
	Listener string
	TLS      *splice.TLS // the TLS connection on FD, nil for none; moves with FD
	Info     *record.TLS // what is known about it
	Accepted time.Time
	Requests int // requests answered on this connection so far
}

// Plain serves the connections that carry something else than an upgrade.
type Plain interface {
	// Serve takes c over. It is called on a loop's goroutine and must not
	// block. Later the owner calls either Gateway.Return or Gateway.Released,
	// exactly once.
	Serve(c Conn)
}

// Options of a Gateway. Listeners, Generation, Log, Plain and Errorf must be
// set.
type Options struct {
	Loops      int // event loops; 0 is one
	Listeners  []Listener
	Backlog    int            // of the listening sockets; 0 is 4096
	TCP        sys.TCPOptions // of client connections
	Generation *Generation
	Log        record.Log
	Plain      Plain
	Errorf     func(format string, args ...any) // an operator's log; safe for concurrent use
	Buffered   int64                            // limits.buffered in bytes; 0 is no limit
	Pipes      int                              // pipes a loop, two descriptors each
	IO         sys.IO                           // nil is sys.Kernel
}

// Gateway is a set of loops and what they share. Its methods are safe for
// concurrent use.
type Gateway struct {
	opt    Options
	gen    atomic.Pointer[Generation]
	budget *splice.Budget
	start  time.Time
	idBase uint64

	loops    []*Loop
	events   []netpoll.EventLoop
	serving  sync.WaitGroup
	conns    atomic.Int64 // client connections held, here and in the plain server
	draining atomic.Bool
	stopped  atomic.Bool
	shedding atomic.Bool
	next     atomic.Uint32
	addrs    []string

	computing chan struct{} // a token for each TLS handshake that computes
	drops     sync.Mutex    // guards codec
	codec     *splice.Codec // for connections that no loop takes any more
}

// pollers counts the netpoll pollers asked for so far: they belong to the
// process, so that several gateways (in tests) must not shrink them.
var pollers struct {
	sync.Mutex
	n int
}

// New opens the listening sockets and prepares the loops. Nothing is accepted
// before Start.
func New(o Options) (*Gateway, error) {
	if o.Loops < 1 {
		o.Loops = 1
	}
	if o.Backlog <= 0 {
		o.Backlog = 4096
	}
	if o.IO == nil {
		o.IO = sys.Kernel{}
	}
	now := time.Now()
	g := &Gateway{
		opt:    o,
		budget: splice.NewBudget(o.Buffered),
		start:  now,
		idBase: uint64(now.UnixNano()),

		computing: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	g.codec = splice.NewCodec(o.IO, g.budget, 1)
	g.gen.Store(o.Generation)
	for i := range o.Loops {
		l, err := newLoop(g, i)
		if err != nil {
			g.discard()
			return nil, err
		}
		g.loops = append(g.loops, l)
	}
	for _, ln := range o.Listeners {
		if err := g.listen(ln); err != nil {
			g.discard()
			return nil, err
		}
	}
	return g, nil
}

// discard releases what New has made.
func (g *Gateway) discard() {
	for _, l := range g.loops {
		l.teardown()
		sys.Close(l.epfd)
	}
}

// Start serves each Loop on a netpoll event loop of its own.
func (g *Gateway) Start() error {
	pollers.Lock()
	defer pollers.Unlock()
	if n := len(g.loops); n > pollers.n {
		// netpoll deals listeners to pollers round robin, one poller for every
		// twenty processors unless it is told otherwise.
		if err := netpoll.Configure(netpoll.Config{PollerNum: n}); err != nil {
			return fmt.Errorf("netpoll: %w", err)
		}
		pollers.n = n
	}
	for _, l := range g.loops {
		ev, err := netpoll.NewEventLoop(func(context.Context, netpoll.Connection) error { return nil })
		if err != nil {
			return fmt.Errorf("netpoll: %w", err)
		}
		g.events = append(g.events, ev)
		g.serving.Add(1)
		go func() {
			defer g.serving.Done()
			if err := ev.Serve(l); err != nil && !g.stopped.Load() {
				g.opt.Errorf("event loop %d: %v", l.index, err)
			}
		}()
		l.wake()
	}
	return nil
}

// Addrs returns the bound addresses, in the order of Options.Listeners.
func (g *Gateway) Addrs() []string { return g.addrs }

// Loops returns the number of loops.
func (g *Gateway) Loops() int { return len(g.loops) }

// Current returns the generation in force.
func (g *Gateway) Current() *Generation { return g.gen.Load() }

// Draining tells whether Drain has been called.
func (g *Gateway) Draining() bool { return g.draining.Load() }

// Connections returns the client connections held, those lent to the plain
// HTTP server included.
func (g *Gateway) Connections() int64 { return g.conns.Load() }

// errStopped is returned by calls that need the loops after Close.
var errStopped = errors.New("event loops have stopped")

// Snapshot returns the sum of all loops' counters, each copied on its loop's
// goroutine. It fails when a loop does not answer before ctx is done.
func (g *Gateway) Snapshot(ctx context.Context) (*record.Counters, error) {
	parts := make(chan *record.Counters, len(g.loops))
	for _, l := range g.loops {
		if !l.post(func() { parts <- l.snapshot() }) {
			return nil, errStopped
		}
	}
	sum := record.NewCounters()
	for range g.loops {
		select {
		case c := <-parts:
			sum.Add(c)
		case <-ctx.Done():
			return nil, fmt.Errorf("a loop did not answer: %w", ctx.Err())
		}
	}
	return sum, nil
}

// Return gives a connection back to a loop, with an upgrade request in front
// of its unread bytes. Ownership passes.
func (g *Gateway) Return(c Conn) {
	l := g.loops[int(g.next.Add(1))%len(g.loops)]
	if !l.post(func() { l.adopt(c) }) {
		if c.TLS != nil {
			g.dropTLS(c.TLS)
		}
		sys.Close(c.FD)
		g.conns.Add(-1)
	}
}

// dropTLS ends a TLS connection that no loop takes.
func (g *Gateway) dropTLS(t *splice.TLS) {
	g.drops.Lock()
	defer g.drops.Unlock()
	g.codec.Release(t)
}

// Budget returns the bound on buffered bytes that the loops share
// (limits.buffered): TLS connections lent to the plain HTTP server stay under
// it.
func (g *Gateway) Budget() *splice.Budget { return g.budget }

// Released notes that a connection lent to the plain HTTP server is gone.
func (g *Gateway) Released() { g.conns.Add(-1) }

// Drain stops accepting, after what waits in the listening queues has been
// accepted, and closes every session politely with 1001. It returns when the
// last one is gone; when ctx is done it ends the rest and returns the context's
// error. Connections at the plain HTTP server are not its business.
func (g *Gateway) Drain(ctx context.Context) error {
	g.draining.Store(true)
	idle := make(chan struct{}, len(g.loops))
	waiting := 0
	for _, l := range g.loops {
		if l.post(func() { l.beginDrain(idle) }) {
			waiting++
		}
	}
	for range waiting {
		select {
		case <-idle:
		case <-ctx.Done():
			g.killAll()
			return ctx.Err()
		}
	}
	return nil
}

// killAll ends every session at once and waits for the loops to have done so.
func (g *Gateway) killAll() {
	var done sync.WaitGroup
	for _, l := range g.loops {
		done.Add(1)
		if !l.post(func() { defer done.Done(); l.killAll() }) {
			done.Done()
		}
	}
	done.Wait()
}

// Close ends what is left, tears every loop down inside a turn of its own and
// then takes it from its netpoll event loop.
func (g *Gateway) Close() {
	if g.stopped.Swap(true) {
		return
	}
	if len(g.events) == 0 {
		g.discard()
		return
	}
	var down sync.WaitGroup
	for _, l := range g.loops {
		down.Add(1)
		if !l.post(func() { defer down.Done(); l.killAll(); l.teardown() }) {
			down.Done()
		}
	}
	down.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for i, ev := range g.events {
		if err := ev.Shutdown(ctx); err != nil {
			g.opt.Errorf("event loop %d: shutdown: %v", i, err)
		}
	}
	g.serving.Wait()
}
