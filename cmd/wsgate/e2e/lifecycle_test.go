package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// SIGTERM closes every session with 1001 on both sides, at a frame boundary,
// lets requests in flight end, accepts no new connection and exits 0.
func TestDrain(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) { testDrain(t, sig) })
	}
}

func testDrain(t *testing.T, sig syscall.Signal) {
	gatewayOnly(t)
	w := newWorld(t)
	addr, accepted := w.handBackend()
	s := newSite()
	g := w.start(conf{routes: []routeConf{{path: "/", to: []string{addr}}, {path: "/slow", to: []string{w.httpBackend(s)}}}})
	var pairs []pair
	for i := range 150 {
		pairs = append(pairs, g.pair(fmt.Sprint("/", i), accepted))
	}
	// A third each: idle, in the middle of a frame from the client, and from the backend.
	message := strings.Repeat("m", 1000)
	up, down := fromClient(ws.OpText, message), fromServer(ws.OpText, message)
	for i, p := range pairs {
		switch i % 3 {
		case 1:
			p.client.send(up[:500])
		case 2:
			p.backend.send(down[:500])
		}
	}
	slow := w.dial(g.addr("/slow"))
	slow.sends("GET /slow HTTP/1.1\r\nHost: chat.test\r\n\r\n")
	g.waitMetric("the slow request is with the plain server", func(m metrics) bool {
		return m.sum("wsgate_plain_connections") == 1 && m.sum("wsgate_sessions_open") == 150
	})
	g.signal(sig)
	for i, p := range pairs {
		switch i % 3 {
		case 1: // the frame is finished first
			p.client.wantClose(1001)
			p.client.send(up[500:])
			p.backend.wantFrame(ws.OpText, message)
			p.backend.wantClose(1001)
		case 2:
			p.backend.wantClose(1001)
			p.backend.send(down[500:])
			p.client.wantFrame(ws.OpText, message)
			p.client.wantClose(1001)
		default:
			p.client.wantClose(1001)
			p.backend.wantClose(1001)
		}
		p.client.send(fromClient(ws.OpClose, closeBody(1001, "")))
		p.backend.send(fromServer(ws.OpClose, closeBody(1001, "")))
		p.client.wantEOF()
		p.backend.wantEOF()
		p.client.Close()
		p.backend.Close()
	}
	if c, err := net.DialTimeout("tcp", g.addr("/"), time.Second); err == nil {
		c.Close()
		t.Error("a draining gateway accepted a connection")
	}
	s.step <- struct{}{}
	if r, body := slow.response("GET"); r.StatusCode != 200 || body != "slow answer" || !r.Close {
		t.Errorf("the request in flight: %d %q close=%v", r.StatusCode, body, r.Close)
	}
	if code := g.waitExit(stopLimit); code != 0 {
		t.Errorf("exit code %d", code)
	}
	closes := g.waitLog("close", 150, nil)
	for _, l := range closes {
		if l.Code != 1001 || l.By != "operator" || l.Why != "drain" || l.Truncated {
			t.Errorf("close line %+v", l)
		}
	}
	if opens := g.waitLog("open", 150, nil); len(opens) != len(closes) {
		t.Errorf("%d open lines, %d close lines", len(opens), len(closes))
	}
}

// Sessions whose peers never answer are ended after timeouts.close, and the
// drain as a whole after timeouts.drain; the exit code is 0 all the same.
func TestDrainOfSilentPeers(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	addr, accepted := w.handBackend()
	c := simple(addr)
	c.timeouts = map[string]string{"close": "500ms", "drain": "10s"}
	g := w.start(c)
	half := fromClient(ws.OpText, "cut off")
	for i := range 20 {
		p := g.pair("/", accepted)
		if i%2 == 0 {
			p.client.send(half[:8])
		}
	}
	g.signal(syscall.SIGTERM)
	if code := g.waitExit(stopLimit); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, l := range g.waitLog("close", 20, nil) {
		if l.By != "operator" {
			t.Errorf("close line %+v", l)
		}
	}
}

