package plain

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
	"wsgate/handshake"
)

// headOf proxies one request and returns the head that the endpoint got.
func headOf(t *testing.T, change func(*route.Route, *Settings), request string) []string {
	t.Helper()
	b := answering(t, nil)
	w := newWorld(t, change, b.addr)
	c := w.dial()
	if a := c.do(request); a.StatusCode != 200 {
		t.Fatalf("status %d %s", a.StatusCode, a.body)
	}
	got := b.received()
	if len(got) != 1 {
		t.Fatalf("%d connections to the endpoint", len(got))
	}
	head, _, _ := strings.Cut(got[0], "\r\n\r\n")
	return strings.Split(head, "\r\n")
}

// TestTargets: the endpoint gets the target as it was sent.
func TestTargets(t *testing.T) {
	allow := func(r *route.Route, _ *Settings) { r.AllowEncoded = true }
	for _, target := range []string{
		"/", "/a%2fb", "/a%2Fb", "/%7Euser", "/~user", "/a//b", "//x", "//x/y?q", "//x%2fy?", "//", "/?a=%zz;b", "/?", "/??", "/a?b?c",
		"/a/./b", "/a;p=1", "/a:b@c", "/a|b", "/a\"b", "/{x}", "/a%00b", "/*", "/a=b&c", "/%e4%bd%a0", "/x?http://y//z",
	} {
		t.Run(target, func(t *testing.T) {
			head := headOf(t, allow, "GET "+target+" HTTP/1.1\r\n"+host+"\r\n")
			if want := "GET " + target + " HTTP/1.1"; head[0] != want {
				t.Errorf("got %q, want %q", head[0], want)
			}
		})
	}
	t.Run("not a path", func(t *testing.T) {
		head := headOf(t, allow, "GET //a|b%2fc HTTP/1.1\r\n"+host+"\r\n")
		if want := "GET //a%7Cb%2fc HTTP/1.1"; head[0] != want {
			t.Errorf("got %q, want %q", head[0], want)
		}
	})
	t.Run("absolute", func(t *testing.T) {
		head := headOf(t, nil, "GET http://b.example:81?x HTTP/1.1\r\n"+host+"\r\n")
		if !slices.Contains(head, "Host: b.example:81") {
			t.Errorf("head %q", head)
		}
	})
}

// TestFields: what the endpoint gets of the client's fields.
func TestFields(t *testing.T) {
	head := headOf(t, nil, "GET / HTTP/1.1\r\nHost: A.example:80\r\n"+
		"X-One: 1\r\nx-two: a\r\nX-TWO: b\r\nCookie: c=d\r\nOrigin: http://o\r\nX-Named: gone\r\n"+
		"Connection: keep-alive, x-named, cookie, Origin\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTE: trailers, gzip\r\n"+
		"Pragma: no-cache\r\n"+
		"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n\r\n")
	slices.Sort(head)
	want := []string{
		"Cookie: c=d", "GET / HTTP/1.1", "Host: A.example:80", "Origin: http://o", "Pragma: no-cache", "Te: trailers",
		"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: A.example:80", "X-Forwarded-Proto: http",
		"X-One: 1", "X-Real-Ip: 127.0.0.1", "X-Two: a", "X-Two: b",
	}
	if !slices.Equal(head, want) {
		t.Errorf("got  %q\nwant %q", head, want)
	}
}

// TestTrustedPeer: behind a trusted proxy its word counts.
func TestTrustedPeer(t *testing.T) {
	head := headOf(t, func(r *route.Route, s *Settings) {
		r.Forwarded = true
		s.Trusted = func(a netip.Addr) bool { return a.IsLoopback() }
	}, "GET / HTTP/1.1\r\n"+host+"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: https\r\nForwarded: for=2.2.2.2\r\n\r\n")
	for _, want := range []string{
		"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 127.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.example", "X-Real-Ip: 2.2.2.2",
	} {
		if !slices.Contains(head, want) {
			t.Errorf("%q is missing in %q", want, head)
		}
	}
	f := slices.IndexFunc(head, func(s string) bool { return strings.HasPrefix(s, "Forwarded: for=2.2.2.2, for=127.0.0.1;") })
	if f < 0 {
		t.Errorf("no Forwarded in %q", head)
	}
}

