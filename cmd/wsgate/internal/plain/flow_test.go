package plain

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
)

// TestContinue: the client's body is asked for when the endpoint wants it.
func TestContinue(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(403)
			return
		}
		b, _ := io.ReadAll(r.Body)
		w.Write(b)
	})
	for _, framing := range []string{"Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n"} {
		w := newWorld(t, nil, addr)
		c := w.dial()
		c.send("POST / HTTP/1.1\r\n" + host + "Expect: 100-continue\r\n" + framing + "\r\n")
		line, err := c.r.ReadString('\n')
		if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("got %q %v", line, err)
		}
		c.r.ReadString('\n')
		if strings.HasPrefix(framing, "C") {
			c.send("abc")
		} else {
			c.send("3\r\nabc\r\n0\r\n\r\n")
		}
		c.read("POST").want(t, 200, "abc")
		a := c.do("POST /no HTTP/1.1\r\n" + host + "Expect: 100-continue\r\n" + framing + "\r\n")
		if a.StatusCode != 403 || !a.Close {
			t.Errorf("refused: %d, close %v", a.StatusCode, a.Close)
		}
		c.wantEnd()
	}
	t.Run("deaf", func(t *testing.T) {
		// An endpoint that never says 100 gets the body all the same.
		b := newRawBackend(t, func(c net.Conn) {
			r := bufio.NewReader(c)
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			io.CopyN(io.Discard, r, 3)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})
		w := newWorld(t, nil, b.addr)
		c := w.dial()
		c.send("POST / HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
		if line, _ := c.r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("got %q", line)
		}
		c.r.ReadString('\n')
		c.send("abc")
		c.read("POST").want(t, 200, "")
	})
}

// TestStream: events reach the client one by one, while the response goes on.
func TestStream(t *testing.T) {
	next := make(chan struct{})
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.RawQuery)
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			http.NewResponseController(w).Flush()
			<-next
		}
	})
	for _, kind := range []string{"text/event-stream", "application/octet-stream"} {
		w := newWorld(t, nil, addr)
		c := w.dial()
		c.send("GET /?" + kind + " HTTP/1.1\r\n" + host + "\r\n")
		res, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		body := bufio.NewReader(res.Body)
		for i := range 3 {
			line, err := body.ReadString('\n')
			if want := fmt.Sprintf("data: %d\n", i); err != nil || line != want {
				t.Fatalf("got %q %v, want %q", line, err, want)
			}
			body.ReadString('\n')
			next <- struct{}{}
		}
	}
}

// TestFullDuplex: an endpoint answers while the client is still sending.
func TestFullDuplex(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		w.WriteHeader(200)
		rc.Flush()
		s := bufio.NewScanner(r.Body)
		for s.Scan() {
			fmt.Fprintf(w, "%s!\n", s.Text())
			rc.Flush()
		}
	})
	w := newWorld(t, nil, addr)
	c := w.dial()
	c.send("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n")
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(res.Body)
	for i := range 5 {
		c.send(fmt.Sprintf("3\r\n%02d\n\r\n", i))
		if line, err := body.ReadString('\n'); err != nil || line != fmt.Sprintf("%02d!\n", i) {
			t.Fatalf("got %q %v", line, err)
		}
	}
	c.send("0\r\n\r\n")
	if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
		t.Errorf("end: %q %v", rest, err)
	}
	c.wantEnd()
}

// TestClientGone: a FIN or a RST of the client cancels the request at the
// endpoint; a pipelined request does not.
func TestClientGone(t *testing.T) {
	for _, how := range []string{"fin", "half", "reset", "pipelined then reset"} {
		for _, begun := range []bool{false, true} {
			t.Run(fmt.Sprint(how, begun), func(t *testing.T) {
				arrived, cancelled := make(chan struct{}, 1), make(chan struct{})
				addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
					if begun {
						io.WriteString(w, "x")
						http.NewResponseController(w).Flush()
					}
					arrived <- struct{}{}
					<-r.Context().Done()
					close(cancelled)
				})
				w := newWorld(t, nil, addr)
				c := w.dial()
				c.send("GET / HTTP/1.1\r\n" + host + "\r\n")
				<-arrived
				if begun {
					if _, err := c.r.ReadString('x'); err != nil {
						t.Fatal(err)
					}
				}
				switch how {
				case "fin":
					c.Close()
				case "half":
					c.Conn.(*net.TCPConn).CloseWrite()
				case "pipelined then reset":
					c.send("GET /next HTTP/1.1\r\n" + host + "\r\n")
					fallthrough
				case "reset":
					c.Conn.(*net.TCPConn).SetLinger(0)
					c.Close()
				}
				select {
				case <-cancelled:
				case <-time.After(patience):
					t.Fatal("the endpoint's request goes on")
				}
				r := w.log.next()
				if r.Who != record.Client || (r.Status == 200) != begun {
					t.Errorf("record %+v", r)
				}
			})
		}
	}
}

