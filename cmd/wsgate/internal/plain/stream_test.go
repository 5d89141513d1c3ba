package plain

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// answering replies to every request it can read with its method and target,
// and notes requests whose body ended as it was framed.
func answering(t *testing.T, whole func(string)) *rawBackend {
	return newRawBackend(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			q, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, q.Body); err != nil {
				return
			}
			line := q.Method + " " + q.RequestURI
			if whole != nil {
				whole(line)
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(line), line)
		}
	})
}

const host = "Host: a.example\r\n"

// badStreams are requests that are refused, each with a request behind it that
// must never arrive anywhere.
var badStreams = []struct {
	name   string
	bytes  string
	status int
}{
	{"not http", "\x16\x03\x01\x02\x00\x01\x00", 400},
	{"bare lf", "GET /bad HTTP/1.1\n" + host + "\r\n", 400},
	{"bare lf in fields", "GET /bad HTTP/1.1\r\nHost: a.example\nX: y\r\n\r\n", 400},
	{"bare lf at the end", "GET /bad HTTP/1.1\r\n" + host + "\n", 400},
	{"bare cr", "GET /bad HTTP/1.1\r\nHost: a.example\rX: y\r\n\r\n", 400},
	{"leading empty line", "\r\nGET /bad HTTP/1.1\r\n" + host + "\r\n", 400},
	{"obs-fold", "GET /bad HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", 400},
	{"folded te", "POST /bad HTTP/1.1\r\n" + host + "Content-Length: 5\r\nX: a\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	{"space before colon", "POST /bad HTTP/1.1\r\n" + host + "Content-Length : 5\r\n\r\nhello", 400},
	{"te space before colon", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
	{"empty name", "GET /bad HTTP/1.1\r\n" + host + ": x\r\n\r\n", 400},
	{"space in name", "GET /bad HTTP/1.1\r\n" + host + "X Y: z\r\n\r\n", 400},
	{"nul in value", "GET /bad HTTP/1.1\r\n" + host + "X: a\x00b\r\n\r\n", 400},
	{"control in value", "GET /bad HTTP/1.1\r\n" + host + "X: a\x01b\r\n\r\n", 400},
	{"no host", "GET /bad HTTP/1.1\r\nX: y\r\n\r\n", 400},
	{"two hosts", "GET /bad HTTP/1.1\r\n" + host + host + "\r\n", 400},
	{"cl with te", "POST /bad HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	{"te with cl", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
	{"two cl", "POST /bad HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400},
	{"two equal cl", "POST /bad HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
	{"cl list", "POST /bad HTTP/1.1\r\n" + host + "Content-Length: 5, 5\r\n\r\nhello", 400},
	{"cl sign", "POST /bad HTTP/1.1\r\n" + host + "Content-Length: +5\r\n\r\nhello", 400},
	{"cl negative", "POST /bad HTTP/1.1\r\n" + host + "Content-Length: -5\r\n\r\nhello", 400},
	{"cl hex", "POST /bad HTTP/1.1\r\n" + host + "Content-Length: 0x5\r\n\r\nhello", 400},
	{"cl overflow", "POST /bad HTTP/1.1\r\n" + host + "Content-Length: 18446744073709551621\r\n\r\nhello", 400},
	{"cl empty", "POST /bad HTTP/1.1\r\n" + host + "Content-Length: \r\n\r\nhello", 400},
	{"two te", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
	{"te unknown", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0},
	{"te list", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 0},
	{"te gzip", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0},
	{"te vertical tab", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400},
	{"te in 1.0", "POST /bad HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	{"connection names cl", "POST /bad HTTP/1.1\r\n" + host + "Content-Length: 5\r\nConnection: content-length\r\n\r\nhello", 400},
	{"connection names te", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n\r\n0\r\n\r\n", 400},
	{"connection names host", "GET /bad HTTP/1.1\r\n" + host + "Connection: host\r\n\r\n", 400},
	{"trailer names framing", "POST /bad HTTP/1.1\r\n" + host + "Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	{"te spelled otherwise", "POST /bad HTTP/1.1\r\n" + host + "Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	{"unknown expectation", "POST /bad HTTP/1.1\r\n" + host + "Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", 417},
	{"http 1.9", "GET /bad HTTP/1.9\r\n" + host + "\r\n", 505},
	{"two spaces", "GET  /bad HTTP/1.1\r\n" + host + "\r\n", 400},
	{"http 2", "GET /bad HTTP/2.0\r\n" + host + "\r\n", 505},
	{"h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
	{"connect", "CONNECT a.example:443 HTTP/1.1\r\n" + host + "\r\n", 405},
	{"long line", "GET /" + strings.Repeat("a", 9<<10) + " HTTP/1.1\r\n" + host + "\r\n", 414},
	{"long head", "GET /bad HTTP/1.1\r\n" + host + "X: " + strings.Repeat("a", 17<<10) + "\r\n\r\n", 431},
	{"upgrade without key", "GET /bad HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", 400},
	{"upgrade version", "GET /bad HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n", 426},
	{"path above root", "GET /../bad HTTP/1.1\r\n" + host + "\r\n", 400},
	{"encoded slash", "GET /bad%2fslash HTTP/1.1\r\n" + host + "\r\n", 400},
	{"bad escape", "GET /bad%zz HTTP/1.1\r\n" + host + "\r\n", 400},

	{"chunk size sign", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", 400},
	{"chunk size prefix", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400},
	{"chunk size space", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n", 400},
	{"chunk size empty", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", 400},
	{"chunk size overflow", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", 400},
	{"chunk size bare lf", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400},
	{"chunk ext bare lf", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n", 400},
	{"chunk longer than said", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", 400},
	{"chunk end bare lf", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", 400},
	{"last chunk bare lf", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\n\n", 400},
	{"trailer bare lf", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n", 400},
	{"trailer obs-fold", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n z\r\n\r\n", 400},
	{"trailer identity", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n", 400},
	{"trailer framing", "POST /bad HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n", 400},
}

// TestBadStreams sends every bad request as the first and as a later request
// of a connection. It is answered in the gateway's own words, the connection
// ends, and the endpoint never sees a whole bad request nor the one behind it.
func TestBadStreams(t *testing.T) {
	for _, tc := range badStreams {
		for _, first := range []string{"", "GET /first HTTP/1.1\r\n" + host + "\r\n", "POST /first HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"} {
			method, _, _ := strings.Cut(first, " ")
			t.Run(tc.name+"/"+method, func(t *testing.T) {
				seen := make(chan string, 16)
				b := answering(t, func(line string) { seen <- line })
				w := newWorld(t, nil, b.addr)
				c := w.dial()
				go func() {
					io.WriteString(c.Conn, first+tc.bytes+"GET /smuggled HTTP/1.1\r\n"+host+"\r\n")
				}()
				if first != "" {
					c.read(method).want(t, 200, method+" /first")
				}
				a := c.read("GET")
				if a.StatusCode != tc.status && (tc.status != 0 || a.StatusCode != 400 && a.StatusCode != 501) {
					t.Errorf("status %d, want %d", a.StatusCode, tc.status)
				}
				if !a.Close || strings.Count(a.body, "\n") != 1 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
					t.Errorf("not an answer of the gateway: close %v, body %q, %v", a.Close, a.body, a.Header)
				}
				if tc.status == 426 && a.Header.Get("Sec-WebSocket-Version") != "13" {
					t.Error("426 does not say which version")
				}
				c.wantEnd()
				if first != "" {
					if line := <-seen; line != method+" /first" {
						t.Errorf("the endpoint got %q", line)
					}
					w.log.next()
				}
				r := w.log.next()
				if r.Refusal == "" || r.Status != a.StatusCode {
					t.Errorf("record: %+v", r)
				}
				select {
				case line := <-seen:
					t.Errorf("the endpoint got %q", line)
				default:
				}
				for _, s := range b.received() {
					if strings.Contains(s, "smuggled") {
						t.Errorf("the endpoint received %q", s)
					}
				}
			})
		}
	}
}

// TestGoodStream sends requests of every shape in one stream, in pieces of
// several sizes; all are answered, in order.
func TestGoodStream(t *testing.T) {
	var stream strings.Builder
	var want []string
	add := func(line, bytes string) {
		want = append(want, line)
		stream.WriteString(bytes)
	}
	add("GET /one", "GET /one HTTP/1.1\r\n"+host+"\r\n")
	add("POST /two", "POST /two HTTP/1.1\r\n"+host+"Content-Length: 5\r\n\r\nGET /")
	add("POST /three", "POST /three HTTP/1.1\r\n"+host+"Transfer-Encoding: Chunked\r\n\r\n5;ext=1\r\nhello\r\n00000\r\nX-T: 1\r\n\r\n")
	add("PUT /four?a=%zz;b", "PUT /four?a=%zz;b HTTP/1.1\r\n"+host+"Content-Length: 0\r\n\r\n")
	add("GET /five", "GET http://a.example/five HTTP/1.1\r\nHost: other\r\n\r\n")
	add("DELETE /six", "DELETE /six HTTP/1.1\r\n"+host+"X-Obs: \xff\tz\r\n\r\n")
	add("POST /seven", "POST /seven HTTP/1.1\r\n"+host+"Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	add("GET /eight", "GET /eight HTTP/1.1\r\n"+host+"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n")
	add("OPTIONS *", "OPTIONS * HTTP/1.1\r\n"+host+"\r\n")
	add("GET /ten", "GET /ten HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n")
	for _, size := range []int{1, 2, 7, 100, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			w := newWorld(t, nil, answering(t, nil).addr)
			c := w.dial()
			go func() {
				for s := stream.String(); s != ""; {
					n := min(size, len(s))
					if _, err := io.WriteString(c.Conn, s[:n]); err != nil {
						return
					}
					s = s[n:]
				}
			}()
			for _, line := range want {
				c.read("GET").want(t, 200, line)
				if r := w.log.next(); r.Status != 200 || r.Who != 0 {
					t.Errorf("record of %s: %+v", line, r)
				}
			}
			c.wantEnd()
		})
	}
}

// TestHandedOverHead serves a connection whose first bytes a loop has read.
func TestHandedOverHead(t *testing.T) {
	w := newWorld(t, nil, answering(t, nil).addr)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	w.hand(s, []byte("POST /a HTTP/1.1\r\n"+host+"Content-Length: 3\r\n\r\na"))
	c := &client{t: t, Conn: nc, r: bufio.NewReader(nc)}
	c.send("bcGET /b HTTP/1.1\r\n" + host + "\r\n")
	c.read("POST").want(t, 200, "POST /a")
	c.read("GET").want(t, 200, "GET /b")
}
