package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A site is the backend of the tests of plain HTTP.
type site struct {
	step chan struct{} // each value lets /events write one event, /slow answer
	gone chan string   // paths whose client went away while the handler ran
}

func newSite() *site {
	return &site{step: make(chan struct{}, 16), gone: make(chan string, 16)}
}

func (s *site) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "" {
		upgradeAndEcho(rw, r)
		return
	}
	switch r.URL.Path {
	case "/name":
		_, _ = io.WriteString(rw, r.URL.RequestURI())
	case "/echo":
		rw.Header().Set("X-Method", r.Method)
		if b, err := io.ReadAll(r.Body); err == nil {
			_, _ = rw.Write(b)
		}
	case "/trailer":
		rw.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(rw, "with a trailer")
		rw.Header().Set("X-Sum", "42")
	case "/big":
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		rw.Header().Set("Content-Length", strconv.Itoa(n))
		_, _ = io.CopyN(rw, &pattern{}, int64(n))
	case "/sink":
		h := sha256.New()
		n, _ := io.Copy(h, r.Body)
		fmt.Fprintf(rw, "%d %x", n, h.Sum(nil))
	case "/refuse-upload":
		http.Error(rw, "no uploads", http.StatusRequestEntityTooLarge)
	case "/cut":
		rw.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(rw, "half")
		rw.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	case "/events":
		rw.Header().Set("Content-Type", "text/event-stream")
		for i := 1; i <= 3; i++ {
			if !s.wait(r) {
				return
			}
			fmt.Fprintf(rw, "data: event %d\n\n", i)
			rw.(http.Flusher).Flush()
		}
	case "/slow":
		if s.wait(r) {
			_, _ = io.WriteString(rw, "slow answer")
		}
	default:
		http.NotFound(rw, r)
	}
}

// wait returns true when the test lets the handler go on, false when the
// client is gone.
func (s *site) wait(r *http.Request) bool {
	select {
	case <-s.step:
		return true
	case <-r.Context().Done():
		s.gone <- r.URL.Path
		return false
	}
}

// A pattern is an endless stream of bytes whose period is no power of two.
type pattern struct{ at int }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(p.at % 251)
		p.at++
		if p.at == 251*256 {
			p.at = 0
		}
	}
	return len(b), nil
}

