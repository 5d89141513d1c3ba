package spawn

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"wsgate/bench/account"
)

// TestMain plays the processes that the tests start: SPAWN_TEST_ROLE says which.
func TestMain(m *testing.M) {
	switch os.Getenv("SPAWN_TEST_ROLE") {
	case "":
		os.Exit(m.Run())
	case "guard":
		if err := Guard(os.Stdin); err != nil {
			os.Exit(1)
		}
	case "stubborn":
		stubborn()
	case "benchmark":
		benchmark()
	}
}

// stubborn has a child, ignores SIGTERM like it, and says so.
func stubborn() {
	signal.Ignore(unix.SIGTERM)
	if len(os.Args) < 2 {
		child := exec.Command(os.Args[0], "child")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	var set unix.CPUSet
	_ = unix.SchedGetaffinity(0, &set)
	fmt.Println("up on", set.Count(), "cores")
	select {}
}

// benchmark starts a stubborn process, tells where it is, and waits to be killed.
func benchmark() {
	s, err := New(role("guard"))
	if err == nil {
		var p *Process
		up := make(chan struct{}, 2)
		p, err = s.Start(spec("stubborn", AnyCore, up))
		if err == nil {
			<-up
			<-up
			fmt.Println(p.Group(), s.Dir())
			select {}
		}
	}
	fmt.Println("error:", err)
}

// role is a command line that plays name.
func role(name string) []string {
	return []string{"/usr/bin/env", "SPAWN_TEST_ROLE=" + name, os.Args[0]}
}

func spec(name string, core int, up chan<- struct{}) Spec {
	argv := role(name)
	return Spec{Path: argv[0], Args: argv[1:], Core: core, Line: func(l string) {
		if strings.HasPrefix(l, "up on") {
			up <- struct{}{}
		}
	}}
}

func members(t *testing.T, group int) []int {
	t.Helper()
	m, err := account.Members(group)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	s, err := New(role("guard"))
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{}, 2)
	p, err := s.Start(spec("stubborn", 0, up))
	if err != nil {
		t.Fatal(err)
	}
	<-up
	<-up
	if m := members(t, p.Group()); len(m) != 2 {
		t.Fatalf("members: %v", m)
	}
	if got := p.Output(); got != "up on 1 cores\nup on 1 cores" {
		t.Fatalf("output %q", got)
	}
	p.Stop(time.Millisecond)
	p.Stop(time.Millisecond)
	if m := members(t, p.Group()); len(m) != 0 {
		t.Fatalf("left: %v", m)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("scratch folder: %v", err)
	}
	goleak.VerifyNone(t, ignore)
}

func TestCloseStopsWhatStillRuns(t *testing.T) {
	s, err := New(role("guard"))
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{}, 2)
	p, err := s.Start(spec("stubborn", AnyCore, up))
	if err != nil {
		t.Fatal(err)
	}
	<-up
	<-up
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if m := members(t, p.Group()); len(m) != 0 {
		t.Fatalf("left: %v", m)
	}
}

// TestGuardCleansUpAfterAKill kills a benchmark so that it can do nothing itself.
func TestGuardCleansUpAfterAKill(t *testing.T) {
	argv := role("benchmark")
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var group int
	var dir string
	if _, err2 := fmt.Sscan(line, &group, &dir); err != nil || err2 != nil {
		t.Fatalf("%q: %v, %v", line, err, err2)
	}
	if m := members(t, group); len(m) != 2 {
		t.Fatalf("members: %v", m)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for range 4000 {
		_, err := os.Stat(dir)
		if len(members(t, group)) == 0 && errors.Is(err, fs.ErrNotExist) {
			return
		}
		<-poll.C
	}
	t.Fatalf("left: processes %v, folder %s", members(t, group), dir)
}

func TestGuardRemovesOnlyScratchFolders(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "wsbench-1")
	other := filepath.Join(dir, "other")
	for _, d := range []string{mine, other} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		in := strings.NewReader("dir " + d + "\ngroup 0\ngroup 1\ngroup x\ngroup 4194304\ngone 4194304\n")
		if err := Guard(in); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(mine); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("own folder: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("other folder: %v", err)
	}
	signal.Reset(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
}

func TestStartOfNothing(t *testing.T) {
	s, err := New(role("guard"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Start(Spec{Path: "/nonexistent", Core: AnyCore}); err == nil {
		t.Fatal("started")
	}
	if _, err := s.Start(Spec{Path: os.Args[0], Core: 1000}); err == nil {
		t.Fatal("pinned to a core that is not there")
	}
}

func TestTailKeepsTheLastLines(t *testing.T) {
	var seen int
	tl := &tail{line: func(string) { seen++ }}
	for i := range 100 {
		if _, err := io.WriteString(tl, fmt.Sprintf("line %d\nhalf", i)); err != nil {
			t.Fatal(err)
		}
	}
	got := strings.Split(tl.String(), "\n")
	if seen != 100 || len(got) != keep+1 || got[0] != "halfline 80" || got[keep] != "half" {
		t.Fatalf("%d lines seen, %d kept, first %q", seen, len(got), got[0])
	}
}
