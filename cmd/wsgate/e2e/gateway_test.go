package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A gateway is a process that stands between the peers of a test: wsgate, or
// the stand-in that WSGATE_E2E_TARGET names. With "direct" there is none, and
// addresses are those of the endpoints.
type gateway struct {
	w       *world
	conf    conf
	dir     string
	logPath string

	cmd       *exec.Cmd
	listeners []string // bound addresses, in the order of the Ready line
	admin     string
	exited    chan struct{} // closed when the process has ended
	exit      error         // of cmd.Wait, valid after exited

	mu     sync.Mutex
	stderr []string

	stopped  bool // the test has ended the process itself
	fds      int  // descriptors when it reported Ready
	routines int
}

const (
	startLimit = 20 * time.Second
	stopLimit  = 40 * time.Second
)

// start runs a gateway with c.
func (w *world) start(c conf) *gateway {
	w.t.Helper()
	dir, err := os.MkdirTemp(w.dir, "g")
	if err != nil {
		w.t.Fatal(err)
	}
	g := &gateway{w: w, conf: c, dir: dir, exited: make(chan struct{})}
	g.logPath = filepath.Join(g.dir, "access.log")
	switch target {
	case targetDirect:
		close(g.exited)
		g.stopped = true
		return g
	case targetNginx:
		g.startNginx(c)
		return g
	}
	file := filepath.Join(g.dir, "wsgate.yaml")
	if err := os.WriteFile(file, []byte(c.yaml(g.logPath)), 0o600); err != nil {
		w.t.Fatal(err)
	}
	g.run([]string{binary, "run", "-c", file})
	return g
}

// run starts args and waits for the Ready line.
func (g *gateway) run(args []string) {
	g.w.t.Helper()
	ready := make(chan string, 1)
	g.spawn(args, func(line string) {
		if strings.Contains(line, "Ready") {
			select {
			case ready <- line:
			default:
			}
		}
	})
	select {
	case line := <-ready:
		g.listeners, g.admin = addresses(line)
	case <-g.exited:
		g.w.t.Fatalf("gateway ended before it was ready: %v\n%s", g.exit, g.tail(40))
	case <-time.After(startLimit):
		g.w.t.Fatalf("no Ready line in %v\n%s", startLimit, g.tail(40))
	}
	if len(g.listeners) == 0 || g.admin == "" {
		g.w.t.Fatalf("Ready line without a listener or without the admin address:\n%s", g.tail(5))
	}
	g.scrape() // every loop answers it: their goroutines run from here on
	g.routines, _ = g.goroutines()
	g.fds = len(g.descriptors())
}

// startNginx runs nginx on a port that was free a moment ago.
func (g *gateway) startNginx(c conf) {
	g.w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.w.t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	file := filepath.Join(g.dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(c.nginx(g.dir, addr)), 0o600); err != nil {
		g.w.t.Fatal(err)
	}
	g.spawn([]string{"nginx", "-p", g.dir, "-c", file}, func(string) {})
	g.listeners = []string{addr}
	eventually(g.w.t, startLimit, "nginx accepts", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// spawn starts the process; each line of its standard error goes to seen.
func (g *gateway) spawn(args []string, seen func(string)) {
	g.w.t.Helper()
	r, wr, err := os.Pipe()
	if err != nil {
		g.w.t.Fatal(err)
	}
	g.cmd = exec.Command(args[0], args[1:]...)
	g.cmd.Stdout, g.cmd.Stderr = wr, wr
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = g.cmd.Start()
	wr.Close()
	if err != nil {
		r.Close()
		g.w.t.Fatal(err)
	}
	g.w.gateways = append(g.w.gateways, g)
	go func() {
		defer close(g.exited)
		defer r.Close()
		g.readStderr(r, seen)
		g.exit = g.cmd.Wait()
	}()
}

func (g *gateway) readStderr(r io.Reader, seen func(string)) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		g.mu.Lock()
		g.stderr = append(g.stderr, s.Text())
		g.mu.Unlock()
		seen(s.Text())
	}
}

var addressPattern = regexp.MustCompile(
	`(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.%]+\]):\d+|unix:[^\s"',\]}]+`)

// addresses returns the listening addresses a Ready line names, and the one
// behind the word admin.
func addresses(line string) (listeners []string, admin string) {
	before, after, found := strings.Cut(line, "admin")
	listeners = addressPattern.FindAllString(before, -1)
	if found {
		rest := addressPattern.FindAllString(after, -1)
		if len(rest) > 0 {
			admin = rest[0]
			listeners = append(listeners, rest[1:]...)
		}
	}
	return listeners, admin
}

// addr is where a client connects to reach path.
func (g *gateway) addr(path string) string {
	if target != targetDirect {
		return g.listeners[0]
	}
	best, to := -1, ""
	for _, r := range g.conf.routes {
		if strings.HasPrefix(path, r.path) && len(r.path) > best {
			best, to = len(r.path), r.to[0]
		}
	}
	return to
}

// url is the WebSocket URL of path.
func (g *gateway) url(path string) string { return "ws://" + g.addr(path) + path }

// http is the URL of path for plain requests.
func (g *gateway) http(path string) string { return "http://" + g.addr(path) + path }

// lines returns what the gateway has written to standard error so far.
func (g *gateway) lines() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.stderr...)
}

