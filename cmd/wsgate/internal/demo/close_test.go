package demo

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestCloseSaysGoodbye(t *testing.T) {
	w := newWorld(t, defaultLimits())
	clients := []*client{w.join(0, nil), w.join(1, nil), w.join(1, nil)}
	done := make(chan error, 1)
	go func() { done <- w.backends.Close(w.ctx) }()
	for _, c := range clients {
		if e := c.closed(); e.Code != websocket.StatusGoingAway || e.Reason != reasonStopping {
			t.Errorf("closed with %v %q", e.Code, e.Reason)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := w.backends.Close(w.ctx); err != nil {
		t.Errorf("second Close: %v", err)
	}
	for _, a := range w.backends.Addresses() {
		if c, err := net.Dial("tcp", a); err == nil {
			c.Close()
			t.Errorf("%s still accepts", a)
		}
	}
}

// raw upgrades a connection that then does nothing by itself.
func (w *world) raw(backend int) net.Conn {
	w.Helper()
	conn, err := net.Dial("tcp", w.backends.Addresses()[backend])
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, "GET /chat HTTP/1.1\r\nHost: "+w.backends.Addresses()[backend]+
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		w.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		w.Fatalf("%v, %+v", err, resp)
	}
	return conn
}

// A member that does not answer the Close frame is cut when the context ends.
func TestCloseCutsTheSilent(t *testing.T) {
	w := newWorld(t, defaultLimits())
	conn := w.raw(0)
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Millisecond)
	defer cancel()
	if err := w.backends.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(testLimit))
	if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection was not closed: %v", err)
	}
}

func TestPings(t *testing.T) {
	l := defaultLimits()
	l.ping, l.pong = time.Millisecond, testLimit
	w := newWorld(t, l)
	pings := make(chan struct{}, 8)
	c := w.join(0, &websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool {
		select {
		case pings <- struct{}{}:
		default:
		}
		return true
	}})
	go func() { // pings are seen by a reader only
		_, _, _ = c.conn.Read(w.ctx)
		_, _, _ = c.conn.Read(w.ctx)
	}()
	for range 5 {
		select {
		case <-pings:
		case <-w.ctx.Done():
			t.Fatal("no ping")
		}
	}
}

// A peer that stays silent loses its connection.
func TestNoPong(t *testing.T) {
	l := defaultLimits()
	l.ping, l.pong = time.Millisecond, time.Millisecond
	w := newWorld(t, l)
	conn := w.raw(1)
	_ = conn.SetReadDeadline(time.Now().Add(testLimit))
	if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection was not closed: %v", err)
	}
}
