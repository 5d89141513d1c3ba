package eventloop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
	"wsgate/handshake"
	"wsgate/lb"
	"wsgate/splice/frame"
	"wsgate/splice/sys"
)

// rig is a gateway on loopback with what it logs.
type rig struct {
	*Gateway
	t      testing.TB
	log    *memoryLog
	plain  *plainStub
	route  *route.Route
	secure bool
}

type rigOptions struct {
	loops    int
	mode     frame.Mode
	limit    int64
	buffered int64
	conns    int
	timeouts func(*Timeouts)
	io       sys.IO
	tcp      sys.TCPOptions // of connections to endpoints
	secure   *ListenerTLS
	upstream *tls.Config
	shakes   int // limits.handshakes
}

func testTimeouts() *Timeouts {
	return &Timeouts{
		RequestHead: 5 * time.Second, Connect: 2 * time.Second, Upgrade: 5 * time.Second,
		Response: 5 * time.Second, Send: 10 * time.Second, Keepalive: 5 * time.Second,
		HalfClose: 3 * time.Second, Close: 2 * time.Second, Idle: time.Hour,
	}
}

// newRig starts a gateway in front of the given endpoints and ends it with the
// test; descriptors and counters have to return to where they were.
func newRig(t testing.TB, o rigOptions, endpoints ...string) *rig {
	t.Helper()
	before := descriptors(t)
	registry := lb.NewRegistry()
	var members []lb.Member
	for _, e := range endpoints {
		ep, err := registry.Endpoint("chat", e, func() (any, error) {
			a, err := sys.ParseAddr(e)
			return &a, err
		})
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, lb.Member{Endpoint: ep, Weight: 1})
	}
	pool, err := lb.NewPool("chat", "round_robin", members)
	if err != nil {
		t.Fatal(err)
	}
	if o.upstream != nil {
		pool.TLS = func(address string) *tls.Config {
			c := o.upstream.Clone()
			c.ServerName, _, _ = net.SplitHostPort(address)
			return c
		}
	}
	r := &route.Route{Name: "*/", Host: "*", Path: "/", Pool: pool, Frames: o.mode, MaxMessage: o.limit}
	table, err := route.NewTable([]*route.Route{r})
	if err != nil {
		t.Fatal(err)
	}
	times := testTimeouts()
	if o.timeouts != nil {
		o.timeouts(times)
	}
	rg := &rig{t: t, log: &memoryLog{}, plain: &plainStub{}, route: r, secure: o.secure != nil}
	rg.Gateway, err = New(Options{
		Loops:     max(o.loops, 1),
		Listeners: []Listener{{Address: "127.0.0.1:0", TLS: o.secure}},
		Generation: &Generation{
			Routes: table, Timeouts: times,
			Limits: Limits{
				Head:        handshake.Limits{Line: 16 << 10, Head: 16 << 10, Fields: 100},
				Connections: o.conns,
				Handshakes:  o.shakes,
			},
			Trusted: func(netip.Addr) bool { return false },
			TCP:     o.tcp,
		},
		Log: rg.log, Plain: rg.plain, Pipes: 2, Buffered: o.buffered, IO: o.io,
		Errorf: func(f string, a ...any) { rg.log.fault(fmt.Sprintf(f, a...)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	rg.plain.gateway = rg.Gateway
	if err := rg.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		rg.Drain(ctx)
		if n := rg.Connections(); n != 0 {
			t.Errorf("%d connections are still counted", n)
		}
		rg.Close()
		for _, ep := range registry.All() {
			if ep.Open() != 0 {
				t.Errorf("endpoint %s still has %d leases", ep.Address, ep.Open())
			}
		}
		eventually(t, "descriptors return", func() bool { return descriptors(t) <= before })
	})
	return rg
}

func descriptors(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range names {
		if to, err := os.Readlink("/proc/self/fd/" + d.Name()); err == nil && strings.HasPrefix(to, "socket:") || strings.HasPrefix(to, "pipe:") {
			n++
		}
	}
	return n
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Errorf("in vain: %s", what)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// memoryLog keeps the records.
type memoryLog struct {
	sync.Mutex
	opened   int
	closes   []record.Close
	requests []record.Request
	faults   []string
}

func (l *memoryLog) Open(*record.Open) { l.Lock(); l.opened++; l.Unlock() }

func (l *memoryLog) Close(c *record.Close) {
	l.Lock()
	defer l.Unlock()
	kept := *c
	kept.Reason = bytes.Clone(c.Reason)
	l.closes = append(l.closes, kept)
}

func (l *memoryLog) Request(r *record.Request) {
	l.Lock()
	defer l.Unlock()
	l.requests = append(l.requests, record.Request{Status: r.Status, Refusal: r.Refusal, Who: r.Who, Phase: r.Phase, Tries: r.Tries})
}

func (l *memoryLog) fault(s string) { l.Lock(); l.faults = append(l.faults, s); l.Unlock() }

// lastClose waits for n close records and returns the last.
func (rg *rig) lastClose(n int) record.Close {
	rg.t.Helper()
	var c record.Close
	eventually(rg.t, fmt.Sprintf("%d close records", n), func() bool {
		rg.log.Lock()
		defer rg.log.Unlock()
		if len(rg.log.closes) < n {
			return false
		}
		c = rg.log.closes[n-1]
		return true
	})
	return c
}

// plainStub answers every plain request itself and closes.
type plainStub struct {
	gateway *Gateway
	served  atomic.Int32
}

func (p *plainStub) Serve(c Conn) {
	p.served.Add(1)
	go func() {
		sys.Kernel{}.Write(c.FD, []byte("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"), false)
		sys.Close(c.FD)
		p.gateway.Released()
	}()
}

// backend accepts WebSockets and gives each to serve.
func backend(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	return rawBackend(t, func(c net.Conn) {
		if _, err := ws.Upgrade(c); err == nil {
			serve(c)
		}
	})
}

func rawBackend(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				defer c.Close()
				c.SetDeadline(time.Now().Add(30 * time.Second))
				serve(c)
			}()
		}
	}()
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

// echo answers every message until the Close, which it answers, too.
func echo(c net.Conn) {
	for {
		data, op, err := wsutil.ReadClientData(c)
		if err != nil || wsutil.WriteServerMessage(c, op, data) != nil {
			return
		}
	}
}

func (rg *rig) dial() net.Conn {
	rg.t.Helper()
	c, br, _, err := ws.Dialer{Timeout: 10 * time.Second}.Dial(context.Background(), "ws://"+rg.Addrs()[0]+"/chat")
	if err != nil {
		rg.t.Fatal(err)
	}
	rg.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if br != nil {
		return &bufferedConn{c, br}
	}
	return c
}

type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// readFrame reads one frame of at most a megabyte.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil {
		return f, err
	}
	if f.Header.Length > 1<<20 {
		return f, fmt.Errorf("a frame of %d bytes", f.Header.Length)
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

// readClose reads up to the Close frame and returns its code.
func readClose(t *testing.T, c net.Conn) ws.StatusCode {
	t.Helper()
	for {
		f, err := readFrame(c)
		if err != nil {
			t.Errorf("no Close came: %v", err)
			return 0
		}
		if f.Header.OpCode == ws.OpClose {
			f = ws.UnmaskFrameInPlace(f)
			code, _ := ws.ParseCloseFrameData(f.Payload)
			return code
		}
	}
}
