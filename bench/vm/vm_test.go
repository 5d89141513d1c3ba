package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wsgate/bench/spawn"
)

// TestMain plays the guard that the tests' supervisors start.
func TestMain(m *testing.M) {
	if os.Getenv("VM_TEST_GUARD") != "" {
		if err := spawn.Guard(os.Stdin); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func supervisor(t *testing.T) *spawn.Supervisor {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	sup, err := spawn.New([]string{"/usr/bin/env", "VM_TEST_GUARD=1", os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sup.Close(); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, ignore)
	})
	return sup
}

// guest is a machine whose command is testdata/guest with args, or a skip.
func guest(t *testing.T, args ...string) Config {
	t.Helper()
	kernel, err := FindKernel("../../bin/kernel", "/boot")
	if err = errors.Join(err, Missing()); err != nil {
		t.Skip(err)
	}
	program := filepath.Join(t.TempDir(), "guest")
	build := exec.Command("go", "build", "-o", program, "./testdata/guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64")
	if b, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if err := Static(program); err != nil {
		t.Fatal(err)
	}
	return Config{
		Kernel: kernel, Memory: 256 << 20, Descriptors: 123456,
		Files:   []File{{Name: "bin/guest", From: program, Mode: 0o755}},
		Command: append([]string{"/bin/guest"}, args...),
		Log:     func(string) {},
	}
}

func TestCommandInAMachine(t *testing.T) {
	c := guest(t, "two words", "it's")
	var logged []string
	c.Log = func(l string) { logged = append(logged, l) }
	out, err := Run(t.Context(), supervisor(t), c)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Limit int
		Args  []string
		Long  string
	}
	if err := json.Unmarshal(out.Result, &got); err != nil {
		t.Fatalf("%v in %.100q", err, out.Result)
	}
	if got.Limit != 123456 || strings.Join(got.Args, "|") != "two words|it's" || len(got.Long) != 50000 {
		t.Errorf("%d, %q, %d bytes", got.Limit, got.Args, len(got.Long))
	}
	if len(logged) != 1 || logged[0] != "listening" || out.BootSeconds <= 0 || out.Seconds < out.BootSeconds {
		t.Errorf("%q, %+v", logged, out)
	}
}

func TestCommandWithoutAResult(t *testing.T) {
	const says = `nothing to say\r\nthe command has ended: exit status 0`
	if _, err := Run(t.Context(), supervisor(t), guest(t, "end")); err == nil || !strings.Contains(err.Error(), says) {
		t.Error(err)
	}
}

func TestMachineEndsWithTheContext(t *testing.T) {
	c := guest(t, "hang")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.Log = func(string) { cancel() }
	sup := supervisor(t)
	if _, err := Run(ctx, sup, c); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	machines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range machines {
		if b, err := os.ReadFile(m); err == nil && bytes.Contains(b, []byte(sup.Dir()+"/vm-")) {
			t.Errorf("left: %s", bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
		}
	}
}

func TestMachineThatDoesNotBoot(t *testing.T) {
	whole := guest(t)
	c := whole
	c.Kernel = os.Args[0]
	if _, err := Run(t.Context(), supervisor(t), c); err == nil || !strings.Contains(err.Error(), "without a result") {
		t.Errorf("no kernel: %v", err)
	}
	c = whole
	c.Memory = 1 << 60
	if _, err := Run(t.Context(), supervisor(t), c); err == nil || !strings.Contains(err.Error(), "do not fit") {
		t.Errorf("no memory: %v", err)
	}
	c = whole
	c.Boot = time.Millisecond
	if _, err := Run(t.Context(), supervisor(t), c); err == nil || !strings.Contains(err.Error(), "nothing came") {
		t.Errorf("no time: %v", err)
	}
}
