package plain

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
)

// TestPage: what an endpoint gets of a request over HTTP/2, and what of its
// response comes back.
func TestPage(t *testing.T) {
	b := answering(t, nil)
	w := newWorld(t, nil, b.addr)
	addr := w.listen2(true)
	req, _ := http.NewRequest("POST", "http://"+addr+"/a//b?c=%zz", strings.NewReader("hello"))
	req.Host = "A.example:81"
	req.Header = http.Header{
		"X-One": {"1", "2"}, "Te": {"trailers"}, "Cookie": {"a=b", "c=d"}, "User-Agent": {"tester"},
		"X-Forwarded-For": {"1.1.1.1"}, "X-Real-Ip": {"1.1.1.1"}, "Http2-Settings": {"x"},
	}
	res, err := pages(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 || res.ProtoMajor != 2 || string(body) != "POST /a//b?c=%zz" {
		t.Errorf("got %s %s %q", res.Proto, res.Status, body)
	}
	head, rest, _ := strings.Cut(b.received()[0], "\r\n\r\n")
	got := strings.Split(head, "\r\n")
	slices.Sort(got)
	want := []string{
		"Content-Length: 5", "Cookie: a=b; c=d", "Host: A.example:81", "POST /a//b?c=%zz HTTP/1.1", "Te: trailers", "User-Agent: tester",
		"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: A.example:81", "X-Forwarded-Proto: https", "X-One: 1", "X-One: 2", "X-Real-Ip: 127.0.0.1",
	}
	if !slices.Equal(got, want) || rest != "hello" {
		t.Errorf("got  %q %q\nwant %q", got, rest, want)
	}
	r := w.log.next()
	if r.Proto != "HTTP/2" || r.Status != 200 || string(r.Target) != "/a//b?c=%zz" || r.Received != 5 || r.Who != 0 || r.Tries != 1 {
		t.Errorf("record %+v", r)
	}
}

// TestPageTrailers: trailers pass in both directions.
func TestPageTrailers(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%s %s", b, r.Trailer.Get("X-In"))
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "7")
	})
	w := newWorld(t, nil, addr)
	c := dial2(t, w.listen2(false))
	for i, length := range [][]string{nil, {"content-length: 4"}} {
		id := uint32(2*i + 1)
		c.headers(id, false, append([]string{":method: POST", ":scheme: http", ":authority: a", ":path: /", "te: trailers", "trailer: x-in"}, length...)...)
		c.WriteData(id, false, []byte("data"))
		c.headers(id, true, "x-in: 5")
		if a := c.over(id); a.status != "200" || string(a.data) != "data 5" || a.trailer["x-sum"] != "7" {
			t.Errorf("%v: got %+v", length, a)
		}
	}
}

// TestPageInterim: 103 is passed on, and a client that waits is told to go on,
// by 100 at least: what else comes meanwhile may be dropped.
func TestPageInterim(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</x>")
		w.WriteHeader(103)
		io.Copy(w, r.Body)
	})
	w := newWorld(t, nil, addr)
	c := dial2(t, w.listen2(false))
	for i, want := range []string{"103map[link:</x>]", "100map[]"} {
		id := uint32(2*i + 1)
		fields := []string{":method: POST", ":scheme: http", ":authority: a", ":path: /"}
		if i == 1 {
			fields = append(fields, "expect: 100-continue")
		}
		c.headers(id, false, fields...)
		a := c.at(id)
		c.until(want, func() bool { return slices.Contains(a.interim, want) })
		c.WriteData(id, true, []byte("abc"))
		c.over(id)
		if string(a.data) != "abc" {
			t.Errorf("got %+v", a)
		}
	}
}

// TestPageRefusals: one parser judges HTTP/1.1 and HTTP/2.
func TestPageRefusals(t *testing.T) {
	w := newWorld(t, func(r *route.Route, s *Settings) { r.Path = "/in" }, refusing(t))
	c := dial2(t, w.listen2(false))
	long := strings.Repeat("x", 9<<10)
	base := []string{":method: GET", ":scheme: http", ":authority: a", ":path: /in"}
	with := func(i int, f string, more ...string) []string {
		b := slices.Clone(base)
		b[i] = f
		return append(b, more...)
	}
	tests := []struct {
		name   string
		fields []string
		status string
		reason string
	}{
		{"absolute", with(3, ":path: http://evil/in"), "400", "bad_target"},
		{"space", with(3, ":path: /in HTTP/1.1"), "400", "bad_target"},
		{"method", with(0, ":method: GET /in HTTP/1.1"), "400", ""},
		{"trace", with(0, ":method: TRACE"), "405", "method_refused"},
		{"two hosts", append(slices.Clone(base), "host: b"), "400", "two_hosts"},
		{"bad authority", with(2, ":authority: a b"), "400", ""},
		{"no authority", []string{":method: GET", ":scheme: http", ":path: /in"}, "400", "no_host"},
		{"line", with(3, ":path: /in"+long), "414", "start_line_too_long"},
		{"field", append(slices.Clone(base), "x: "+long), "431", "field_too_long"},
		{"expect", append(slices.Clone(base), "expect: tea"), "417", "expectation"},
		{"length", append(slices.Clone(base), "content-length: 5"), "400", "body_length"},
		{"alias", append(slices.Clone(base), "content_length: 5"), "400", "field_alias"},
		{"no route", with(3, ":path: /out"), "404", "no_route"},
		{"above", with(3, ":path: /../in"), "400", "path_above_root"},
		{"down", base, "502", "bad_gateway"},
	}
	for i, tt := range tests {
		id := uint32(2*i + 1)
		c.headers(id, true, tt.fields...)
		a := c.over(id)
		if a.status != tt.status || strings.Count(string(a.data), "\n") != 1 {
			t.Errorf("%s: got %s %q, want %s and a line", tt.name, a.status, a.data, tt.status)
		}
		r := w.log.next()
		if fmt.Sprint(r.Status) != tt.status || tt.reason != "" && r.Refusal != tt.reason || r.Proto != "HTTP/2" {
			t.Errorf("%s: record %+v", tt.name, r)
		}
	}
	if c.goaway != nil {
		t.Errorf("the connection ends: %v", c.goaway)
	}
	if c.frames != 16384 || c.streams != 250 || c.connect {
		t.Errorf("announced: frames of %d, %d streams, extended CONNECT %v", c.frames, c.streams, c.connect)
	}
}

