package e2e

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
)

// describe writes one frame in a line.
func describe(f frame) string {
	p := hex.EncodeToString(f.payload)
	if len(f.payload) > 40 {
		h := fnv.New64a()
		_, _ = h.Write(f.payload)
		p = fmt.Sprintf("%d bytes, fnv %x", len(f.payload), h.Sum64())
	}
	return fmt.Sprintf("fin=%v rsv=%d op=%x masked=%v %s", f.head.Fin, f.head.Rsv, f.head.OpCode, f.head.Masked, p)
}

// write sends the case's bytes in the pieces that it asks for.
func (k confCase) write(c net.Conn) error {
	step := k.chop
	if step == 0 {
		step = len(k.send)
	}
	for at := 0; at < len(k.send); at += step {
		if _, err := c.Write(k.send[at:min(at+step, len(k.send))]); err != nil {
			return err
		}
	}
	return nil
}

// silence is how long the receiver may say nothing to a fatal case before the
// sender takes it for one that does not mind, and closes. A Close that crosses
// the receiver's own changes nothing that is compared.
const silence = 250 * time.Millisecond

// transcript plays a case against the server at addr and returns what that
// answered, frame by frame. How the connection ended is not part of it: a
// server that closes with bytes unread resets, and whether it had read them is
// a matter of time.
func (k confCase) transcript(addr, path string) (string, error) {
	nc, err := net.DialTimeout("tcp", addr, wireLimit)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	c := newWire(nil, nc)
	var extra []string
	if k.deflate {
		extra = append(extra, "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover")
	}
	if _, err := c.Write([]byte(upgradeRequest("chat.test", path, extra...))); err != nil {
		return "", err
	}
	head, err := readHead(c.br)
	if err != nil || !strings.HasPrefix(string(head), "HTTP/1.1 101 ") {
		return "", fmt.Errorf("upgrade: %q %w", head, err)
	}
	if err := k.write(c); err != nil && !k.fatal {
		return "", err
	}
	bye := fromClient(ws.OpClose, closeBody(1000, ""))
	if !k.fatal {
		if _, err := c.Write(bye); err != nil {
			return "", err
		}
	} else {
		_ = c.SetReadDeadline(time.Now().Add(silence))
	}
	var out []string
	for {
		f, err := c.readFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) && k.fatal {
			k.fatal = false
			c.extend()
			_, _ = c.Write(bye)
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return strings.Join(out, "\n"), fmt.Errorf("the connection never ended: %w", err)
		}
		if err != nil {
			return strings.Join(append(out, "end"), "\n"), nil
		}
		out = append(out, describe(f))
		if f.head.OpCode == ws.OpClose {
			c.extend()
			_ = nc.(*net.TCPConn).CloseWrite()
		}
	}
}

// Every case gives the same answers through the gateway as without it, for
// servers of three libraries.
func TestConformanceOfServers(t *testing.T) {
	w := newWorld(t)
	node, _ := w.nodeServer(map[string]any{"deflate": true})
	servers := []struct {
		name, addr string
		goodOnly   bool
	}{
		{"ws", node, false},
		{"coder", w.coderEcho(true, false), false},
		// gobwas leaves a connection that broke the protocol without a Close, and
		// whether by FIN or RST is a matter of time; a gateway turns RST into 1011.
		{"gobwas", w.gobwasEcho(), true},
	}
	var c conf
	for _, s := range servers {
		c.routes = append(c.routes, routeConf{path: "/" + s.name, to: []string{s.addr}, frames: "observe"})
	}
	g := w.start(c)
	for _, s := range servers {
		var list []confCase
		for _, k := range confCases(true) {
			if !s.goodOnly || (!k.fatal && !k.deflate) {
				list = append(list, k)
			}
		}
		eachOf(list, 20, func(k confCase) {
			want, err := k.transcript(s.addr, "/"+s.name)
			if err != nil {
				t.Errorf("%s, %s: without the gateway: %v after\n%s", s.name, k.name, err, want)
				return
			}
			got, err := k.transcript(g.addr("/"+s.name), "/"+s.name)
			if err != nil || got != want {
				t.Errorf("%s, %s: through the gateway: %v\n%s\nwithout it:\n%s", s.name, k.name, err, got, want)
			}
		})
		t.Logf("%s: %d cases", s.name, len(list))
	}
}

// eachOf runs f for each item, n at a time.
func eachOf[T any](items []T, n int, f func(T)) {
	next := make(chan T)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for k := range next {
				f(k)
			}
		})
	}
	for _, k := range items {
		next <- k
	}
	close(next)
	wg.Wait()
}