// TestIdentityLikeUpgrade: plain requests and upgrades say the same about the client.
func TestIdentityLikeUpgrade(t *testing.T) {
	const fields = "Host: a.example\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 127.0.0.9\r\nX-Forwarded-Host: h\r\nForwarded: for=\"[::1]\"\r\nX-Real-IP: 3.3.3.3\r\n"
	for _, trusted := range []bool{false, true} {
		for _, forwarded := range []bool{false, true} {
			head := headOf(t, func(r *route.Route, s *Settings) {
				r.Forwarded = forwarded
				s.Trusted = func(a netip.Addr) bool { return trusted && a.IsLoopback() }
			}, "GET / HTTP/1.1\r\n"+fields+"\r\n")
			up := "GET / HTTP/1.1\r\n" + fields + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
			var r handshake.Request
			if done, err := r.Parse([]byte(up), &handshake.Limits{Line: 4096, Head: 4096}); !done || err != nil {
				t.Fatal(done, err)
			}
			id := handshake.Identity{Peer: netip.MustParseAddr("127.0.0.1"), Trusted: trusted, Forwarded: forwarded}
			id.Client = r.ClientAddr([]byte(up), id.Peer, func(a netip.Addr) bool { return trusted && a.IsLoopback() })
			want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(r.AppendUpgrade(nil, []byte(up), &id, nil)))))
			if err != nil {
				t.Fatal(err)
			}
			got, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.Join(head, "\r\n") + "\r\n\r\n")))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Forwarded"} {
				if !slices.Equal(got.Header[name], want.Header[name]) {
					t.Errorf("trusted %v: %s is %q, in an upgrade %q", trusted, name, got.Header[name], want.Header[name])
				}
			}
		}
	}
}

func TestRules(t *testing.T) {
	rules := &handshake.Rules{
		RequestSet:     []handshake.Header{{Name: "X-Set", Value: "new"}},
		RequestRemove:  []string{"X-Gone"},
		ResponseSet:    []handshake.Header{{Name: "X-Answer", Value: "set"}},
		ResponseRemove: []string{"Server"},
		Host:           "inner.example",
	}
	var got *http.Request
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("Server", "secret")
		w.Header().Set("X-Answer", "other")
	})
	w := newWorld(t, func(r *route.Route, _ *Settings) { r.Rules = rules }, addr)
	a := w.dial().do("GET / HTTP/1.1\r\n" + host + "X-Set: old\r\nX-Gone: 1\r\n\r\n")
	if got.Host != "inner.example" || got.Header.Get("X-Set") != "new" || got.Header["X-Gone"] != nil || got.Header.Get("X-Forwarded-Host") != "a.example" {
		t.Errorf("request: %s %v", got.Host, got.Header)
	}
	if a.Header.Get("X-Answer") != "set" || a.Header["Server"] != nil {
		t.Errorf("response: %v", a.Header)
	}
}

