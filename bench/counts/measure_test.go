package counts

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
)

func options(t *testing.T) Options {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return Options{Self: []string{self}, Messages: 10, Sessions: 5, Attempts: 1, Log: t.Logf}
}

// TestMeasure counts the gateway of this module.
func TestMeasure(t *testing.T) {
	requireStrace(t)
	leaks(t)
	o := options(t)
	r, err := Measure(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	m := r.Units[Message].Syscalls
	if m["recvfrom"]+m["read"]+m["readv"] < 2 || m["sendto"]+m["write"]+m["writev"] < 2 {
		t.Errorf("a message is read and written twice: %v", m)
	}
	if u := r.Units[Upgrade].Syscalls; u["socket"] != 1 || u["connect"] != 1 || u["close"] != 2 {
		t.Errorf("a session has one socket to the backend and closes two: %v", u)
	}
	if r.Units[Message].Objects > 1 {
		t.Errorf("%v objects a message", r.Units[Message].Objects)
	}
}

func TestMeasureInterrupted(t *testing.T) {
	o := options(t)
	leaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	o.Binary = o.Self[0] // and waits for it to be ready
	if _, err := Measure(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestMeasureWhatIsNoGateway(t *testing.T) {
	o := options(t)
	leaks(t)
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	for _, binary := range []string{"/nonexistent", "/bin/sh", tool} {
		o.Binary = binary
		if _, err := Measure(t.Context(), o); err == nil {
			t.Errorf("%s was measured", binary)
		}
	}
}
