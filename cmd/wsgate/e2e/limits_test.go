package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// violations are frames that break RFC 6455 whoever negotiated what.
func violations(masked bool) map[string][]byte {
	s := &script{masked: masked}
	wrong := &script{masked: !masked}
	return map[string][]byte{
		"wrong masking":        wrong.text("bad"),
		"reserved bit":         s.f(true, 1, ws.OpText, "bad"),
		"rsv1 not negotiated":  s.f(true, 4, ws.OpText, "bad"),
		"reserved opcode":      s.f(true, 0, 3, "bad"),
		"reserved control":     s.f(true, 0, 11, "bad"),
		"long ping":            s.ping(strings.Repeat("x", 126)),
		"fragmented ping":      s.f(false, 0, ws.OpPing, "bad"),
		"nothing to continue":  s.last("bad"),
		"text inside a text":   append(s.first("begun"), s.text("bad")...),
		"length with high bit": {0x82, s.maskBit() | 127, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4},
	}
}

func (s *script) maskBit() byte {
	if s.masked {
		return 0x80
	}
	return 0
}

// Under frames: enforce a violation ends the session with 1002 on both sides,
// after what came before it has been delivered.
func TestEnforce(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	addr, accepted := w.handBackend()
	c := conf{routes: []routeConf{{to: []string{addr}, frames: "enforce"}}}
	g := w.start(c)
	n := 0
	for _, fromTheClient := range []bool{true, false} {
		for name, bad := range violations(fromTheClient) {
			n++
			p := g.pair(fmt.Sprintf("/v/%d", n), accepted)
			from, to := p.client, p.backend
			if !fromTheClient {
				from, to = p.backend, p.client
			}
			before := encode(true, 0, ws.OpText, fromTheClient, []byte("before it"))
			from.send(append(before, bad...))
			to.wantFrame(ws.OpText, "before it")
			if name == "text inside a text" {
				to.wantFrame(ws.OpText, "begun")
			}
			to.wantClose(1002)
			from.wantClose(1002)
			to.send(encode(true, 0, ws.OpClose, !fromTheClient, []byte(closeBody(1002, ""))))
			to.waitEnd()
			from.waitEnd()
			_, l := g.closeOf(fmt.Sprintf("/v/%d", n))
			by := map[bool]string{true: "client", false: "upstream"}[fromTheClient]
			if l.Code != 1002 || l.By != by || l.Violation == "" || l.Violator != by {
				t.Errorf("%s: close line %+v", name, l)
			}
		}
	}
	g.waitMetric("every violation is counted", func(m metrics) bool {
		return m.sum("wsgate_frame_violations_total") == float64(n)
	})
}

// Under frames: observe the same frames pass, and are noted.
func TestObserveNotesViolations(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	addr, accepted := w.handBackend()
	g := w.start(simple(addr))
	n := 0
	for name, bad := range violations(true) {
		n++
		p := g.pair(fmt.Sprintf("/v/%d", n), accepted)
		p.client.send(append(bad, "and whatever follows"...))
		p.client.closeWrite()
		if got, _ := p.backend.readAll(); string(got) != string(bad)+"and whatever follows" {
			t.Errorf("%s: the backend got %q", name, got)
		}
		p.backend.Close()
		p.client.wantEOF()
		if _, l := g.closeOf(fmt.Sprintf("/v/%d", n)); l.Violation == "" || l.Violator != "client" || l.Code != 1006 {
			t.Errorf("%s: close line %+v", name, l)
		}
	}
}

// A message over limits.message ends the session with 1009 on both sides, on
// the header that exceeds it; one that just fits passes.
func TestMessageLimit(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	addr, accepted := w.handBackend()
	c := simple(addr)
	c.limits = map[string]string{"message": "1000"}
	g := w.start(c)
	for name, build := range map[string]func(*script) []byte{
		"one frame": func(s *script) []byte { return s.f(true, 0, ws.OpBinary, strings.Repeat("x", 1001)) },
		"fragments": func(s *script) []byte {
			return append(s.f(false, 0, ws.OpBinary, strings.Repeat("x", 600)), s.last(strings.Repeat("x", 401))...)
		},
		"declared only": func(s *script) []byte {
			return []byte{0x82, s.maskBit() | 127, 0, 0, 0, 9, 0, 0, 0, 0}
		},
	} {
		for _, fromTheClient := range []bool{true, false} {
			p := g.pair("/limit", accepted)
			from, to := p.client, p.backend
			if !fromTheClient {
				from, to = p.backend, p.client
			}
			s := &script{masked: fromTheClient}
			fits := strings.Repeat("y", 1000)
			from.send(s.text(fits))
			to.wantFrame(ws.OpText, fits)
			from.send(s.first(fits[:500]))
			to.wantFrame(ws.OpText, fits[:500])
			from.send(s.last(fits[500:]))
			to.wantFrame(ws.OpContinuation, fits[500:])
			bad := build(s)
			if name == "declared only" && fromTheClient {
				bad = append(bad, 1, 2, 3, 4) // the key completes the header
			}
			from.send(bad)
			if name == "fragments" {
				to.wantFrame(ws.OpBinary, strings.Repeat("x", 600))
			}
			to.wantClose(1009)
			from.wantClose(1009)
			to.send(encode(true, 0, ws.OpClose, !fromTheClient, []byte(closeBody(1009, ""))))
			to.waitEnd()
			from.closeWrite()
			from.waitEnd()
		}
	}
	for _, l := range g.waitLog("close", 6, nil) {
		if l.Code != 1009 || l.Why != "too_big" {
			t.Errorf("close line %+v", l)
		}
	}
}

