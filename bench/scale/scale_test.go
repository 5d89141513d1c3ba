package scale

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wsgate/bench/account"
	"wsgate/bench/backend"
	"wsgate/bench/spawn"
)

// TestMain plays what the tests start: the guard and the backend.
func TestMain(m *testing.M) {
	switch os.Getenv("SCALE_TEST_ROLE") {
	case "":
		os.Exit(build(m))
	case "kit":
		if err := kit(os.Args[1:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

func kit(args []string) error {
	if args[0] == "guard" {
		return spawn.Guard(os.Stdin)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := backend.Listen([]netip.AddrPort{netip.MustParseAddrPort("127.0.3.1:0"), netip.MustParseAddrPort("127.0.3.2:0")})
	if err != nil {
		return err
	}
	fmt.Println("Ready", s.Addrs()[0], s.Addrs()[1])
	return s.Run(ctx)
}

// self is a command line that plays the kit.
func self() []string { return []string{"/usr/bin/env", "SCALE_TEST_ROLE=kit", os.Args[0]} }

// wsgate is the gateway, built for the tests.
var wsgate string

// build builds it, runs the tests and returns their exit status.
func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "scale-test-")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	wsgate = filepath.Join(dir, "wsgate")
	if b, err := exec.Command("go", "build", "-o", wsgate, "wsgate/cmd/wsgate").CombinedOutput(); err != nil {
		fmt.Printf("%v: %s\n", err, b)
		return 1
	}
	return m.Run()
}

// rig is a supervisor and options for a run of 400 pairs, and sees to it that
// nothing is left.
func rig(t *testing.T) (*spawn.Supervisor, Options) {
	t.Helper()
	// The runtime's own descriptors appear with the first socket.
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
	ignore, before := goleak.IgnoreCurrent(), descriptors(t)
	sup, err := spawn.New(append(self(), "guard"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sup.Close(); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, ignore)
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
	return sup, Options{Self: self(), Binary: wsgate, Pairs: 400, Quiet: time.Millisecond, Echo: 100 * time.Millisecond}
}

func descriptors(t *testing.T) int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

func TestRun(t *testing.T) {
	sup, o := rig(t)
	res, err := Run(t.Context(), sup, o)
	if err != nil {
		t.Fatal(err)
	}
	if res.Failed() || res.End.Answered != 400 || res.End.Closed != 400 || res.End.Latency.Count != 200 {
		t.Errorf("%+v", res.End)
	}
	if len(res.Stages) != 4 || res.FreshUserBytes <= 0 || res.Version == "" || res.Seconds <= 0 {
		t.Fatalf("%+v", res)
	}
	for i, pairs := range []int{50, 100, 200, 400} {
		s := res.Stages[i]
		if s.Pairs != pairs || s.Upgrade.Count != int64(s.Added) || s.OpenSeconds <= 0 || s.Echo.Count == 0 {
			t.Errorf("stage %d: %+v", i, s)
		}
		if s.GC.Seconds <= 0 || s.GC.PausesUS[0] <= 0 || s.GC.PausesUS[1] <= 0 || s.GC.Asked <= 0 {
			t.Errorf("stage %d: no collection: %+v", i, s.GC)
		}
	}
	// Whatever else this machine does: 400 sessions are not free.
	if s := res.Stages[3]; s.UserBytes <= 0 || s.LoadBytesPair <= 0 {
		t.Errorf("no memory: %+v", s)
	}
	if _, ok := account.KernelMemory(); ok != (res.Kernel != nil) {
		t.Error("kernel memory can be read and is not told, or the other way round")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	for _, when := range []string{"opening 50 pairs", "200 pairs are open", "asking every"} {
		sup, o := rig(t)
		ctx, cancel := context.WithCancel(t.Context())
		o.Quiet = 20 * time.Millisecond
		o.Log = func(format string, args ...any) {
			if strings.HasPrefix(fmt.Sprintf(format, args...), when) {
				cancel()
			}
		}
		if _, err := Run(ctx, sup, o); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", when, err)
		}
		cancel()
	}
}

func TestRunWithoutAGateway(t *testing.T) {
	sup, o := rig(t)
	o.Binary = "/bin/false"
	if _, err := Run(t.Context(), sup, o); err == nil || !strings.Contains(err.Error(), "before it was ready") {
		t.Errorf("a program that ends: %v", err)
	}
	o.Binary = "/nonexistent"
	if _, err := Run(t.Context(), sup, o); err == nil {
		t.Error("no program")
	}
	o.Pairs = 900_000
	if limit := account.Here().Descriptors; Fits(limit) < o.Pairs {
		if _, err := Run(t.Context(), sup, o); err == nil || !strings.Contains(err.Error(), "pairs at most") {
			t.Errorf("too many pairs: %v", err)
		}
	}
}
