package eventloop

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/goleak"

	"wsgate/eventloop/record"
	"wsgate/splice/frame"
	"wsgate/splice/sys"
)

// TestMain fails the run on a goroutine that outlives it; netpoll's pollers
// belong to the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/cloudwego/netpoll.(*defaultPoll).Wait"))
}

func TestEchoOverLoops(t *testing.T) {
	rg := newRig(t, rigOptions{loops: 2}, backend(t, echo), backend(t, echo))
	var wg sync.WaitGroup
	for i := range 40 {
		c := rg.dial()
		wg.Add(1)
		go func() {
			defer wg.Done()
			for _, size := range []int{0, 1, 125, 126, 4000, 70_000, 400_000} {
				msg := bytes.Repeat([]byte{byte(i)}, size)
				if err := wsutil.WriteClientBinary(c, msg); err != nil {
					t.Errorf("write: %v", err)
					return
				}
				got, err := wsutil.ReadServerBinary(c)
				if err != nil || !bytes.Equal(got, msg) {
					t.Errorf("%d bytes came back, want %d: %v", len(got), size, err)
					return
				}
			}
			ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "bye"))))
			if code := readClose(t, c); code != 1000 {
				t.Errorf("code %d", code)
			}
			c.Close()
		}()
	}
	wg.Wait()
	end := rg.lastClose(40)
	if end.Who != record.Client || end.Code != 1000 || string(end.Reason) != "bye" || end.Why != "close" || end.Up.Messages != 7 {
		t.Errorf("logged %+v", end)
	}
	c, err := rg.Snapshot(context.Background())
	if err != nil || c.Relays != 0 || len(c.Open) != 0 || c.Upgrades["101"] != 40 || c.MessagesUp != 280 || c.SplicedDown == 0 {
		t.Errorf("counters %+v, %v", c, err)
	}
}

func TestDrainClosesPolitely(t *testing.T) {
	rg := newRig(t, rigOptions{loops: 2}, backend(t, echo))
	var conns []net.Conn
	for range 20 {
		conns = append(conns, rg.dial())
	}
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		done <- rg.Drain(ctx)
	}()
	for _, c := range conns {
		if code := readClose(t, c); code != 1001 {
			t.Errorf("closed with %d", code)
		}
		ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1001, ""))))
		c.Close()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if end := rg.lastClose(20); end.Who != record.Operator || end.Why != "drain" || end.Code != 1001 {
		t.Errorf("logged %+v", end)
	}
}

func TestEndsOfBothSides(t *testing.T) {
	reset := func(c net.Conn) {
		c.(*net.TCPConn).SetLinger(0)
	}
	cases := []struct {
		name    string
		backend func(net.Conn)
		client  func(net.Conn)
		mode    frame.Mode
		limit   int64
		code    ws.StatusCode // that the client is sent; 0: only an end
		why     string
		who     record.Who
		logged  uint16
	}{
		{name: "backend resets", backend: reset, code: 1011, why: "reset", who: record.Upstream, logged: 1011},
		{name: "backend ends without a Close", backend: func(net.Conn) {}, why: "fin", who: record.Upstream, logged: 1006},
		{
			name: "client breaks the protocol", backend: echo, mode: frame.Enforce,
			client: func(c net.Conn) { ws.WriteFrame(c, ws.NewTextFrame([]byte("unmasked"))) },
			code:   1002, why: "violation", who: record.Client, logged: 1002,
		},
		{
			name: "message over the limit", backend: echo, mode: frame.Observe, limit: 1000,
			client: func(c net.Conn) { wsutil.WriteClientBinary(c, make([]byte, 1001)) },
			code:   1009, why: "too_big", who: record.Client, logged: 1009,
		},
		{
			name:    "idle",
			backend: echo, code: 1001, why: "idle_timeout", who: record.Gateway, logged: 1001,
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			idle := func(tt *Timeouts) {
				if tc.why == "idle_timeout" {
					tt.Idle = 300 * time.Millisecond
				}
			}
			rg := newRig(t, rigOptions{mode: tc.mode, limit: tc.limit, timeouts: idle}, backend(t, tc.backend))
			c := rg.dial()
			if tc.client != nil {
				tc.client(c)
			}
			if tc.code != 0 {
				if code := readClose(t, c); code != tc.code {
					t.Errorf("the client was sent %d, want %d", code, tc.code)
				}
				ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(tc.code, ""))))
			} else if _, err := readFrame(c); !errors.Is(err, io.EOF) {
				t.Errorf("read %v, want EOF", err)
			}
			c.Close()
			end := rg.lastClose(1)
			if end.Why != tc.why || end.Who != tc.who || end.Code != tc.logged {
				t.Errorf("logged %c%c %s %d", end.Who, end.Phase, end.Why, end.Code)
			}
		})
	}
}

