package build

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wsgate/bench/spawn"
)

// TestMain is the guard when a supervisor starts it.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "guard" {
		if spawn.Guard(os.Stdin) != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func supervisor(t *testing.T) *spawn.Supervisor {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := spawn.New([]string{self, "guard"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return s
}

func TestGateway(t *testing.T) {
	binary, err := Gateway(t.Context(), supervisor(t), "", "gateway")
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(binary) != "gateway" {
		t.Error(binary)
	}
	out, err := exec.Command(binary, "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "wsgate ") {
		t.Fatalf("%q, %v", out, err)
	}
}

func TestGatewayOutsideOfItsModule(t *testing.T) {
	if _, err := Gateway(t.Context(), supervisor(t), t.TempDir(), "gateway"); err == nil || !strings.Contains(err.Error(), "--wsgate") {
		t.Fatal(err)
	}
}

func TestGatewayInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Gateway(ctx, supervisor(t), "", "gateway"); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
