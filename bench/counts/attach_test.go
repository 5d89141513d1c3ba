package counts

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"wsgate/bench/spawn"
)

// TestMain plays what the tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "guard":
			if spawn.Guard(os.Stdin) != nil {
				os.Exit(1)
			}
			return
		case "caller":
			caller()
			return
		case "run": // a gateway that is never ready
			_, _ = unix.Poll(nil, -1)
			return
		}
	}
	os.Exit(m.Run())
}

// calls is how often a caller calls what nobody else does, for each line.
const calls = 1000

// caller calls, when it is told to.
func caller() {
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		for range calls {
			_, _ = unix.Getpgid(0)
		}
		fmt.Println("done")
	}
}

// requireStrace skips a test where strace may not trace. Where it is missing the
// test fails: make installs it.
func requireStrace(t *testing.T) {
	t.Helper()
	if err := Strace(t.Context()); errors.Is(err, ErrNotPermitted) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// leaks fails the test when it leaves a goroutine or a descriptor behind.
func leaks(t *testing.T) {
	t.Helper()
	descriptors := func() int {
		d, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(d)
	}
	ignore, before := goleak.IgnoreCurrent(), descriptors()
	t.Cleanup(func() {
		goleak.VerifyNone(t, ignore)
		if after := descriptors(); after != before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
}

// process is a caller that a test talks to.
type process struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startCaller starts a caller in the group pgid, or in one of its own for 0.
func startCaller(t *testing.T, pgid int) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(self, "caller")}
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: pgid, Pdeathsig: syscall.SIGKILL}
	out, err := p.StdoutPipe()
	if err == nil {
		p.in, err = p.StdinPipe()
	}
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	t.Cleanup(func() {
		p.in.Close()
		if err := p.Wait(); err != nil {
			t.Error(err)
		}
	})
	p.says(t, "ready\n")
	return p
}

func (p *process) says(t *testing.T, want string) {
	t.Helper()
	if got, err := p.out.ReadString('\n'); err != nil || got != want {
		t.Fatalf("%q, %v", got, err)
	}
}

func (p *process) call(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		t.Fatal(err)
	}
	p.says(t, "done\n")
}

func TestAttach(t *testing.T) {
	requireStrace(t)
	leaks(t)
	first := startCaller(t, 0)
	second := startCaller(t, first.Process.Pid)
	for range 2 { // a group can be counted again
		first.call(t) // before: does not count
		c, err := Attach(t.Context(), first.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		first.call(t)
		second.call(t)
		second.call(t)
		got, err := c.Stop()
		if err != nil {
			t.Fatal(err)
		}
		first.call(t) // after: does not count
		if got["getpgid"] != 3*calls {
			t.Errorf("getpgid %d times, want %d: %v", got["getpgid"], 3*calls, got)
		}
		if got["write"] < 3 {
			t.Errorf("writes of the answers: %v", got)
		}
	}
}

func TestAttachUntilTheEnd(t *testing.T) {
	requireStrace(t)
	leaks(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "caller")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c, err := Attach(t.Context(), cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "\n"); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Stop(); err != nil || got["getpgid"] != calls {
		t.Fatalf("%v, %v", got, err)
	}
}

func TestAttachInterrupted(t *testing.T) {
	requireStrace(t)
	leaks(t)
	p := startCaller(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Attach(ctx, p.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-c.done
	p.call(t) // it goes on
	if got, err := c.Stop(); err == nil {
		t.Errorf("half a count: %v", got)
	}
}

func TestAttachToNobody(t *testing.T) {
	leaks(t)
	if _, err := Attach(t.Context(), 1<<22); err == nil {
		t.Fatal("attached")
	}
}

func TestParseSummary(t *testing.T) {
	const printed = `strace: Process 12 attached with 5 threads
strace: Process 12 detached
    calls syscall
--------- ----------------
     2000 epoll_wait
       12 read
--------- ----------------
     2012 total
`
	got, err := parseSummary(printed)
	if want := map[string]int64{"epoll_wait": 2000, "read": 12}; err != nil || !maps.Equal(got, want) {
		t.Fatalf("%v, %v", got, err)
	}
	if _, err := parseSummary("strace: Process 12 detached\n"); err == nil {
		t.Fatal("nothing is a count")
	}
}

func TestStraceError(t *testing.T) {
	err := straceError(errors.New("exit status 1"), []byte("strace: attach: ptrace(PTRACE_SEIZE, 12): Operation not permitted\n"))
	if !errors.Is(err, ErrNotPermitted) {
		t.Error(err)
	}
	if err := straceError(errors.New("exit status 1"), []byte("strace: no such option\n")); errors.Is(err, ErrNotPermitted) {
		t.Error(err)
	}
}

func TestNoiseHasNoMessageCalls(t *testing.T) {
	for _, name := range append([]string{"read", "write", "recvfrom", "sendto", "splice", "close", "socket"}, waits...) {
		if slices.Contains(Noise, name) {
			t.Errorf("%s is not traced", name)
		}
	}
}