// curl runs curl and returns its standard output; an exit code other than 0
// fails the test unless want names it.
func curl(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "curl", append([]string{"-q", "-sS", "--noproxy", "*", "--max-time", "50"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Fatalf("curl %s: exit code %d, want %d\n%s", strings.Join(args, " "), code, want, errs.String())
	}
	return out.String(), errs.String()
}

// curl is served as by the backend itself.
func TestCurl(t *testing.T) {
	w := newWorld(t)
	g := w.start(simple(w.httpBackend(newSite())))
	text := string(payload(100_000, true))
	file := filepath.Join(w.dir, "body")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	if out, _ := curl(t, 0, g.http("/name?a=b%20c")); out != "/name?a=b%20c" {
		t.Errorf("GET: %q", out)
	}
	if out, _ := curl(t, 0, "--http1.0", g.http("/name")); out != "/name" {
		t.Errorf("HTTP/1.0: %q", out)
	}
	out, _ := curl(t, 0, "-I", g.http("/big?n=1000"))
	if !strings.HasPrefix(out, "HTTP/1.1 200") || !strings.Contains(out, "Content-Length: 1000") {
		t.Errorf("HEAD: %q", out)
	}
	if out, _ := curl(t, 0, "--data-binary", "@"+file, "-H", "Expect:", g.http("/echo")); out != text {
		t.Errorf("POST: %d bytes back", len(out))
	}
	if out, _ := curl(t, 0, "-X", "PUT", "-T", file, "-H", "Transfer-Encoding: chunked", "-H", "Expect:", g.http("/echo")); out != text {
		t.Errorf("chunked PUT: %d bytes back", len(out))
	}
	out, log := curl(t, 0, "-v", "--data-binary", "@"+file, "-H", "Expect: 100-continue", "--expect100-timeout", "40", g.http("/echo"))
	if out != text || !strings.Contains(log, "< HTTP/1.1 100 ") {
		t.Errorf("100-continue: %d bytes back\n%s", len(out), log)
	}
	out, log = curl(t, 0, "-v", "--data-binary", "@"+file, "-H", "Expect: 100-continue", "--expect100-timeout", "40", g.http("/refuse-upload"))
	if !strings.Contains(log, "< HTTP/1.1 413") {
		t.Errorf("refused 100-continue: %q\n%s", out, log)
	}
	out, _ = curl(t, 0, "-w", "[%{num_connects}]", g.http("/name"), g.http("/echo"), g.http("/nowhere"), g.http("/name"))
	if want := 3; target == targetGateway && strings.Count(out, "[0]") != want {
		t.Errorf("keep-alive: %q, want %d reused connections", out, want)
	}
	out, _ = curl(t, 0, "-i", "--raw", g.http("/trailer"))
	if !strings.Contains(out, "with a trailer") || (target != targetNginx && !strings.Contains(out, "X-Sum: 42")) {
		t.Errorf("trailer: %q", out)
	}
	curl(t, 18, g.http("/cut")) // 18: partial file
}

// Large bodies keep every byte in both directions.
func TestCurlLargeBodies(t *testing.T) {
	w := newWorld(t)
	g := w.start(simple(w.httpBackend(newSite())))
	const n = 48 << 20
	h := sha256.New()
	file := filepath.Join(w.dir, "upload")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.MultiWriter(f, h), &pattern{}, n); err != nil {
		t.Fatal(err)
	}
	f.Close()
	want := fmt.Sprintf("%d %x", n, h.Sum(nil))
	for _, extra := range []string{"X-A: length", "Transfer-Encoding: chunked"} {
		if out, _ := curl(t, 0, "-T", file, "-H", extra, g.http("/sink")); out != want {
			t.Errorf("upload, %s: %s, want %s", extra, out, want)
		}
	}
	down := filepath.Join(w.dir, "download")
	curl(t, 0, "-o", down, g.http(fmt.Sprint("/big?n=", n)))
	d, err := os.Open(down)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	sum := sha256.New()
	got, _ := io.Copy(sum, d)
	if fmt.Sprintf("%d %x", got, sum.Sum(nil)) != want {
		t.Errorf("download of %d bytes differs", got)
	}
}

// Node's undici pipelines requests on few connections; every answer is the
// one that belongs to its request.
func TestUndiciPipelining(t *testing.T) {
	w := newWorld(t)
	g := w.start(simple(w.httpBackend(newSite())))
	var out struct {
		OK     int
		Errors []string
	}
	runNode(t, "node/http.mjs", map[string]any{
		"origin": g.http(""), "requests": 600, "pipelining": 8, "connections": 4,
	}, &out)
	if out.OK != 600 {
		t.Errorf("%d of 600 answers: %v", out.OK, out.Errors)
	}
}

// Events are passed on as they are written, before the answer ends.
func TestServerSentEvents(t *testing.T) {
	w := newWorld(t)
	s := newSite()
	g := w.start(simple(w.httpBackend(s)))
	s.step <- struct{}{}
	c := w.dial(g.addr("/"))
	c.sends("GET /events HTTP/1.1\r\nHost: chat.test\r\n\r\n")
	r, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 3; i++ {
		want := fmt.Sprintf("data: event %d\n\n", i)
		b := make([]byte, len(want))
		if _, err := io.ReadFull(r.Body, b); err != nil || string(b) != want {
			t.Fatalf("event %d: %q %v", i, b, err)
		}
		if i < 3 {
			s.step <- struct{}{} // only now may the next one be written
		}
	}
	if rest, err := io.ReadAll(r.Body); err != nil || len(rest) > 0 {
		t.Fatalf("behind the events: %q %v", rest, err)
	}
}

// A client that gives up a long poll ends the request at the backend.
func TestLongPollAbort(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	s := newSite()
	g := w.start(simple(w.httpBackend(s)))
	for _, reset := range []bool{false, true} {
		c := w.dial(g.addr("/"))
		c.sends("GET /events HTTP/1.1\r\nHost: chat.test\r\n\r\n")
		s.step <- struct{}{}
		if _, err := c.br.ReadString('\n'); err != nil { // the handler runs
			t.Fatal(err)
		}
		if reset {
			c.reset()
		} else {
			c.Close()
		}
		select {
		case <-s.gone:
		case <-time.After(wireLimit):
			t.Fatalf("the backend never learned that its client is gone (reset: %v)", reset)
		}
	}
}