// TestPipelinedThenFIN: a FIN behind a pipelined request does not cancel the
// request before it, whether the bytes are in the kernel still or with us.
func TestPipelinedThenFIN(t *testing.T) {
	const second = "GET /b HTTP/1.1\r\n" + host + "\r\n"
	for _, together := range []bool{false, true} {
		arrived, release := make(chan struct{}, 2), make(chan struct{})
		addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
			arrived <- struct{}{}
			select {
			case <-release:
				io.WriteString(w, r.URL.Path)
			case <-r.Context().Done():
			}
		})
		w := newWorld(t, nil, addr)
		c := w.dial()
		first := "GET /a HTTP/1.1\r\n" + host + "\r\n"
		if together {
			first += second
		}
		c.send(first)
		<-arrived
		if !together {
			c.send(second)
		}
		c.Conn.(*net.TCPConn).CloseWrite()
		release <- struct{}{}
		c.read("GET").want(t, 200, "/a")
		close(release)
	}
}

// TestBodyEnds: a client that goes away, stalls or breaks the framing in the
// middle of a body never makes a whole request at the endpoint.
func TestBodyEnds(t *testing.T) {
	for _, tc := range []struct {
		name, request string
		end           func(c *client)
		status        int
		who           record.Who
	}{
		{"fin", "POST / HTTP/1.1\r\n" + host + "Content-Length: 10\r\n\r\nabc", func(c *client) { c.Conn.(*net.TCPConn).CloseWrite() }, 0, record.Client},
		{"fin chunked", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", func(c *client) { c.Conn.(*net.TCPConn).CloseWrite() }, 0, record.Client},
		{"stall", "POST / HTTP/1.1\r\n" + host + "Content-Length: 10\r\n\r\nabc", nil, 408, record.Client},
		{"stall chunked", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", nil, 408, record.Client},
		{"broken", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", func(c *client) { c.send("x\r\n") }, 400, record.Client},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, result := make(chan struct{}), make(chan error, 1)
			addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
				io.ReadFull(r.Body, make([]byte, 3))
				close(got)
				_, err := io.Copy(io.Discard, r.Body)
				result <- err
			})
			w := newWorld(t, func(_ *route.Route, s *Settings) {
				if tc.end == nil {
					s.RequestBody = 100 * time.Millisecond
				}
			}, addr)
			c := w.dial()
			c.send(tc.request)
			<-got
			if tc.end != nil {
				tc.end(c)
			}
			if tc.status != 0 {
				if a := c.read("POST"); a.StatusCode != tc.status || !a.Close {
					t.Errorf("status %d, close %v", a.StatusCode, a.Close)
				}
			}
			c.wantEnd()
			if err := <-result; err == nil {
				t.Error("the endpoint got a whole request")
			}
			if r := w.log.next(); r.Who != tc.who || r.Status != tc.status || r.Received != 3 {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// TestBrokenBodyBehindResponse: too late for an answer, the connection is cut.
func TestBrokenBodyBehindResponse(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		io.WriteString(w, "begun")
		rc.Flush()
		io.Copy(io.Discard, r.Body)
	})
	w := newWorld(t, nil, addr)
	c := w.dial()
	c.send("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n")
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(res.Body, make([]byte, 5))
	c.send("zz\r\n")
	if b, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("the response ends well, with %q", b)
	}
	if r := w.log.next(); r.Who != record.Client || r.Status != 200 {
		t.Errorf("record %+v", r)
	}
}

// TestTimeouts: heads that do not come, and connections that stay idle.
func TestTimeouts(t *testing.T) {
	w := newWorld(t, func(_ *route.Route, s *Settings) { s.RequestHead = 50 * time.Millisecond }, answering(t, nil).addr)
	for _, first := range []string{"", "GET /a HTTP/1.1\r\n" + host + "\r\n"} {
		c := w.dial()
		c.send(first + "GET /b HT")
		if first != "" {
			c.read("GET")
			w.log.next()
		}
		if a := c.read("GET"); a.StatusCode != 408 || !a.Close {
			t.Errorf("status %d", a.StatusCode)
		}
		c.wantEnd()
		if r := w.log.next(); r.Refusal == "" || r.Status != 408 {
			t.Errorf("record %+v", r)
		}
	}
	w = newWorld(t, func(_ *route.Route, s *Settings) { s.Keepalive = 50 * time.Millisecond }, answering(t, nil).addr)
	c := w.dial()
	c.do("GET /a HTTP/1.1\r\n"+host+"\r\n").want(t, 200, "GET /a")
	c.wantEnd()
}