// TestPageBodyTimeout: a body that stalls is answered 408, and a client that
// grants no window is reset.
func TestPageBodyTimeout(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			io.Copy(io.Discard, r.Body)
			return
		}
		w.Write(make([]byte, 1<<20))
	})
	w := newWorld(t, func(_ *route.Route, s *Settings) { s.RequestBody, s.Send = 50*time.Millisecond, 50*time.Millisecond }, addr)
	c := dial2(t, w.listen2(false))
	c.headers(1, false, ":method: POST", ":scheme: http", ":authority: a", ":path: /")
	if a := c.over(1); a.status != "408" {
		t.Errorf("got %+v", a)
	}
	if r := w.log.next(); r.Refusal != "body_timeout" || r.Who != record.Client {
		t.Errorf("record %+v", r)
	}
	c.grant = false
	c.get(3, "/")
	if a := c.over(3); a.reset == nil {
		t.Errorf("not reset: %s, %d bytes", a.status, len(a.data))
	}
	if r := w.log.next(); r.Who != record.Client {
		t.Errorf("record %+v", r)
	}
}

// TestPageCut: a response that breaks off resets the stream, a client that
// resets one cancels the request, and the connection lives on.
func TestPageCut(t *testing.T) {
	arrived, canceled := make(chan struct{}), make(chan struct{})
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "five")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "/wait":
			close(arrived)
			<-r.Context().Done()
			close(canceled)
		}
	})
	w := newWorld(t, nil, addr)
	c := dial2(t, w.listen2(false))
	c.get(1, "/cut")
	if a := c.over(1); a.reset == nil || string(a.data) != "five" {
		t.Errorf("got %+v", a)
	}
	if r := w.log.next(); r.Who != record.Upstream {
		t.Errorf("record %+v", r)
	}
	c.get(3, "/wait")
	<-arrived
	c.WriteRSTStream(3, 8)
	<-canceled
	if r := w.log.next(); r.Who != record.Client || r.Status != 0 {
		t.Errorf("record %+v", r)
	}
	c.get(5, "/")
	if a := c.over(5); a.status != "200" {
		t.Errorf("got %+v", a)
	}
}

// TestDrain2: a GOAWAY, requests in flight finish, what outlasts the deadline
// is cut; a connection that comes late is served one request.
func TestDrain2(t *testing.T) {
	arrived, release := make(chan struct{}, 2), make(chan struct{})
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			return
		}
		arrived <- struct{}{}
		if r.URL.Path == "/slow" {
			<-release
			return
		}
		<-r.Context().Done()
	})
	w := newWorld(t, nil, addr)
	at := w.listen2(false)
	idle, slow, never := dial2(t, at), dial2(t, at), dial2(t, at)
	idle.get(1, "/")
	idle.over(1)
	slow.get(1, "/slow")
	never.get(1, "/never")
	<-arrived
	<-arrived
	ctx, cancel := context.WithCancel(context.Background())
	drained := make(chan error, 1)
	go func() { drained <- w.srv.Drain(ctx) }()
	for _, c := range []*h2client{idle, slow, never} {
		c.until("GOAWAY", func() bool { return c.goaway != nil })
		if c.goaway.ErrCode != 0 || c.goaway.LastStreamID != 1 {
			t.Errorf("goaway %v", c.goaway)
		}
	}
	if err := idle.closed(); err != io.EOF {
		t.Errorf("idle: %v", err)
	}
	late := dial2(t, at)
	late.get(1, "/")
	if a := late.over(1); a.status != "200" {
		t.Errorf("late: %+v", a)
	}
	late.until("GOAWAY", func() bool { return late.goaway != nil })
	close(release)
	if a := slow.over(1); a.status != "200" {
		t.Errorf("got %+v", a)
	}
	if err := slow.closed(); err != io.EOF {
		t.Errorf("slow: %v", err)
	}
	cancel()
	if err := <-drained; err != context.Canceled {
		t.Errorf("drain: %v", err)
	}
	if never.closed() == nil || never.at(1).ended {
		t.Error("not cut")
	}
	for {
		if r := w.log.next(); string(r.Target) == "/never" {
			if r.Who != record.Operator {
				t.Errorf("record %+v", r)
			}
			return
		}
	}
}

// TestCurl: curl with prior knowledge, which is nghttp2.
func TestCurl(t *testing.T) {
	v, err := exec.Command("curl", "--version").Output()
	if err != nil || !strings.Contains(string(v), "HTTP2") {
		t.Skip("no curl that speaks HTTP/2")
	}
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %d", r.Method, n)
	})
	w := newWorld(t, nil, addr)
	cmd := exec.Command("curl", "-sS", "--http2-prior-knowledge", "-m", "20", "-w", " %{http_version} %{http_code}", "--data-binary", "@-", "http://"+w.listen2(false)+"/x")
	cmd.Stdin = strings.NewReader(strings.Repeat("x", 3<<20))
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != fmt.Sprintf("POST %d 2 200", 3<<20) {
		t.Errorf("%v %s", err, out)
	}
}