// An upgrade may follow plain requests on a kept-alive connection.
func TestUpgradeAfterPlain(t *testing.T) {
	w := newWorld(t)
	g := w.start(simple(w.httpBackend(newSite())))
	c := w.dial(g.addr("/"))
	get := func(path string) {
		t.Helper()
		c.sends("GET " + path + " HTTP/1.1\r\nHost: chat.test\r\n\r\n")
		if r, body := c.response("GET"); r.StatusCode != 200 || body != path {
			t.Fatalf("GET %s: %d %q", path, r.StatusCode, body)
		}
	}
	get("/name")
	get("/name?second")
	c.sends("POST /echo HTTP/1.1\r\nHost: chat.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	if _, body := c.response("POST"); body != "hello" {
		t.Fatalf("POST: %q", body)
	}
	c.sends(upgradeRequest("chat.test", "/ws"))
	c.accepted()
	c.echo("after three plain requests")
	c.goodbye()
}

// An upgrade pipelined behind requests that are not answered yet waits for
// their answers; so do the frames pipelined behind the upgrade.
func TestUpgradePipelined(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	s := newSite()
	g := w.start(simple(w.httpBackend(s)))
	for _, step := range []int{0, 1} {
		c := w.dial(g.addr("/"))
		all := []byte("GET /name HTTP/1.1\r\nHost: chat.test\r\n\r\n" +
			"POST /echo HTTP/1.1\r\nHost: chat.test\r\nContent-Length: 5\r\n\r\nhello" +
			"GET /slow HTTP/1.1\r\nHost: chat.test\r\n\r\n" +
			upgradeRequest("chat.test", "/ws") + string(fromClient(1, "early bird")))
		if step == 0 {
			c.send(all)
		} else {
			for i := range all {
				c.send(all[i : i+1])
			}
		}
		for _, want := range []string{"/name", "hello"} {
			if r, body := c.response("GET"); r.StatusCode != 200 || body != want {
				t.Fatalf("answer %d %q, want %q", r.StatusCode, body, want)
			}
		}
		s.step <- struct{}{} // nothing of the upgrade may have been answered before this
		if r, body := c.response("GET"); r.StatusCode != 200 || body != "slow answer" {
			t.Fatalf("answer %d %q", r.StatusCode, body)
		}
		c.accepted()
		c.wantFrame(1, "early bird")
		c.echo("and on")
		c.goodbye()
	}
}

// Bytes that a client sends right behind its upgrade request reach the backend
// after its 101, and those that a backend sends right behind its 101 reach the
// client; more than the gateway holds wait in the sockets.
func TestBytesBehindUpgrade(t *testing.T) {
	w := newWorld(t)
	hold := make(chan struct{}, 1)
	big := string(payload(3<<20, false))
	g := w.start(simple(w.rawBackend(func(c *wire) {
		<-hold
		if _, err := readHead(c.br); err != nil {
			return
		}
		// Nothing may come before the 101 is out.
		if n := c.br.Buffered(); n > 0 {
			_, _ = io.WriteString(c, "HTTP/1.1 500 Early\r\nContent-Length: 0\r\n\r\n")
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
			sampleAccept+"\r\n\r\n"+string(fromServer(1, "first"))+string(fromServer(2, big)))
		for {
			f, err := c.readFrame()
			if err != nil {
				return
			}
			_, _ = c.Write(encode(true, 0, f.head.OpCode, false, f.payload))
			if f.head.OpCode == 8 {
				return
			}
		}
	})))
	if target == targetDirect {
		t.Skip("the backend insists on a gateway that holds early bytes")
	}
	for _, size := range []int{10, 20_000, 2 << 20} {
		early := string(payload(size, true))
		c := w.dial(g.addr("/"))
		written := make(chan error, 1)
		go func() {
			_, err := c.Write([]byte(upgradeRequest("chat.test", "/") + string(fromClient(1, early))))
			written <- err
		}()
		hold <- struct{}{}
		c.accepted()
		c.wantFrame(1, "first")
		c.wantFrame(2, big)
		c.wantFrame(1, early)
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		c.goodbye()
	}
}
