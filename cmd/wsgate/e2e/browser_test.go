package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A browser is a running node/browser.mjs.
type browser struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startBrowser starts headless Chromium on a job.
func (w *world) startBrowser(job map[string]any) *browser {
	w.t.Helper()
	b := &browser{t: w.t, cmd: exec.Command("node", "node/browser.mjs")}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		w.t.Fatal(err)
	}
	b.cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "TMPDIR="+w.dir)
	b.cmd.Stderr = os.Stderr
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	b.out = bufio.NewReaderSize(out, 1<<20)
	if err := b.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.atEnd(b.end)
	b.send(job)
	return b
}

// end lets the script close Chromium, and kills it when it does not.
func (b *browser) end() {
	b.in.Close()
	timer := time.AfterFunc(20*time.Second, func() { _ = b.cmd.Process.Signal(syscall.SIGTERM) })
	_ = b.cmd.Wait()
	timer.Stop()
}

func (b *browser) send(v any) {
	b.t.Helper()
	line, err := json.Marshal(v)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(line, '\n')); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) receive(v any) {
	b.t.Helper()
	line, err := b.out.ReadString('\n')
	if err != nil {
		b.t.Fatalf("the browser ended without a report: %v", err)
	}
	if err := json.Unmarshal([]byte(line), v); err != nil {
		b.t.Fatalf("%q: %v", line, err)
	}
}

// A page in Chromium echoes through every server library; Chromium always
// offers permessage-deflate.
func TestChromiumEcho(t *testing.T) {
	w := newWorld(t)
	servers := w.echoServers()
	page := w.httpBackend(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, "<!doctype html><title>echo</title>")
	}))
	g := w.start(conf{routes: append(servers, routeConf{path: "/page", to: []string{page}})})
	var urls []string
	for _, r := range servers {
		urls = append(urls, g.url(r.path))
	}
	sizes := []int{0, 10, 125, 130, 65536, 65540, 1 << 20, 1_000_000}
	b := w.startBrowser(map[string]any{"kind": "echo", "page": g.http("/page"), "urls": urls, "sizes": sizes})
	var results []struct {
		URL, Extensions, Error string
		Echoes, Code           int
		Clean                  bool
	}
	b.receive(&results)
	for _, r := range results {
		if r.Echoes != len(sizes) || r.Code != 4002 || !r.Clean || r.Error != "" {
			t.Errorf("%+v", r)
		}
		deflate := strings.Contains(r.URL, "deflate") || strings.Contains(r.URL, "fragments")
		if deflate != strings.HasPrefix(r.Extensions, "permessage-deflate") {
			t.Errorf("%s: extensions %q", r.URL, r.Extensions)
		}
	}
	if len(results) != len(urls) {
		t.Errorf("%d results for %d servers", len(results), len(urls))
	}
}

// "wsgate run" without a configuration: two browser tabs chat with each other
// through the gateway, each sees which backend serves it, and Ctrl-C drains
// with 1001 and exits 0. The demo's ports are fixed, so the test skips when
// something else has them.
func TestDemo(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	const page, secure, admin = "127.0.0.1:8080", "127.0.0.1:8443", "127.0.0.1:9901"
	for _, addr := range []string{page, secure, admin} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Skipf("%s is taken: %v", addr, err)
		}
		l.Close()
	}
	g := &gateway{w: w, dir: w.dir, exited: make(chan struct{})}
	g.run([]string{binary, "run"})
	if len(g.listeners) != 2 || g.listeners[0] != page || g.listeners[1] != secure || g.admin != admin {
		t.Errorf("Ready names %q and %q", g.listeners, g.admin)
	}
	g.waitLine("http://" + page)
	b := w.startBrowser(map[string]any{"kind": "chat", "url": "http://" + page + "/"})
	var chat struct {
		Tabs []struct {
			Backend, People, State string
			Messages               []string
		}
		Failures []string
	}
	b.receive(&chat)
	if len(chat.Failures) > 0 {
		t.Errorf("in the browser: %q", chat.Failures)
	}
	for i, tab := range chat.Tabs {
		if (tab.Backend != "north" && tab.Backend != "south") || !strings.HasPrefix(tab.People, "2") || len(tab.Messages) != 2 {
			t.Errorf("tab %d: %+v", i+1, tab)
		}
	}
	if n := g.scrape().sum("wsgate_sessions_open"); n != 2 {
		t.Errorf("%v sessions open, want 2", n)
	}
	g.signal(syscall.SIGINT)
	b.send("the gateway drains")
	var lost struct{ Codes []string }
	b.receive(&lost)
	for _, code := range lost.Codes {
		if code != "1001" {
			t.Errorf("a tab's connection ended with %q, want 1001", code)
		}
	}
	if code := g.waitExit(stopLimit); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
