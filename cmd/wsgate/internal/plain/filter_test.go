package plain

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"

	"wsgate/splice/sys"
)

// pipeConn returns a filter over one end of a TCP connection, and the other end.
func pipeConn(t *testing.T) (*conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fd := -1
	raw, err := s.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(old uintptr) { fd, err = sys.Dup(int(old)) })
	if err != nil {
		t.Fatal(err)
	}
	srv := New(Options{Released: func(Conn) {}})
	c := newConn(srv, Conn{FD: fd})
	if err := c.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		c.Close()
	})
	return c, nc.(*net.TCPConn)
}

// TestWatch: what ends the wait while a request is being served.
func TestWatch(t *testing.T) {
	watch := func(c *conn) <-chan error {
		c.x, c.state = &exchange{conn: c}, atEnd
		got := make(chan error, 1)
		go func() {
			_, err := c.Read(make([]byte, 1))
			got <- err
		}()
		return got
	}
	reset := func(nc *net.TCPConn) {
		nc.SetLinger(0)
		nc.Close()
	}
	t.Run("fin", func(t *testing.T) {
		c, nc := pipeConn(t)
		nc.CloseWrite()
		if err := <-watch(c); err != io.EOF || !c.x.gone.Load() {
			t.Errorf("got %v", err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		c, nc := pipeConn(t)
		reset(nc)
		if err := <-watch(c); err != errGone || !c.x.gone.Load() {
			t.Errorf("got %v", err)
		}
	})
	t.Run("aborted", func(t *testing.T) {
		c, _ := pipeConn(t)
		got := watch(c)
		c.SetReadDeadline(time.Unix(1, 0))
		if err := <-got; err != os.ErrDeadlineExceeded || c.x.gone.Load() {
			t.Errorf("got %v", err)
		}
	})
	t.Run("killed", func(t *testing.T) {
		c, _ := pipeConn(t)
		got := watch(c)
		c.kill()
		if err := <-got; err != errStopped || c.x.gone.Load() {
			t.Errorf("got %v", err)
		}
	})
	for _, where := range []string{"kernel", "buffer"} {
		t.Run("fin behind bytes in the "+where, func(t *testing.T) {
			c, nc := pipeConn(t)
			if where == "buffer" {
				c.buf = []byte("GET")
			} else {
				io.WriteString(nc, "GET")
			}
			nc.CloseWrite()
			c.raw.Control(func(fd uintptr) {
				set := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
				if n, err := unix.Poll(set[:], int(patience.Milliseconds())); n != 1 || err != nil {
					t.Errorf("no FIN: %v", err)
				}
				if err := c.streamEnd(int(fd)); err != nil {
					t.Errorf("streamEnd: %v", err)
				}
			})
			got := watch(c)
			reset(nc)
			if err := <-got; err != errGone {
				t.Errorf("got %v after a reset", err)
			}
		})
	}
}

// TestAnsweredEarly: a request that net/http has answered without reading its
// body to the end is the last one of its connection.
func TestAnsweredEarly(t *testing.T) {
	c, nc := pipeConn(t)
	c.x, c.state = &exchange{conn: c}, inBody
	c.answered()
	io.WriteString(nc, "GET / HTTP/1.1\r\n"+host+"\r\n")
	if n, err := c.Read(make([]byte, 100)); n != 0 || err != io.EOF {
		t.Errorf("read %d %v", n, err)
	}
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func response(r *http.Request, body io.Reader) *http.Response {
	return &http.Response{StatusCode: 200, Request: r, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(body)}
}

// TestBodyInServer: the whole body is in net/http's buffer when the response
// begins, and the endpoint has taken one byte of it.
func TestBodyInServer(t *testing.T) {
	body := strings.Repeat("x", 3000)
	for _, framed := range []string{
		"Content-Length: 3000\r\n\r\n" + body,
		"Transfer-Encoding: chunked\r\n\r\nbb8\r\n" + body + "\r\n0\r\n\r\n",
	} {
		w := newWorld(t, nil, refusing(t))
		w.srv.proxy.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Body == nil {
				return response(r, strings.NewReader("none")), nil
			}
			if _, err := io.ReadFull(r.Body, make([]byte, 1)); err != nil {
				return nil, err
			}
			if r.URL.Opaque == "/ignored" {
				return response(r, strings.NewReader("ok")), nil
			}
			return response(r, iotest.OneByteReader(r.Body)), nil
		})
		c := w.dial()
		// What is left of the body is not taken for a request, and net/http
		// gets over it.
		c.do("POST /ignored HTTP/1.1\r\n"+host+framed).want(t, 200, "ok")
		// The endpoint gets all of it, however late it reads.
		c.do("POST /echoed HTTP/1.1\r\n"+host+framed).want(t, 200, body[1:])
		c.do("GET / HTTP/1.1\r\n"+host+"\r\n").want(t, 200, "none")
	}
}
