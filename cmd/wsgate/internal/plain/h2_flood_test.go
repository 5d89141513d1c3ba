package plain

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/http2"

	"wsgate/eventloop/record"
)

// TestFloods: a hostile client is thrown out, whatever it floods with, counted,
// and others are served.
func TestFloods(t *testing.T) {
	ping := [8]byte{1}
	block := strings.Repeat("y", 1000)
	tests := []struct {
		name, kind string
		code       http2.ErrCode // in the GOAWAY, if one arrives
		flood      func(c *h2client, i uint32) error
	}{
		{"rapid reset", "reset_flood", http2.ErrCodeEnhanceYourCalm, func(c *h2client, i uint32) error {
			c.get(2*i+1, "/")
			return c.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
		}},
		{"made to reset", "reset_flood", http2.ErrCodeEnhanceYourCalm, func(c *h2client, i uint32) error {
			c.get(2*i+1, "/")
			return c.WriteWindowUpdate(2*i+1, 1<<31-1) // overflows: the server resets
		}},
		{"settings", "control_flood", http2.ErrCodeEnhanceYourCalm, func(c *h2client, i uint32) error { return c.WriteSettings() }},
		{"ping", "control_flood", http2.ErrCodeEnhanceYourCalm, func(c *h2client, i uint32) error { return c.WritePing(false, ping) }},
		{"priority", "control_flood", http2.ErrCodeEnhanceYourCalm, func(c *h2client, i uint32) error {
			return c.WritePriority(2*i+1, http2.PriorityParam{Weight: 1})
		}},
		{"window", "control_flood", http2.ErrCodeEnhanceYourCalm, func(c *h2client, i uint32) error { return c.WriteWindowUpdate(0, 1) }},
		{"unknown frames", "control_flood", http2.ErrCodeEnhanceYourCalm, func(c *h2client, i uint32) error {
			return c.WriteRawFrame(0xf0, 0, 0, nil)
		}},
		{"empty data", "control_flood", http2.ErrCodeEnhanceYourCalm, func(c *h2client, i uint32) error {
			if i == 0 {
				c.headers(1, false, ":method: POST", ":scheme: http", ":authority: a", ":path: /")
			}
			return c.WriteData(1, false, nil)
		}},
		{"empty continuation", "control_flood", http2.ErrCodeEnhanceYourCalm, func(c *h2client, i uint32) error {
			if i == 0 {
				return c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			}
			return c.WriteContinuation(1, false, nil)
		}},
		// net/http's own: it stops decoding at the size limit and closes with the next frame.
		{"continuation", "", http2.ErrCodeProtocol, func(c *h2client, i uint32) error {
			if i == 0 {
				return c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			}
			// A literal field without indexing: name x, a value of 1,000 bytes.
			return c.WriteContinuation(1, false, append([]byte{0, 1, 'x', 0x7f, 0xe9, 0x06}, block...))
		}},
	}
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil, addr)
			w.log.requests = make(chan record.Request, 1<<16)
			at := w.listen2(false)
			good := dial2(t, at)
			good.get(1, "/")
			good.over(1)
			c := dial2(t, at)
			c.quiet, c.Framer.AllowIllegalWrites = true, true
			done := make(chan error, 1)
			go func() { done <- c.closed() }() // a client that reads: unread answers would stop it sooner
			sent := uint32(0)
			for ; ; sent++ {
				if err := tt.flood(c, sent); err != nil {
					break
				}
			}
			err := <-done
			if err == nil || errors.Is(err, syscall.ETIMEDOUT) {
				t.Errorf("not closed: %v", err)
			}
			if c.goaway != nil && c.goaway.ErrCode != tt.code {
				t.Errorf("goaway %v, want %v", c.goaway, tt.code)
			}
			n := record.NewCounters()
			w.srv.Counters(n)
			if tt.kind != "" && n.HTTP2Errors[tt.kind] == 0 {
				t.Errorf("counted %v, want %s", n.HTTP2Errors, tt.kind)
			}
			t.Logf("%d rounds, %v, goaway %v, counted %v", sent, err, c.goaway, n.HTTP2Errors)
			good.get(3, "/")
			if a := good.over(3); a.status != "200" {
				t.Errorf("the other client got %+v", a)
			}
		})
	}
}

// TestBusyIsNoFlood: a client that grants window twice for every frame, and
// one that resets what it has been answered, are served.
func TestBusyIsNoFlood(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bulk" {
			w.Write(make([]byte, 40<<20))
			return
		}
		w.Header().Set("Connection", "close") // answers without waiting for the body
	})
	w := newWorld(t, nil, addr)
	c := dial2(t, w.listen2(false))
	c.get(1, "/bulk")
	if a := c.over(1); len(a.data) != 40<<20 {
		t.Errorf("got %d bytes", len(a.data))
	}
	for id := uint32(3); id < 3000; id += 2 {
		c.headers(id, false, ":method: POST", ":scheme: http", ":authority: a", ":path: /", "content-length: 1")
		if a := c.over(id); a.status != "200" && a.reset == nil {
			t.Fatalf("stream %d: %+v", id, a)
		}
		c.WriteRSTStream(id, http2.ErrCodeCancel)
		<-w.log.requests
	}
}
