package plain

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
	"wsgate/handshake"
	"wsgate/lb"
	"wsgate/splice/frame"
	"wsgate/splice/sys"
)

// patience bounds every wait of a test; nothing that works comes near it.
const patience = 20 * time.Second

// world is a Server with a front that hands it connections as a loop would.
type world struct {
	t        *testing.T
	srv      *Server
	addr     string
	set      atomic.Pointer[Settings]
	returned chan Conn
	log      *recorder
	served   atomic.Int64
	over     atomic.Int64 // Released and Return calls
	accept   sync.WaitGroup
	ln       net.Listener
}

// newWorld routes everything to one pool of the given addresses. change may
// adjust route and settings.
func newWorld(t *testing.T, change func(*route.Route, *Settings), addresses ...string) *world {
	t.Helper()
	w := &world{t: t, returned: make(chan Conn, 64), log: &recorder{t: t, requests: make(chan record.Request, 4096), opens: make(chan record.Open, 64), closes: make(chan record.Close, 64)}}
	r := &route.Route{Name: "*/", Host: "*", Path: "/", Pool: pool(t, "app", addresses...), Frames: frame.Observe}
	s := &Settings{
		Limits:      handshake.Limits{Line: 8 << 10, Head: 16 << 10},
		RequestHead: patience, RequestBody: patience, Connect: patience, Response: patience,
		Send: patience, Keepalive: patience,
		Upgrade: patience, HalfClose: patience, Close: patience, Idle: patience,
	}
	if change != nil {
		change(r, s)
	}
	if s.Routes == nil {
		table, err := route.NewTable([]*route.Route{r})
		if err != nil {
			t.Fatal(err)
		}
		s.Routes = table
	}
	w.set.Store(s)
	w.srv = New(Options{
		Current:  func() *Settings { return w.set.Load() },
		Return:   func(c Conn) { w.over.Add(1); w.returned <- c },
		Released: func(Conn) { w.over.Add(1) },
		Log:      w.log,
		Error:    func(format string, args ...any) { t.Errorf("error log: "+format, args...) },
	})
	w.listen("tcp", "127.0.0.1:0")
	t.Cleanup(w.close)
	return w
}

func (w *world) listen(network, address string) {
	ln, err := net.Listen(network, address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.ln, w.addr = ln, ln.Addr().String()
	w.accept.Add(1)
	go func() {
		defer w.accept.Done()
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			w.hand(c, nil)
		}
	}()
}

// hand gives c to the server with bytes that were read from it already.
func (w *world) hand(c net.Conn, unread []byte) {
	fd := -1
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		w.t.Error(err)
		return
	}
	raw.Control(func(old uintptr) { fd, err = sys.Dup(int(old)) })
	if err != nil {
		w.t.Error(err)
	}
	peer := netip.AddrPort{}
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		peer = a.AddrPort()
	}
	c.Close()
	w.served.Add(1)
	w.srv.Serve(Conn{ID: 7, FD: fd, Unread: unread, Peer: peer, Listener: w.addr, Accepted: time.Now()})
}

func (w *world) close() {
	w.ln.Close()
	w.accept.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	w.srv.Drain(ctx)
	if s, o := w.served.Load(), w.over.Load(); s != o {
		w.t.Errorf("%d connections served, %d given back or released", s, o)
	}
	for {
		select {
		case c := <-w.returned:
			sys.Close(c.FD)
			continue
		default:
		}
		return
	}
}

// pool builds a round robin pool of weight 1.
func pool(t *testing.T, name string, addresses ...string) *lb.Pool {
	t.Helper()
	reg := lb.NewRegistry()
	var members []lb.Member
	for _, a := range addresses {
		ep, err := reg.Endpoint(name, a, func() (any, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, lb.Member{Endpoint: ep, Weight: 1})
	}
	p, err := lb.NewPool(name, "round_robin", members)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, m := range p.Members {
			if n := m.Endpoint.Open(); n != 0 {
				t.Errorf("%s: %d leases left", m.Endpoint.Address, n)
			}
		}
	})
	return p
}

// recorder keeps the records of requests.
type recorder struct {
	t        *testing.T
	requests chan record.Request
	opens    chan record.Open
	closes   chan record.Close
}