// A caseServer plays the case whose number the target ends with, in the same
// write as its 101 or behind it, and keeps the frames that the client sent.
type caseServer struct {
	cases []confCase
	mu    sync.Mutex
	got   map[string][]string // by target
	done  map[string]chan struct{}
}

func newCaseServer(cases []confCase) *caseServer {
	return &caseServer{cases: cases, got: map[string][]string{}, done: map[string]chan struct{}{}}
}

func (s *caseServer) finished(target string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done[target] == nil {
		s.done[target] = make(chan struct{})
	}
	return s.done[target]
}

func (s *caseServer) serve(c *wire) {
	head, err := accept101(c)
	if err != nil {
		return
	}
	target := strings.Fields(string(head))[1]
	n, err := strconv.Atoi(target[strings.LastIndexByte(target, '/')+1:])
	if err != nil || n >= len(s.cases) {
		return
	}
	k := s.cases[n]
	_ = k.write(c)
	bye := fromServer(ws.OpClose, closeBody(1000, ""))
	if !k.fatal {
		_, _ = c.Write(bye)
	} else {
		_ = c.SetReadDeadline(time.Now().Add(silence))
	}
	var got []string
	for {
		f, err := c.readFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) && k.fatal {
			k.fatal = false
			c.extend()
			_, _ = c.Write(bye)
			continue
		}
		if err != nil {
			break
		}
		got = append(got, describe(f))
		if f.head.OpCode == ws.OpClose {
			c.extend()
			_ = c.Conn.(*net.TCPConn).CloseWrite()
		}
	}
	s.mu.Lock()
	s.got[target] = got
	s.mu.Unlock()
	close(s.finished(target))
}

// received waits until the session of target is over.
func (s *caseServer) received(t *testing.T, target string) string {
	t.Helper()
	select {
	case <-s.finished(target):
	case <-time.After(wireLimit):
		t.Fatalf("%s: the backend's connection never ended", target)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.got[target], "\n")
}

// Clients judge what a server sends the same way through the gateway as
// without it, and their answers reach the server unchanged.
func TestConformanceOfClients(t *testing.T) {
	w := newWorld(t)
	var cases []confCase
	for _, k := range confCases(false) {
		if !k.deflate && k.name != "10 length with the top bit" {
			cases = append(cases, k)
		}
	}
	s := newCaseServer(cases)
	backend := w.rawBackend(s.serve)
	g := w.start(conf{routes: []routeConf{{to: []string{backend}, frames: "observe"}}})

	t.Run("ws", func(t *testing.T) {
		var urls []string
		for i := range cases {
			urls = append(urls,
				fmt.Sprintf("ws://%s/ws/direct/%d", backend, i), fmt.Sprintf("%s%d", g.url("/ws/gate/"), i))
		}
		events := nodeListen(t, urls)
		for i, k := range cases {
			compare(t, k.name, "events", strings.Join(events[2*i+1], "\n"), strings.Join(events[2*i], "\n"))
			compare(t, k.name, "frames from the client",
				s.received(t, fmt.Sprintf("/ws/gate/%d", i)), s.received(t, fmt.Sprintf("/ws/direct/%d", i)))
		}
	})
	t.Run("coder", func(t *testing.T) {
		numbers := make([]int, len(cases))
		for i := range numbers {
			numbers[i] = i
		}
		eachOf(numbers, 24, func(i int) {
			want := coderListen(fmt.Sprintf("ws://%s/coder/direct/%d", backend, i))
			got := coderListen(fmt.Sprintf("%s%d", g.url("/coder/gate/"), i))
			compare(t, cases[i].name, "events", got, want)
		})
	})
	t.Logf("%d cases", len(cases))
}

func compare(t *testing.T, name, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s through the gateway:\n%s\nwithout it:\n%s", name, what, got, want)
	}
}

// coderListen reports the messages a coder/websocket client receives and the
// close status that ends them.
func coderListen(url string) string {
	ctx, cancel := context.WithTimeout(context.Background(), wireLimit)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return "dial: " + err.Error()
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	var out []string
	for {
		typ, b, err := c.Read(ctx)
		if err != nil {
			return strings.Join(append(out, fmt.Sprintf("closed %d", websocket.CloseStatus(err))), "\n")
		}
		h := fnv.New64a()
		_, _ = h.Write(b)
		out = append(out, fmt.Sprintf("%v of %d, fnv %x", typ, len(b), h.Sum64()))
	}
}
