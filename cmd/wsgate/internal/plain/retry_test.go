package plain

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
)

// resetting reads a request and resets the connection.
func resetting(t *testing.T) *rawBackend {
	return newRawBackend(t, func(c net.Conn) {
		if q, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.Copy(io.Discard, q.Body)
		}
		c.(tap).Conn.(*net.TCPConn).SetLinger(0)
	})
}

// TestRetry: which failures another endpoint is tried for.
func TestRetry(t *testing.T) {
	for _, tc := range []struct {
		name    string
		bad     func(t *testing.T) string
		request string
		status  int
		tries   int
		reason  string
	}{
		{"refused", refusing, "GET / HTTP/1.1\r\n" + host + "\r\n", 200, 2, "connect"},
		{"refused post", refusing, "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", 200, 2, "connect"},
		{"refused chunked", refusing, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 200, 2, "connect"},
		{"reset get", func(t *testing.T) string { return resetting(t).addr }, "GET / HTTP/1.1\r\n" + host + "\r\n", 200, 2, "reset"},
		{"reset post", func(t *testing.T) string { return resetting(t).addr }, "POST / HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n", 502, 1, ""},
		{"reset put with body", func(t *testing.T) string { return resetting(t).addr }, "PUT / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", 502, 1, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			good := answering(t, nil)
			bad := tc.bad(t)
			w := newWorld(t, nil, bad, good.addr)
			c := w.dial()
			a := c.do(tc.request)
			r := w.log.next()
			if a.StatusCode != tc.status || r.Tries != tc.tries || r.Status != tc.status {
				t.Errorf("status %d %q, record %+v", a.StatusCode, a.body, r)
			}
			n := record.NewCounters()
			w.srv.Counters(n)
			if tc.reason != "" && n.Retries[tc.reason] != 1 || tc.reason == "" && len(n.Retries) != 0 {
				t.Errorf("retries %v", n.Retries)
			}
			if tc.status == 200 && !strings.HasSuffix(tc.request, "abc") {
				c.do("GET /next HTTP/1.1\r\n" + host + "\r\n")
			}
		})
	}
}

// TestAllFail: no endpoint takes the request.
func TestAllFail(t *testing.T) {
	w := newWorld(t, nil, refusing(t), refusing(t), refusing(t))
	c := w.dial()
	a := c.do("GET / HTTP/1.1\r\n" + host + "\r\n")
	r := w.log.next()
	if a.StatusCode != 502 || r.Tries != 3 || r.Who != record.Upstream || r.Phase != record.PhaseConnect || r.Detail == "" {
		t.Errorf("status %d, record %+v", a.StatusCode, r)
	}
	if a.Close {
		t.Error("the connection could have been kept")
	}
}

func TestGarbage(t *testing.T) {
	b := newRawBackend(t, func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "SSH-2.0-x\r\n\r\n")
	})
	w := newWorld(t, nil, b.addr, b.addr[:0]+answering(t, nil).addr)
	a := w.dial().do("GET / HTTP/1.1\r\n" + host + "\r\n")
	if r := w.log.next(); a.StatusCode != 502 || r.Tries != 1 {
		t.Errorf("status %d, record %+v", a.StatusCode, r)
	}
}

// TestSilent: an endpoint that takes the request and says nothing.
func TestSilent(t *testing.T) {
	b := newRawBackend(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	for _, request := range []string{
		"GET / HTTP/1.1\r\n" + host + "\r\n",
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc",
	} {
		w := newWorld(t, func(_ *route.Route, s *Settings) { s.Response = 50 * time.Millisecond }, b.addr)
		a := w.dial().do(request)
		if r := w.log.next(); a.StatusCode != 504 || r.Refusal != "upstream_timeout" || r.Who != record.Upstream {
			t.Errorf("status %d, record %+v", a.StatusCode, r)
		}
	}
}

// TestConnectTimeout: an endpoint whose queue is full does not take the connection.
func TestConnectTimeout(t *testing.T) {
	fd, addr := bound(t)
	defer unix.Close(fd)
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 4 { // the queue is full from the second on
		if c, err := net.DialTimeout("tcp", addr, 100*time.Millisecond); err == nil {
			defer c.Close()
		}
	}
	w := newWorld(t, func(_ *route.Route, s *Settings) { s.Connect = 50 * time.Millisecond }, addr, answering(t, nil).addr)
	w.dial().do("GET / HTTP/1.1\r\n"+host+"\r\n").want(t, 200, "GET /")
	n := record.NewCounters()
	w.srv.Counters(n)
	if n.Retries["connect_timeout"] != 1 {
		t.Errorf("retries %v", n.Retries)
	}
}

// TestResetWhileClientStalls: the endpoint goes away while the client owes it
// a body; the client is told at once.
func TestResetWhileClientStalls(t *testing.T) {
	b := newRawBackend(t, func(c net.Conn) {
		q, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		io.ReadFull(q.Body, make([]byte, 3))
		c.(tap).Conn.(*net.TCPConn).SetLinger(0)
	})
	w := newWorld(t, nil, b.addr)
	c := w.dial()
	c.send("POST / HTTP/1.1\r\n" + host + "Content-Length: 10\r\n\r\nabc")
	a := c.read("POST")
	if a.StatusCode != 502 || !a.Close {
		t.Errorf("status %d, close %v", a.StatusCode, a.Close)
	}
	c.wantEnd()
}

// TestEarlyAnswer: an endpoint refuses an upload and closes; its answer
// reaches a client that is still sending.
func TestEarlyAnswer(t *testing.T) {
	b := newRawBackend(t, func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
	})
	w := newWorld(t, nil, b.addr)
	c := w.dial()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.WriteString(c.Conn, "POST / HTTP/1.1\r\n"+host+"Content-Length: 100000000\r\n\r\n")
		piece := strings.Repeat("x", 64<<10)
		for range 100000000 / len(piece) {
			if _, err := io.WriteString(c.Conn, piece); err != nil {
				return
			}
		}
	}()
	a := c.read("POST")
	a.want(t, 413, "big")
	if !a.Close {
		t.Error("the connection is not announced to close")
	}
	c.wantEnd()
	c.Close()
	<-sent
}