// An idle session ends with 1001 on both sides; any traffic keeps it.
func TestIdleTimeout(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	addr, accepted := w.handBackend()
	c := simple(addr)
	c.timeouts = map[string]string{"idle": "2s"}
	g := w.start(c)
	quiet, kept := g.pair("/quiet", accepted), g.pair("/kept", accepted)
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_, _ = quiet.client.br.Peek(1)
	}()
	for waiting := true; waiting; {
		select {
		case <-closed:
			waiting = false
		case <-tick.C:
			kept.backend.send(fromServer(ws.OpPing, ""))
		}
	}
	quiet.client.wantClose(1001)
	quiet.backend.wantClose(1001)
	kept.backend.send(fromServer(ws.OpText, "alive"))
	for {
		f, err := kept.client.readFrame()
		if err != nil || f.head.OpCode == ws.OpClose {
			t.Fatalf("the session with traffic ended: %v %v", f, err)
		}
		if f.head.OpCode == ws.OpText {
			break
		}
	}
	quiet.client.Close()
	quiet.backend.Close()
	if _, l := g.closeOf("/quiet"); l.Why != "idle_timeout" || l.By != "gateway" || l.Code != 1001 {
		t.Errorf("close line %+v", l)
	}
}

// Connections over limits.connections are answered 429 with Retry-After, and
// those that are in do not notice.
func TestConnectionLimit(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	c := simple(w.httpBackend(newSite()))
	c.limits = map[string]string{"connections": "20"}
	g := w.start(c)
	var in []*wire
	for range 20 {
		in = append(in, g.open("/ws"))
	}
	for range 30 {
		c := w.dial(g.addr("/"))
		c.sends(upgradeRequest("chat.test", "/ws"))
		if r, _ := c.response("GET"); r.StatusCode != 429 || r.Header.Get("Retry-After") == "" {
			t.Fatalf("over the limit: %d %v", r.StatusCode, r.Header)
		}
		c.Close()
	}
	for _, c := range in {
		c.echo("still in")
		c.goodbye()
		c.Close()
	}
	g.waitMetric("connections are gone", func(m metrics) bool { return m.sum("wsgate_connections") == 0 })
	c2 := g.open("/ws")
	c2.echo("room again")
}

// When descriptors run out, those who are in go on, those who are not wait or
// are answered 503, and when descriptors are back so is service.
func TestTooFewDescriptors(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	g := w.start(simple(w.httpBackend(newSite())))
	var in []*wire
	for range 20 {
		in = append(in, g.open("/ws"))
	}
	before := g.limitDescriptors(uint64(len(g.descriptors()) + 50))
	var crowd []net.Conn
	for range 300 {
		c, err := net.DialTimeout("tcp", g.addr("/"), wireLimit)
		if err != nil {
			t.Fatal(err)
		}
		w.keep(c)
		crowd = append(crowd, c)
		if _, err := io.WriteString(c, upgradeRequest("chat.test", "/ws")); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		for _, c := range in {
			c.echo("while the crowd waits")
		}
	}
	answers := g.answersToCrowd(crowd)
	if answers[101] == len(crowd) {
		t.Fatal("the limit was never reached")
	}
	if answers[101]+answers[503]+answers[0] != len(crowd) {
		t.Errorf("answers to the crowd: %v", answers)
	}
	for _, c := range in {
		c.echo("and still")
	}
	g.limitDescriptors(before)
	// Who waited in the queue is served now; who was answered 503 may come again.
	for _, c := range crowd[len(crowd)-20:] {
		_ = c.SetReadDeadline(time.Now().Add(wireLimit))
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || (r.StatusCode != 101 && r.StatusCode != 503) {
			t.Fatalf("a client that waited: %v %v", r, err)
		}
	}
	fresh := g.open("/ws")
	fresh.echo("service is back")
	for _, c := range append(in, fresh) {
		c.echo("to the end")
		c.goodbye()
	}
	if m := g.scrape(); m.sum("wsgate_accept_pauses_total")+m.sum("wsgate_refusals_total") == 0 {
		t.Error("neither a pause nor a refusal was counted")
	}
}

// limitDescriptors sets the gateway's soft descriptor limit and returns the
// one it had.
func (g *gateway) limitDescriptors(n uint64) uint64 {
	g.w.t.Helper()
	var old unix.Rlimit
	pid := g.cmd.Process.Pid
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		g.w.t.Fatal(err)
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: old.Max}, nil); err != nil {
		g.w.t.Fatal(err)
	}
	return old.Cur
}

// answersToCrowd counts the answers to all but the last 20 of crowd, which
// are left for later, by status; 0 counts those that still wait.
func (g *gateway) answersToCrowd(crowd []net.Conn) map[int]int {
	g.w.t.Helper()
	answers := map[int]int{0: 20}
	for _, c := range crowd[:len(crowd)-20] {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		switch {
		case err == nil:
			answers[r.StatusCode]++
		case errors.Is(err, os.ErrDeadlineExceeded):
			answers[0]++
		default:
			g.w.t.Fatalf("a waiting client was cut off: %v", err)
		}
	}
	g.w.t.Logf("answers to the crowd: %v", answers)
	return answers
}