// TestResponses passes on what an endpoint says, and nothing else.
func TestResponses(t *testing.T) {
	for _, tc := range []struct {
		name, method, response string
		want                   string // of the response, after Date
		ends                   bool
	}{
		{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: x\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: x\r\n\r\nok", false},
		{"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\nDate: x\r\nX: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\nDate: x\r\nX: 1\r\n\r\n", false},
		{"204", "GET", "HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n", "HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n", false},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nDate: x\r\nEtag: y\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nDate: x\r\nEtag: y\r\n\r\n", false},
		{"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: x\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false},
		{"trailer", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\nDate: x\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nDate: x\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n", false},
		{"until close", "GET", "HTTP/1.0 200 OK\r\nDate: x\r\n\r\nok", "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false},
		{"hop-by-hop", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nUpgrade: h2c\r\nKeep-Alive: 5\r\nDate: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: x\r\n\r\n", false},
		{"interim", "GET", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: x\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: x\r\n\r\n", false},
		{"client error", "GET", "HTTP/1.1 499 Odd\r\nContent-Length: 1\r\nDate: x\r\n\r\n!", "HTTP/1.1 499 status code 499\r\nContent-Length: 1\r\nDate: x\r\n\r\n!", false},
		{"cut length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nDate: x\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nDate: x\r\n\r\nok", true},
		{"cut chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: x\r\n\r\n9\r\nok", "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newRawBackend(t, func(c net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					io.WriteString(c, tc.response)
				}
			})
			w := newWorld(t, nil, b.addr)
			c := w.dial()
			c.send(tc.method + " / HTTP/1.1\r\n" + host + "\r\n")
			got := make([]byte, len(tc.want))
			if _, err := io.ReadFull(c.r, got); err != nil || string(got) != tc.want {
				t.Errorf("got  %q %v\nwant %q", got, err, tc.want)
			}
			r := w.log.next()
			if !tc.ends {
				if r.Who != 0 || r.Endpoint != b.addr {
					t.Errorf("record %+v", r)
				}
				// The connection is usable, and nothing was left on it.
				c.send("FOO\r\n\r\n")
				if a := c.read("GET"); a.StatusCode != 400 {
					t.Errorf("then %d", a.StatusCode)
				}
				return
			}
			c.wantEnd()
			if r.Who != record.Upstream || r.Phase != record.PhaseAnswer {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// TestCutUntilClose: a client that could only see the end of the connection is
// reset when the response was not whole.
func TestCutUntilClose(t *testing.T) {
	b := newRawBackend(t, func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n9\r\nx")
	})
	w := newWorld(t, nil, b.addr)
	c := w.dial()
	c.send("GET / HTTP/1.0\r\n\r\n")
	if _, err := io.ReadAll(c.Conn); err == nil {
		t.Error("the response looks whole")
	}
}

// TestHTTP10: responses to HTTP/1.0 clients.
func TestHTTP10(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "2")
		}
		w.WriteHeader(103)
		io.WriteString(w, "o")
		http.NewResponseController(w).Flush()
		io.WriteString(w, "k")
	})
	w := newWorld(t, nil, addr)
	c := w.dial()
	a := c.do("GET /length HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	a.want(t, 200, "ok")
	if a.Header.Get("Connection") != "keep-alive" {
		t.Errorf("header %v", a.Header)
	}
	a = c.do("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	a.want(t, 200, "ok")
	if len(a.TransferEncoding) != 0 {
		t.Error("chunked to a client of HTTP/1.0")
	}
	c.wantEnd()
}

// TestSwitchUnasked: a 101 that nobody asked for is a fault of the endpoint.
func TestSwitchUnasked(t *testing.T) {
	b := newRawBackend(t, func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
	})
	for _, request := range []string{
		"GET / HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"GET / HTTP/1.1\r\n" + host + "Upgrade: websocket\r\n\r\n",
		"GET / HTTP/1.0\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"GET / HTTP/1.1\r\n" + host + "\r\n",
	} {
		w := newWorld(t, nil, b.addr)
		if a := w.dial().do(request); a.StatusCode != 502 {
			t.Errorf("%q: status %d", request, a.StatusCode)
		}
	}
	for _, s := range b.received() {
		if strings.Contains(strings.ToLower(s), "upgrade:") {
			t.Errorf("the endpoint got %q", s)
		}
	}
}

// TestTrailers: announced trailers pass upwards.
func TestTrailers(t *testing.T) {
	got := make(chan http.Header, 1)
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		got <- r.Trailer
	})
	w := newWorld(t, nil, addr)
	c := w.dial()
	c.do("POST / HTTP/1.1\r\n"+host+"Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"2\r\nab\r\n0\r\nX-Sum: 9\r\nX-Other: 1\r\n\r\n").want(t, 200, "")
	if h := <-got; len(h) != 1 || h.Get("X-Sum") != "9" {
		t.Errorf("trailers %v", h)
	}
	c.do("POST / HTTP/1.1\r\n"+host+"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 9\r\n\r\n").want(t, 200, "")
	if h := <-got; len(h) != 0 {
		t.Errorf("trailers %v", h)
	}
}

// TestUnix: clients and endpoints on unix sockets.
func TestUnix(t *testing.T) {
	dir := tempDir(t)
	path := filepath.Join(dir, "app.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, ln, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %q %q", r.Host, r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Real-Ip"))
	})
	w := newWorld(t, nil, "unix:"+path)
	w.dial().do("GET / HTTP/1.1\r\n"+host+"\r\n").want(t, 200, `a.example "127.0.0.1" "127.0.0.1"`)
	w.ln.Close()
	w.accept.Wait()
	w.listen("unix", filepath.Join(dir, "gw.sock"))
	w.dial().do("GET / HTTP/1.1\r\n"+host+"\r\n").want(t, 200, `a.example "" ""`)
}

// TestNoRoute: the gateway's own answer keeps the connection.
func TestNoRoute(t *testing.T) {
	w := newWorld(t, func(r *route.Route, s *Settings) { r.Path = "/app" }, refusing(t))
	c := w.dial()
	for range 2 {
		a := c.do("GET /other HTTP/1.1\r\n" + host + "\r\n")
		if a.StatusCode != 404 || a.Close {
			t.Errorf("got %d, close %v", a.StatusCode, a.Close)
		}
		if r := w.log.next(); r.Refusal != "no_route" || r.Route != "" || string(r.Target) != "/other" {
			t.Errorf("record %+v", r)
		}
	}
	if a := c.do("HEAD /other HTTP/1.1\r\n" + host + "\r\n"); a.StatusCode != 404 || a.body != "" {
		t.Errorf("HEAD: %d %q", a.StatusCode, a.body)
	}
	c.do("GET /other HTTP/1.1\r\n" + host + "\r\n")
	n := record.NewCounters()
	w.srv.Counters(n)
	if n.Refusals["no_route"] != 4 || n.Plain != 1 {
		t.Errorf("counters: %v, %d connections", n.Refusals, n.Plain)
	}
}