func (r *recorder) Open(o *record.Open) {
	c := *o
	for _, p := range []*[]byte{&c.Host, &c.Target, &c.Origin, &c.UserAgent, &c.Subprotocol, &c.Extensions} {
		*p = bytes.Clone(*p)
	}
	r.opens <- c
}

func (r *recorder) Close(o *record.Close) {
	c := *o
	c.Reason = bytes.Clone(c.Reason)
	r.closes <- c
}

func (r *recorder) Request(q *record.Request) {
	c := *q
	for _, p := range []*[]byte{&c.Method, &c.Host, &c.Target, &c.Origin, &c.UserAgent} {
		*p = bytes.Clone(*p)
	}
	r.requests <- c
}

// next returns the next record.
func (r *recorder) next() record.Request {
	r.t.Helper()
	select {
	case q := <-r.requests:
		return q
	case <-time.After(patience):
		r.t.Fatal("no record")
		panic("unreachable")
	}
}

// client is a connection that speaks as the test tells it.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (w *world) dial() *client {
	w.t.Helper()
	c, err := net.Dial(w.ln.Addr().Network(), w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	w.t.Cleanup(func() { c.Close() })
	return &client{t: w.t, Conn: c, r: bufio.NewReader(c)}
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Fatal(err)
	}
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

// read reads one final response to a request of the given method.
func (c *client) read(method string) answer {
	c.t.Helper()
	for {
		res, err := http.ReadResponse(c.r, &http.Request{Method: method})
		if err != nil {
			c.t.Fatalf("reading the response: %v", err)
		}
		b, err := io.ReadAll(res.Body)
		if err != nil {
			c.t.Fatalf("reading the body: %v", err)
		}
		if res.StatusCode >= 200 {
			return answer{res, string(b)}
		}
	}
}

func (c *client) do(request string) answer {
	c.t.Helper()
	c.send(request)
	method, _, _ := strings.Cut(request, " ")
	return c.read(method)
}

// wantEnd fails unless the gateway has closed the connection with nothing more.
func (c *client) wantEnd() {
	c.t.Helper()
	b, err := io.ReadAll(c.r)
	if len(b) > 0 {
		c.t.Errorf("unexpected bytes at the end: %q", b)
	}
	if err != nil {
		c.t.Errorf("end of the connection: %v", err)
	}
}

func (a answer) want(t *testing.T, status int, body string) {
	t.Helper()
	if a.StatusCode != status || a.body != body {
		t.Errorf("got %d %q, want %d %q", a.StatusCode, a.body, status, body)
	}
}

// backend serves handler and returns the address.
func backend(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, ln, handler)
	return ln.Addr().String()
}

func serveOn(t *testing.T, ln net.Listener, handler http.HandlerFunc) {
	srv := &http.Server{Handler: handler, DisableGeneralOptionsHandler: true}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(ln)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
}

// rawBackend calls serve for every connection and records what arrives.
type rawBackend struct {
	addr string
	mu   sync.Mutex
	all  []*bytes.Buffer
}

type tap struct {
	net.Conn
	b   *rawBackend
	buf *bytes.Buffer
}

func (p tap) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.b.mu.Lock()
	p.buf.Write(b[:n])
	p.b.mu.Unlock()
	return n, err
}

func newRawBackend(t *testing.T, serve func(net.Conn)) *rawBackend {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &rawBackend{addr: ln.Addr().String()}
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Add(1)
	go func() {
		defer all.Done()
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			p := tap{c, b, new(bytes.Buffer)}
			b.mu.Lock()
			b.all = append(b.all, p.buf)
			b.mu.Unlock()
			all.Add(1)
			go func() {
				defer all.Done()
				defer c.Close()
				serve(p)
			}()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return b
}

// received returns the bytes of every connection.
func (b *rawBackend) received() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s []string
	for _, buf := range b.all {
		s = append(s, buf.String())
	}
	return s
}

// refusing returns an address that nobody listens on: bound, so that no other
// socket of the test gets it.
func refusing(t *testing.T) string {
	t.Helper()
	fd, addr := bound(t)
	t.Cleanup(func() { unix.Close(fd) })
	return addr
}

// bound returns a TCP socket with an address of its own.
func bound(t *testing.T) (fd int, addr string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	in := sa.(*unix.SockaddrInet4)
	return fd, netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port)).String()
}

func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "plain")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
