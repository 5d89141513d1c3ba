package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wsgate/cmd/wsgate/internal/metrics"
	"wsgate/eventloop/record"
)

// TestMain fails the run when goroutines or sockets are left over.
func TestMain(m *testing.M) {
	before := sockets()
	code := m.Run()
	// net/http holds a connection half a second after a refusal, so that the
	// client can read it; one Find waits a little less.
	err := goleak.Find()
	for tries := 0; err != nil && tries < 4; tries++ {
		err = goleak.Find()
	}
	if err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if after := sockets(); after > before && code == 0 {
		fmt.Fprintf(os.Stderr, "%d sockets before the tests, %d after\n", before, after)
		code = 1
	}
	os.Exit(code)
}

func sockets() (n int) {
	names, _ := filepath.Glob("/proc/self/fd/*")
	for _, name := range names {
		if to, err := os.Readlink(name); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

// loops is a metrics.Source.
type loops struct{}

func (loops) Snapshot(context.Context) (*record.Counters, error) { return record.NewCounters(), nil }
func (loops) Loops() int                                         { return 2 }
func (loops) LogWriteErrors() uint64                             { return 0 }

func options(address string) Options {
	return Options{
		Address: address,
		Metrics: metrics.New(metrics.Options{Source: loops{}, Version: "v1"}).Handler(),
		Version: `v1<&">`,
		Healthy: func() bool { return true },
	}
}

// ample is a deadline that only a hanging test reaches.
const ample = 30 * time.Second

func mustStart(t *testing.T, o Options) *Server {
	t.Helper()
	return mustStartBounded(t, o, bounds{head: ample, conns: 64})
}

func mustStartBounded(t *testing.T, o Options, b bounds) *Server {
	t.Helper()
	s, err := start(o, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		expired, cancel := context.WithCancel(context.Background())
		cancel()
		s.Close(expired)
	})
	return s
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	network, address := "tcp", s.Addr()
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(ample))
	return c
}

// exchange sends raw bytes on a connection and reads one response.
func exchange(c net.Conn, raw string) (*http.Response, string, error) {
	if _, err := io.WriteString(c, raw); err != nil {
		return nil, "", err
	}
	method, _, _ := strings.Cut(raw, " ")
	r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		return nil, "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return r, string(b), err
}

func ask(t *testing.T, s *Server, raw string) (*http.Response, string) {
	t.Helper()
	r, body, err := exchange(dial(t, s), raw)
	if err != nil {
		t.Fatal(err)
	}
	return r, body
}

func get(t *testing.T, s *Server, path string) (*http.Response, string) {
	t.Helper()
	return ask(t, s, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

func TestUnixSocket(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "admin.sock")
	s := mustStart(t, options("unix:"+path))
	if s.Addr() != "unix:"+path {
		t.Errorf("address %s", s.Addr())
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != os.ModeSocket|0o600 {
		t.Errorf("mode %v", got)
	}
	if r, _ := ask(t, s, "GET /healthz HTTP/1.1\r\nHost: anything.example\r\n\r\n"); r.StatusCode != 200 {
		t.Errorf("%s", r.Status)
	}
	if _, err := Start(options("unix:" + path)); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second server: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), ample)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's file is left: %v", err)
	}
}

func TestStaleUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	s := mustStart(t, options("unix:"+path))
	if r, _ := get(t, s, "/healthz"); r.StatusCode != 200 {
		t.Errorf("%s", r.Status)
	}
}

func TestStartFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := mustStart(t, options("127.0.0.1:0"))
	for _, address := range []string{
		"unix:" + file, "unix:relative", "unix:@abstract", "unix:", "127.0.0.1", "127.0.0.1:nonsense", taken.Addr(),
	} {
		if s, err := Start(options(address)); err == nil {
			s.Close(context.Background())
			t.Errorf("%s: no error", address)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "kept" {
		t.Errorf("the file was touched: %q, %v", b, err)
	}
}

func TestSlowHeadIsCutOff(t *testing.T) {
	s := mustStartBounded(t, options("127.0.0.1:0"), bounds{head: 20 * time.Millisecond, conns: 64})
	c := dial(t, s)
	io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: ")
	if b, err := io.ReadAll(c); err != nil || strings.Contains(string(b), "200 OK") {
		t.Errorf("%q, %v", b, err)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	const limit = 3
	s := mustStartBounded(t, options("127.0.0.1:0"), bounds{head: ample, conns: limit})
	const raw = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	var held []net.Conn
	for range limit {
		c := dial(t, s)
		if _, _, err := exchange(c, raw); err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	if _, _, err := exchange(dial(t, s), raw); err == nil {
		t.Error("one more connection is served")
	}
	for _, c := range held {
		if _, _, err := exchange(c, raw); err != nil {
			t.Errorf("a held connection: %v", err)
		}
	}
	held[0].Close()
	for deadline := time.Now().Add(ample); ; {
		_, _, err := exchange(dial(t, s), raw)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no connection is served after one has left: %v", err)
		}
	}
}

// gated is a metrics handler that waits.
func gated(entered chan<- struct{}, gate <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-gate
		text(w, http.StatusOK, "done")
	})
}

func TestCloseLetsRequestsFinish(t *testing.T) {
	entered, gate := make(chan struct{}), make(chan struct{})
	o := options("127.0.0.1:0")
	o.Metrics = gated(entered, gate)
	s := mustStart(t, o)
	answer := make(chan string)
	c := dial(t, s)
	go func() {
		_, body, err := exchange(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
		answer <- fmt.Sprint(body, err)
	}()
	<-entered
	closed := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), ample)
		defer cancel()
		closed <- s.Close(ctx)
	}()
	<-s.done // nothing is accepted any more
	close(gate)
	if got := <-answer; got != "done\n<nil>" {
		t.Errorf("the request got %q", got)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

func TestCloseCutsOffAtItsDeadline(t *testing.T) {
	entered, gate := make(chan struct{}), make(chan struct{})
	o := options("127.0.0.1:0")
	o.Metrics = gated(entered, gate)
	s := mustStart(t, o)
	c := dial(t, s)
	failed := make(chan error)
	go func() {
		_, _, err := exchange(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
		failed <- err
	}()
	<-entered
	expired, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Close(expired); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	if err := <-failed; err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the request was not cut off: %v", err)
	}
	close(gate)
}

func TestPanicIsTold(t *testing.T) {
	var mu sync.Mutex
	var told strings.Builder
	o := options("127.0.0.1:0")
	o.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("broken collector") })
	o.Logf = func(format string, args ...any) {
		mu.Lock()
		fmt.Fprintf(&told, format+"\n", args...)
		mu.Unlock()
	}
	s := mustStart(t, o)
	if _, _, err := exchange(dial(t, s), "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"); err == nil {
		t.Error("the request was answered")
	}
	if r, _ := get(t, s, "/healthz"); r.StatusCode != 200 {
		t.Errorf("afterwards: %s", r.Status)
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(told.String(), "broken collector") || !strings.HasPrefix(told.String(), "admin: ") {
		t.Errorf("told %q", told.String())
	}
}
