package sys

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the run when a descriptor or a goroutine is left behind.
func TestMain(m *testing.M) {
	if os.Getenv(secondProcess) != "" {
		os.Exit(listenAndReport())
	}
	before := descriptors()
	code := m.Run()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	for fd, what := range descriptors() {
		// The runtime opens its own epoll set and eventfd at the first use of
		// the net package and keeps them.
		if before[fd] == "" && !strings.HasPrefix(what, "anon_inode:") {
			fmt.Fprintf(os.Stderr, "descriptor %s left open: %s\n", fd, what)
			code = 1
		}
	}
	os.Exit(code)
}

// descriptors returns what each open descriptor stands for.
func descriptors() map[string]string {
	open := make(map[string]string)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		if what, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			open[e.Name()] = what
		}
	}
	return open
}

// poll waits until fd is ready for what epoll calls events, ten seconds at most.
func poll(t *testing.T, fd int, events uint32) {
	t.Helper()
	if !ready(fd, events) {
		t.Fatalf("descriptor %d: nothing happened within ten seconds", fd)
	}
}
