package accesslog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain runs the part of a test that needs a process of its own, or all
// tests; then goroutines and descriptors that are left over fail the run.
func TestMain(m *testing.M) {
	if role := os.Getenv("ACCESSLOG_TEST_ROLE"); role != "" {
		os.Exit(runRole(role))
	}
	before := descriptors()
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if after := descriptors(); after > before && code == 0 {
		fmt.Fprintf(os.Stderr, "%d descriptors before the tests, %d after\n", before, after)
		code = 1
	}
	os.Exit(code)
}

// descriptors counts the files, FIFOs and pipes that are open: the runtime's
// own poller opens its descriptors when it is first used.
func descriptors() int {
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		panic(err)
	}
	n := 0
	for _, name := range names {
		if to, err := os.Readlink(name); err == nil && (to[0] == '/' || to[0] == 'p') {
			n++
		}
	}
	return n
}

// within is a deadline that only a hanging test reaches.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// mustOpen opens a log and shuts it down when the test ends.
func mustOpen(t *testing.T, o Options) *Writer {
	t.Helper()
	if o.Logf == nil {
		o.Logf = t.Logf
	}
	w, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		done, cancel := context.WithCancel(context.Background())
		cancel()
		_ = w.Shutdown(done)
	})
	return w
}