// A second signal ends a drain that would take far longer than this test.
func TestSecondSignal(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	addr, accepted := w.handBackend()
	c := simple(addr)
	c.timeouts = map[string]string{"close": "20m", "drain": "30m"}
	g := w.start(c)
	var pairs []pair
	for range 20 {
		pairs = append(pairs, g.pair("/", accepted))
	}
	g.signal(syscall.SIGTERM)
	for _, p := range pairs {
		p.client.wantClose(1001)
	}
	g.signal(syscall.SIGTERM)
	g.waitExit(stopLimit)
	for _, p := range pairs {
		p.client.waitEnd()
		p.backend.waitEnd()
	}
}

// What waits in the listening queue when the signal comes is accepted and
// answered: a stopped process cannot accept, so all of these wait.
func TestDrainServesTheQueue(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	g := w.start(simple(w.httpBackend(newSite())))
	g.signal(syscall.SIGSTOP)
	var upgrades, plains []*wire
	for range 30 {
		c := w.dial(g.addr("/"))
		c.sends(upgradeRequest("chat.test", "/ws"))
		upgrades = append(upgrades, c)
		c = w.dial(g.addr("/"))
		c.sends("GET /name HTTP/1.1\r\nHost: chat.test\r\n\r\n")
		plains = append(plains, c)
	}
	g.signal(syscall.SIGTERM)
	g.signal(syscall.SIGCONT)
	for _, c := range upgrades {
		r, body := c.response("GET")
		switch r.StatusCode {
		case 101:
			c.wantClose(1001)
			c.send(fromClient(ws.OpClose, closeBody(1001, "")))
			c.wantEOF()
		case 503:
		default:
			t.Errorf("an upgrade from the queue: %d %q", r.StatusCode, body)
		}
		c.Close()
	}
	for _, c := range plains {
		if r, body := c.response("GET"); r.StatusCode != 200 && r.StatusCode != 503 {
			t.Errorf("a request from the queue: %d %q", r.StatusCode, body)
		}
		c.Close()
	}
	if code := g.waitExit(stopLimit); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Signals whose work is not there yet change nothing and say so.
func TestSignalsNotAvailableYet(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	g := w.start(simple(w.httpBackend(newSite())))
	c := g.open("/ws")
	for name, sig := range map[string]syscall.Signal{"SIGHUP": syscall.SIGHUP, "SIGUSR2": syscall.SIGUSR2} {
		g.signal(sig)
		eventually(t, wireLimit, name+" is logged", func() bool {
			for _, l := range g.lines() {
				if strings.Contains(l, name) && strings.Contains(l, "not available yet") {
					return true
				}
			}
			return false
		})
		c.echo("after " + name)
	}
	c.goodbye()
}

// SIGUSR1 opens the access log anew: lines from before are in the renamed file,
// lines from after in the new one, and none is lost or torn in between.
func TestReopenAccessLog(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	g := w.start(simple(w.httpBackend(newSite())))
	const workers, each, rotations = 4, 300, 5
	var load sync.WaitGroup
	progress := make(chan struct{}, workers*each)
	for range workers {
		c := w.dial(g.addr("/"))
		load.Go(func() {
			for range each {
				_, _ = c.Write([]byte("GET /name HTTP/1.1\r\nHost: chat.test\r\n\r\n"))
				r, err := http.ReadResponse(c.br, nil)
				if err != nil || r.StatusCode != 200 {
					t.Errorf("request: %v %v", r, err)
					return
				}
				_, _ = new(bytes.Buffer).ReadFrom(r.Body)
				progress <- struct{}{}
			}
		})
	}
	var files []string
	for i := range rotations {
		for range workers * each / (rotations + 1) {
			<-progress
		}
		old := fmt.Sprintf("%s.%d", g.logPath, i)
		if err := os.Rename(g.logPath, old); err != nil {
			t.Fatal(err)
		}
		files = append(files, old)
		g.signal(syscall.SIGUSR1)
		eventually(t, wireLimit, "the log is open anew", func() bool {
			_, err := os.Stat(g.logPath)
			return err == nil
		})
	}
	load.Wait()
	files = append(files, g.logPath)
	total := 0
	if !poll(wireLimit, func() bool {
		total = 0
		for _, f := range files {
			total += len(parseLog(t, f))
		}
		return total >= workers*each
	}) || total != workers*each {
		t.Errorf("%d lines in %d files, want %d", total, len(files), workers*each)
	}
	for _, f := range files[:len(files)-1] {
		if b, err := os.ReadFile(f); err != nil || !bytes.HasSuffix(b, []byte("\n")) {
			t.Errorf("%s does not end with a whole line", f)
		}
	}
}

// output runs the binary to its end.
func output(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// wsgate check tells good files from bad ones, with every error in one run.
func TestCheck(t *testing.T) {
	gatewayOnly(t)
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.yaml", simple("127.0.0.1:9001").yaml("stderr"))
	if code, out, errs := output(t, "check", "-c", good); code != 0 {
		t.Errorf("good file: exit code %d\n%s%s", code, out, errs)
	}
	bad := file("bad.yaml", `listeners:
  - address: 127.0.0.1:8080
routes:
  - path: chat
    upstream: nowhere
    frames: sometimes
upstreams:
  chat:
    polcy: round_robin
    endpoints: [127.0.0.1:9001]
timeouts: {idle: 30}
`)
	code, out, errs := output(t, "check", "-c", bad)
	all := out + errs
	if code != 1 {
		t.Errorf("bad file: exit code %d", code)
	}
	for _, want := range []string{
		"bad.yaml:4:", "bad.yaml:5:", "bad.yaml:6:", "bad.yaml:9:", "bad.yaml:11:",
		"upstream: nowhere", "frames: sometimes", "polcy: round_robin", "timeouts: {idle: 30}",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("output does not hold %q:\n%s", want, all)
		}
	}
	off := simple("127.0.0.1:9001")
	off.routes[0].frames = "off"
	off.limits = map[string]string{"message": "1MiB"}
	if code, _, _ := output(t, "check", "-c", file("off.yaml", off.yaml("stderr"))); code != 1 {
		t.Errorf("a message limit with frames: off: exit code %d", code)
	}
	if code, _, _ := output(t, "check", "-c", filepath.Join(dir, "missing.yaml")); code != 1 {
		t.Errorf("missing file: exit code %d", code)
	}
	// What the configuration names is read, too.
	secure := file("secure.yaml", `listeners:
  - address: 127.0.0.1:8443
    tls:
      certificates:
        - {cert: good.yaml, key: `+dir+`/none.key}
routes: [{upstream: chat}]
upstreams: {chat: {endpoints: [127.0.0.1:9001], tls: {ca: `+good+`}}}
`)
	code, _, errs = output(t, "check", "-c", secure)
	for _, want := range []string{"secure.yaml:5:18:", "secure.yaml:5:34:", "secure.yaml:7:59:", "no certificate in PEM", "cannot be read: no such file or directory", "key: " + dir} {
		if code != 1 || !strings.Contains(errs, want) {
			t.Errorf("exit code %d, output does not hold %q:\n%s", code, want, errs)
		}
	}
	if code, _, errs := output(t, "run", "-c", bad); code == 0 || !strings.Contains(errs, "bad.yaml:5:") {
		t.Errorf("run with a bad file: exit code %d\n%s", code, errs)
	}
}

func TestVersion(t *testing.T) {
	gatewayOnly(t)
	t.Parallel()
	if code, out, errs := output(t, "version"); code != 0 || !strings.Contains(out, "wsgate") {
		t.Errorf("exit code %d, %q %q", code, out, errs)
	}
	if code, _, errs := output(t, "no-such-command"); code == 0 || errs == "" {
		t.Errorf("an unknown command: exit code %d, %q", code, errs)
	}
}

// A second gateway on the same address fails and says so; the first goes on.
func TestAddressInUse(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	backend := w.httpBackend(newSite())
	g := w.start(simple(backend))
	second := simple(backend)
	second.listeners = []string{g.listeners[0]}
	file := filepath.Join(w.dir, "second.yaml")
	if err := os.WriteFile(file, []byte(second.yaml("off")), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := output(t, "run", "-c", file); code == 0 || !strings.Contains(errs, "in use") {
		t.Errorf("second gateway: exit code %d, %q", code, errs)
	}
	for range 20 {
		c := g.open("/ws")
		c.echo("the first one's")
		c.goodbye()
	}
}
