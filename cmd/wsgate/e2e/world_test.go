package e2e

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// A world is what one test has started: backends, clients and gateways. It
// ends them in a fixed order: clients first, then backends, and each
// gateway last, so that a gateway that still holds anything has leaked it.
type world struct {
	t        *testing.T
	dir      string // short enough for the path of a unix socket
	clients  []func()
	ends     []func()
	gateways []*gateway
}

// newWorld returns the world of t, which may run beside other tests.
func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return newSerialWorld(t)
}

// newSerialWorld returns the world of a test that other tests must not disturb.
func newSerialWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir}
	t.Cleanup(w.finish)
	return w
}

// gatewayOnly skips the test when something else stands in the gateway's place.
func gatewayOnly(t *testing.T) {
	t.Helper()
	if target != targetGateway {
		t.Skipf("only wsgate promises this; the target is %s", target)
	}
}

// atEnd registers how a backend ends.
func (w *world) atEnd(f func()) { w.ends = append(w.ends, f) }

// keep registers a client connection.
func (w *world) keep(c net.Conn) {
	w.clients = append(w.clients, func() { c.Close() })
}

func (w *world) finish() {
	for _, f := range w.clients {
		f()
	}
	for i := len(w.ends) - 1; i >= 0; i-- {
		w.ends[i]()
	}
	for _, g := range w.gateways {
		g.finish()
	}
	if w.t.Failed() && os.Getenv("WSGATE_E2E_KEEP") == "1" {
		w.t.Logf("kept: %s", w.dir)
		return
	}
	os.RemoveAll(w.dir)
}

// eventually polls ok until it holds; a test that waits longer than limit fails.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	if !poll(limit, ok) {
		t.Fatalf("after %v still not: %s", limit, what)
	}
}

func poll(limit time.Duration, ok func() bool) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	for {
		if ok() {
			return true
		}
		select {
		case <-tick.C:
		case <-end.C:
			return ok()
		}
	}
}

// network tells the network of an address as configurations write it.
func network(addr string) (string, string) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return "unix", path
	}
	return "tcp", addr
}