// TestSlowClient: the gateway holds a bounded part of what a client does not
// read, and delivers all of it later.
func TestSlowClient(t *testing.T) {
	const total, size = 32 << 20, 60_000
	sent := make(chan struct{})
	data := make([]byte, size)
	rand.Read(data)
	rg := newRig(t, rigOptions{}, backend(t, func(c net.Conn) {
		for range total / size {
			if err := wsutil.WriteServerBinary(c, data); err != nil {
				t.Errorf("backend: %v", err)
				return
			}
		}
		close(sent)
		io.Copy(io.Discard, c)
	}))
	c := rg.dial()
	eventually(t, "the half stalls", func() bool {
		n, err := rg.Snapshot(context.Background())
		return err == nil && n.Buffers+n.Pipes > 0
	})
	n, _ := rg.Snapshot(context.Background())
	if n.Buffered > 64<<10 {
		t.Errorf("%d bytes are buffered", n.Buffered)
	}
	for range total / size {
		got, err := wsutil.ReadServerBinary(c)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	<-sent
	c.Close()
}

// TestBufferedLimit: at limits.buffered the longest stalled session is ended,
// its sender with 1013.
func TestBufferedLimit(t *testing.T) {
	codes := make(chan ws.StatusCode, 10)
	rg := newRig(t, rigOptions{loops: 2, buffered: 40 << 10}, backend(t, func(c net.Conn) {
		go func() {
			for {
				if wsutil.WriteServerBinary(c, make([]byte, 10_000)) != nil {
					return
				}
			}
		}()
		for {
			f, err := readFrame(c)
			if err != nil {
				return
			}
			if f.Header.OpCode == ws.OpClose {
				code, _ := ws.ParseCloseFrameData(ws.UnmaskFrameInPlace(f).Payload)
				codes <- code
				return
			}
		}
	}))
	for range 3 {
		rg.dial()
	}
	for range 2 {
		select {
		case code := <-codes:
			if code != 1013 {
				t.Errorf("closed with %d", code)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("nobody was shed")
		}
	}
}

// panicIO panics on the first write of a marked message.
type panicIO struct{ sys.Kernel }

func (p panicIO) Write(fd int, b []byte, more bool) (int, sys.Outcome, sys.Errno) {
	if bytes.Contains(b, []byte("PANIC")) {
		panic("injected")
	}
	return p.Kernel.Write(fd, b, more)
}

func TestPanicEndsOneSession(t *testing.T) {
	rg := newRig(t, rigOptions{io: panicIO{}}, backend(t, func(c net.Conn) {
		for {
			data, err := wsutil.ReadClientText(c)
			if err != nil {
				return
			}
			if string(data) == "go" {
				data = []byte("PANIC")
			}
			if wsutil.WriteServerText(c, data) != nil {
				return
			}
		}
	}))
	good, bad := rg.dial(), rg.dial()
	wsutil.WriteClientText(bad, []byte("go"))
	if _, err := readFrame(bad); err == nil {
		t.Error("the session lives on")
	}
	wsutil.WriteClientText(good, []byte("hello"))
	if got, err := wsutil.ReadServerText(good); err != nil || string(got) != "hello" {
		t.Errorf("the other session: %q, %v", got, err)
	}
	if end := rg.lastClose(1); end.Who != record.Internal || end.Why != "panic" {
		t.Errorf("logged %+v", end)
	}
	if n, err := rg.Snapshot(context.Background()); err != nil || n.Panics != 1 {
		t.Errorf("panics %d, %v", n.Panics, err)
	}
}

// TestRetries: endpoints that refuse, reset or hang up before a response byte
// are left for the next one.
func TestRetries(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := dead.Addr().String()
	dead.Close()
	resetting := rawBackend(t, func(c net.Conn) {
		c.Read(make([]byte, 10))
		c.(*net.TCPConn).SetLinger(0)
	})
	hanging := rawBackend(t, func(c net.Conn) { c.Read(make([]byte, 100_000)) })
	rg := newRig(t, rigOptions{}, refusing, resetting, hanging, backend(t, echo))
	for range 8 {
		c := rg.dial()
		wsutil.WriteClientText(c, []byte("x"))
		if got, err := wsutil.ReadServerText(c); err != nil || string(got) != "x" {
			t.Fatalf("%q, %v", got, err)
		}
		c.Close()
	}
	only := newRig(t, rigOptions{}, refusing, resetting)
	if status := only.get("GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"); !strings.HasPrefix(status, "HTTP/1.1 502 ") {
		t.Errorf("got %q", status)
	}
}

// get sends raw bytes and returns everything that comes back until the end.
func (rg *rig) get(request string) string {
	rg.t.Helper()
	c, err := net.Dial("tcp", rg.Addrs()[0])
	if err != nil {
		rg.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, request)
	c.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(c)
	if err != nil {
		rg.t.Errorf("read: %v", err)
	}
	return string(answer)
}

func TestRefusalsAndHandoff(t *testing.T) {
	rg := newRig(t, rigOptions{}, backend(t, echo))
	cases := map[string]string{
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": "HTTP/1.1 400 ",
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n":            "HTTP/1.1 505 ",
		"\x16\x03\x01\x00":                             "HTTP/1.1 400 ",
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":            "HTTP/1.1 204 ",
		"GET / HT":                                     "HTTP/1.1 400 ",
	}
	for request, want := range cases {
		if got := rg.get(request); !strings.HasPrefix(got, want) {
			t.Errorf("%q: got %q, want %q", request, got, want)
		}
	}
	if rg.plain.served.Load() != 1 {
		t.Errorf("%d connections were handed over, want 1", rg.plain.served.Load())
	}
}

// TestConnectionLimit: one more than allowed is told so and the others stay.
func TestConnectionLimit(t *testing.T) {
	rg := newRig(t, rigOptions{conns: 2}, backend(t, echo))
	a := rg.dial()
	rg.dial()
	if got := rg.get("GET / HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 429 ") || !strings.Contains(got, "Retry-After:") {
		t.Errorf("got %q", got)
	}
	wsutil.WriteClientText(a, []byte("still here"))
	if got, err := wsutil.ReadServerText(a); err != nil || string(got) != "still here" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestEndpointTCPOptions: a session that lives gets keepalive on its connection
// to the endpoint; /proc/net/tcp shows the timer (02) beside the port.
func TestEndpointTCPOptions(t *testing.T) {
	addr := backend(t, echo)
	rg := newRig(t, rigOptions{tcp: sys.TCPOptions{KeepAliveIdle: time.Minute}}, addr)
	rg.dial()
	port := netip.MustParseAddrPort(addr).Port()
	eventually(t, "the keepalive timer runs", func() bool {
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(table), "\n") {
			f := strings.Fields(line)
			if len(f) > 5 && strings.HasSuffix(f[2], fmt.Sprintf(":%04X", port)) && f[3] == "01" && strings.HasPrefix(f[5], "02:") {
				return true
			}
		}
		return false
	})
}

// TestCloseBehindTheLimit: a Close right behind a message over the limit is not
// what ended the session, and the endpoint is told the reason.
func TestCloseBehindTheLimit(t *testing.T) {
	codes := make(chan ws.StatusCode, 1)
	rg := newRig(t, rigOptions{limit: 100}, backend(t, func(c net.Conn) { codes <- readClose(t, c) }))
	c := rg.dial()
	both := ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame(make([]byte, 200))))
	both = append(both, ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))...)
	if _, err := c.Write(both); err != nil {
		t.Fatal(err)
	}
	if code := <-codes; code != 1009 {
		t.Errorf("the endpoint was sent %d, want 1009", code)
	}
	if code := readClose(t, c); code != 1009 {
		t.Errorf("the client was sent %d, want 1009", code)
	}
	c.Close()
	if end := rg.lastClose(1); end.Why != "too_big" || end.Code != 1009 || end.Who != record.Client {
		t.Errorf("logged %+v", end)
	}
}