func (g *gateway) tail(n int) string {
	l := g.lines()
	return strings.Join(l[max(0, len(l)-n):], "\n")
}

// waitLine waits until standard error holds a line that contains text.
func (g *gateway) waitLine(text string) {
	g.w.t.Helper()
	if !poll(10*time.Second, func() bool {
		return strings.Contains(strings.Join(g.lines(), "\n"), text)
	}) {
		g.w.t.Fatalf("no line with %q on standard error:\n%s", text, g.tail(30))
	}
}

// signal sends sig to the gateway's process.
func (g *gateway) signal(sig syscall.Signal) {
	g.w.t.Helper()
	if err := g.cmd.Process.Signal(sig); err != nil {
		g.w.t.Fatalf("signal %v: %v", sig, err)
	}
}

// waitExit waits for the end of the process and returns its exit code, -1
// when a signal ended it.
func (g *gateway) waitExit(limit time.Duration) int {
	g.w.t.Helper()
	g.stopped = true
	select {
	case <-g.exited:
	case <-time.After(limit):
		_ = g.cmd.Process.Signal(syscall.SIGQUIT) // the goroutines go to the log
		select {
		case <-g.exited:
		case <-time.After(5 * time.Second):
			_ = g.cmd.Process.Kill()
			<-g.exited
		}
		g.w.t.Errorf("gateway did not end within %v\n%s", limit, g.tail(60))
		return -1
	}
	var exit *exec.ExitError
	if errors.As(g.exit, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// finish checks that nothing has leaked and stops the process. Clients and
// backends are gone by now.
func (g *gateway) finish() {
	t := g.w.t
	select {
	case <-g.exited:
		if !g.stopped {
			t.Errorf("gateway ended by itself: %v", g.exit)
		}
	default:
	}
	if !g.stopped && !t.Failed() {
		if target == targetGateway {
			g.checkLeaks()
		}
	}
	if !g.stopped {
		_ = g.cmd.Process.Signal(syscall.SIGTERM)
		if code := g.waitExit(stopLimit); code != 0 {
			t.Errorf("gateway exit code %d after SIGTERM", code)
		}
	}
	if target == targetGateway {
		all := strings.Join(g.lines(), "\n")
		for _, bad := range []string{"panic", "DATA RACE", "goroutine 1 ["} {
			if strings.Contains(all, bad) {
				t.Errorf("gateway logged %q", bad)
			}
		}
	}
	if t.Failed() {
		t.Logf("gateway's standard error:\n%s", g.tail(60))
		if b, err := os.ReadFile(g.logPath); err == nil {
			t.Logf("access log, end:\n%s", b[max(0, len(b)-4000):])
		}
	}
}

// checkLeaks waits for descriptors and goroutines to be those of the fresh
// process; pipes that are kept for the next session may stay.
func (g *gateway) checkLeaks() {
	t := g.w.t
	var fds int
	var allowed float64
	var routines int
	var stacks string
	ok := poll(15*time.Second, func() bool {
		m, err := g.tryScrape()
		if err != nil {
			return false
		}
		routines, stacks = g.goroutines()
		allowed = float64(g.fds) + 2*m.sum("wsgate_pipes", `state="idle"`)
		fds = len(g.descriptors())
		return float64(fds) <= allowed && routines <= g.routines+1 && m.sum("wsgate_connections") == 0
	})
	if !ok {
		t.Errorf("leak: %d descriptors, at most %v expected; %d goroutines, %d when it started; descriptors:\n%s",
			fds, allowed, routines, g.routines, strings.Join(g.descriptors(), "\n"))
		t.Logf("goroutines:\n%s", stacks)
	}
	if m, err := g.tryScrape(); err == nil {
		if n := m.sum("wsgate_panics_total"); n != 0 {
			t.Errorf("%v recovered panics", n)
		}
	}
}

// goroutines counts those of the gateway, and returns their stacks. The metric
// go_goroutines would also count those that gather the metrics, as many as there
// are at that moment, and the runtime's own, which have no frame to show.
func (g *gateway) goroutines() (n int, stacks string) {
	_, stacks, err := g.adminGet("/debug/pprof/goroutine?debug=1")
	_, records, _ := strings.Cut(stacks, "\n") // behind the total
	for part := range strings.SplitSeq(records, "\n\n") {
		count, _, ok := strings.Cut(part, " @ ")
		if c, err := strconv.Atoi(count); ok && err == nil && strings.Contains(part, "\n#\t") {
			n += c
		}
	}
	if err != nil || n == 0 {
		g.w.t.Errorf("no goroutines in %q: %v", stacks, err)
	}
	return n, stacks
}

// descriptors lists what /proc/PID/fd holds, as "number -> what".
func (g *gateway) descriptors() []string {
	dir := fmt.Sprintf("/proc/%d/fd", g.cmd.Process.Pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil {
			out = append(out, e.Name()+" -> "+to)
		}
	}
	return out
}

// pss is the proportional set size of the process, in bytes.
func (g *gateway) pss() int64 {
	g.w.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", g.cmd.Process.Pid))
	if err != nil {
		g.w.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				g.w.t.Fatal(err)
			}
			return kb << 10
		}
	}
	g.w.t.Fatal("no Pss line")
	return 0
}
