package plain

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
)

// TestChaos lets many clients of every temper loose on endpoints of every
// temper. Whoever behaves must get what is due; nothing may panic, leak or
// stay behind (the world looks), and no response may reach a wrong request.
func TestChaos(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		switch r.URL.Query().Get("do") {
		case "early":
			rc.EnableFullDuplex() // with a body left unread net/http would panic later
			w.WriteHeader(200)
			rc.Flush()
			io.Copy(io.Discard, r.Body)
		case "ignore":
		case "abort":
			io.WriteString(w, "some")
			rc.Flush()
			panic(http.ErrAbortHandler)
		case "die":
			panic(http.ErrAbortHandler)
		default:
			io.Copy(io.Discard, r.Body)
		}
		io.WriteString(w, r.URL.Path)
	})
	w := newWorld(t, nil, addr)
	do := []string{"", "", "", "early", "ignore", "abort", "die"}
	var all sync.WaitGroup
	for k := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			rnd := rand.New(rand.NewPCG(uint64(k), 1))
			for i := range 40 {
				chaoticClient(t, w, rnd, fmt.Sprintf("%d-%d", k, i), do)
			}
		}()
	}
	all.Wait()
}

// chaoticClient sends a few requests on one connection and may leave at any time.
func chaoticClient(t *testing.T, w *world, rnd *rand.Rand, name string, do []string) {
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	br := bufio.NewReader(nc)
	for i := range 5 {
		what := do[rnd.IntN(len(do))]
		path := fmt.Sprintf("/%s-%d", name, i)
		size := []int{0, 1, 100, 5000, 70000, 400000}[rnd.IntN(6)]
		var q strings.Builder
		fmt.Fprintf(&q, "POST %s?do=%s HTTP/1.1\r\n"+host, path, what)
		if rnd.IntN(2) == 0 {
			fmt.Fprintf(&q, "Content-Length: %d\r\n\r\n%s", size, strings.Repeat("b", size))
		} else {
			q.WriteString("Transfer-Encoding: chunked\r\n\r\n")
			for left := size; left > 0; {
				n := min(left, 1+rnd.IntN(30000))
				fmt.Fprintf(&q, "%x\r\n%s\r\n", n, strings.Repeat("c", n))
				left -= n
			}
			q.WriteString("0\r\n\r\n")
		}
		s := q.String()
		if rnd.IntN(8) == 0 { // leave in the middle
			io.WriteString(nc, s[:rnd.IntN(len(s))])
			if rnd.IntN(2) == 0 {
				nc.(*net.TCPConn).SetLinger(0)
			}
			return
		}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			io.WriteString(nc, s)
		}()
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			nc.Close()
			<-sent
			if what == "" || what == "early" || what == "ignore" && size == 0 {
				t.Errorf("%s %q %d: %v", path, what, size, err)
			}
			return
		}
		body, err := io.ReadAll(res.Body)
		if good := err == nil && string(body) == path; !good && (what == "" || what == "early") || what == "abort" && err == nil && res.StatusCode == 200 {
			t.Errorf("%s %q %d: %d %q %v", path, what, size, res.StatusCode, body, err)
		}
		if err != nil || res.Close {
			nc.Close()
			<-sent
			return
		}
		<-sent
	}
}

// TestManyPipelined: a burst of requests beyond every buffer, in one write.
func TestManyPipelined(t *testing.T) {
	w := newWorld(t, nil, answering(t, nil).addr)
	c := w.dial()
	var s strings.Builder
	for i := range 500 {
		fmt.Fprintf(&s, "POST /%d HTTP/1.1\r\n"+host+"Content-Length: 30\r\n\r\n%030d", i, i)
	}
	go io.WriteString(c.Conn, s.String())
	for i := range 500 {
		c.read("POST").want(t, 200, fmt.Sprintf("POST /%d", i))
	}
}

// TestStalledClient: a client that reads nothing for timeouts.send is given up.
func TestStalledClient(t *testing.T) {
	ended := make(chan struct{})
	b := newRawBackend(t, func(c net.Conn) {
		defer close(ended)
		http.ReadRequest(bufio.NewReader(c))
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 1<<30)
		piece := make([]byte, 64<<10)
		for range 1 << 14 {
			if _, err := c.Write(piece); err != nil {
				return
			}
		}
		t.Error("all of it was taken")
	})
	w := newWorld(t, func(_ *route.Route, s *Settings) { s.Send = 100 * time.Millisecond }, b.addr)
	c := w.dial()
	c.send("GET / HTTP/1.1\r\n" + host + "\r\n")
	<-ended
	if r := w.log.next(); r.Who != record.Client || r.Phase != record.PhaseAnswer || r.Status != 200 {
		t.Errorf("record %+v", r)
	}
}

// TestNoDescriptor: an upgrade that cannot be given back for want of a
// descriptor is answered, and its connection released.
func TestNoDescriptor(t *testing.T) {
	w := newWorld(t, nil, answering(t, nil).addr)
	c := w.dial()
	c.do("GET /a HTTP/1.1\r\n"+host+"\r\n").want(t, 200, "GET /a")
	w.log.next()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	c.send(upgrade)
	a := c.read("GET")
	if a.StatusCode != 503 || a.Header.Get("Retry-After") == "" || !a.Close {
		t.Errorf("got %d %v", a.StatusCode, a.Header)
	}
	c.wantEnd()
	if r := w.log.next(); r.Refusal != "no_resource" || !r.Upgrade {
		t.Errorf("record %+v", r)
	}
}

// TestNoDescriptorUpstream: the gateway's own want is no fault of the endpoint.
func TestNoDescriptorUpstream(t *testing.T) {
	w := newWorld(t, nil, answering(t, nil).addr)
	c := w.dial()
	c.send("GET /a HT")
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	d := w.dial() // accepted behind c, and served: both are open now
	d.do("GET http://a.example/x HTTP/1.1\r\n"+host+"\r\n").want(t, 200, "GET /x")
	w.log.next()
	w.srv.CloseIdleUpstream()
	none := limit
	none.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	c.send("TP/1.1\r\n" + host + "\r\n")
	if a := c.read("GET"); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %v", a.StatusCode, a.Header)
	}
	if r := w.log.next(); r.Refusal != "no_resource" || r.Who != record.Gateway || r.Tries != 1 {
		t.Errorf("record %+v", r)
	}
}
