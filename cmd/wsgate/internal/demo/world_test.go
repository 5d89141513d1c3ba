package demo

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

// testLimit ends a test that hangs; nothing is measured against it.
const testLimit = 30 * time.Second

func TestMain(m *testing.M) {
	// The runtime opens descriptors of its own with the first socket.
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
	os.Exit(m.Run())
}

// world is the backends of one test and its clients.
type world struct {
	*testing.T
	ctx      context.Context
	backends *Backends
}

// newWorld starts backends. The test's end closes them and checks that no
// goroutine and no descriptor is left.
func newWorld(t *testing.T, l limits) *world {
	t.Helper()
	before := descriptors(t)
	b, err := start(l)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	w := &world{T: t, ctx: ctx, backends: b}
	t.Cleanup(func() {
		_ = b.Close(ctx) // judged by the tests of Close
		cancel()
		goleak.VerifyNone(t)
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors are open, %d were before", after, before)
		}
	})
	return w
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// freeLimits are the default ones without a limit on the rate.
func freeLimits() limits {
	l := defaultLimits()
	l.burst = 1 << 20
	return l
}

// client is a member as it sees itself.
type client struct {
	w    *world
	conn *websocket.Conn
	hi   welcome
}

// anyMessage is every message that a backend sends.
type anyMessage struct {
	Type     string
	ID       uint64
	Time     int64
	From     uint64
	Name     string
	Backend  string
	Text     string
	Count    int
	Backends map[string]int
}

func (w *world) dial(backend int, opts *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	if opts == nil {
		opts = &websocket.DialOptions{}
	}
	opts.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return websocket.Dial(w.ctx, "ws://"+w.backends.Addresses()[backend]+"/chat", opts)
}

// join connects to a backend and takes its welcome.
func (w *world) join(backend int, opts *websocket.DialOptions) *client {
	w.Helper()
	conn, _, err := w.dial(backend, opts)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	c := &client{w: w, conn: conn}
	_, b, err := conn.Read(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	if err := json.Unmarshal(b, &c.hi); err != nil || c.hi.Type != "welcome" {
		w.Fatalf("first message %s: %v", b, err)
	}
	return c
}

func (c *client) send(v any) { c.sendRaw(websocket.MessageText, encode(v)) }

func (c *client) sendRaw(kind websocket.MessageType, b []byte) {
	c.w.Helper()
	if err := c.conn.Write(c.w.ctx, kind, b); err != nil {
		c.w.Fatal(err)
	}
}

func (c *client) say(text string) { c.send(inbound{Type: "say", Text: text}) }

// next returns the next message of type kind; those of other types are skipped.
func (c *client) next(kind string) anyMessage {
	c.w.Helper()
	for {
		_, b, err := c.conn.Read(c.w.ctx)
		if err != nil {
			c.w.Fatalf("waiting for %q: %v", kind, err)
		}
		var m anyMessage
		if err := json.Unmarshal(b, &m); err != nil {
			c.w.Fatalf("%s: %v", b, err)
		}
		if m.Type == kind {
			return m
		}
	}
}

// closed reads on until the connection ends, and returns how.
func (c *client) closed() websocket.CloseError {
	c.w.Helper()
	for {
		if _, _, err := c.conn.Read(c.w.ctx); err != nil {
			var e websocket.CloseError
			if !errors.As(err, &e) {
				c.w.Fatalf("ended without a close frame: %v", err)
			}
			return e
		}
	}
}
