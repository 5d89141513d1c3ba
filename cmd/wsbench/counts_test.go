package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"wsgate/bench/counts"
)

// few makes a count short: it is as exact, and sure enough for a test.
var few = []string{"--messages", "5", "--sessions", "5", "--attempts", "1"}

// TestCounts records what the gateway needs, and fails when the record has one
// call less: with that one, and no other.
func TestCounts(t *testing.T) {
	if err := counts.Strace(t.Context()); errors.Is(err, counts.ErrNotPermitted) {
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "counts.json")
	gateway := buildGateway(t)
	run := func(args ...string) (code int, out string) {
		t.Helper()
		cmd, scratch := command(t, append(append([]string{"counts", "--wsgate", gateway}, few...), args...)...)
		b, _ := cmd.CombinedOutput()
		if what := left(t, scratch); len(what) > 0 {
			t.Errorf("left behind: %q", what)
		}
		return cmd.ProcessState.ExitCode(), string(b)
	}
	if code, out := run("--record", file); code != 0 {
		t.Fatalf("exit %d\n%s", code, out)
	}
	r, err := counts.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	r.Units[counts.Message].Syscalls["sendto"]--
	if err := r.Write(file); err != nil {
		t.Fatal(err)
	}
	code, out := run("--check", file)
	if code != 1 || strings.Count(out, "GREW") != 1 || !strings.Contains(out, "make counts-record") {
		t.Fatalf("exit %d\n%s", code, out)
	}
}

func buildGateway(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "wsgate")
	if out, err := exec.Command("go", "build", "-o", binary, "wsgate/cmd/wsgate").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// TestCountsWhereNothingMayTrace still checks the allocations, and says loudly
// what it did not check.
func TestCountsWhereNothingMayTrace(t *testing.T) {
	bin := t.TempDir()
	const says = "#!/bin/sh\necho 'strace: ptrace(PTRACE_TRACEME, ...): Operation not permitted' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "strace"), []byte(says), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd, scratch := command(t, "counts", "--wsgate", buildGateway(t), "--check", filepath.Join("..", "..", "bench", "counts", "counts.json"))
	cmd.Env = append(cmd.Env, "PATH="+bin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if s := string(out); !strings.Contains(s, "SKIPPED: system calls were NOT counted: ") || strings.Contains(s, "recvfrom") || strings.Count(s, "heap objects") != 2 {
		t.Errorf("%s", s)
	}
	if what := left(t, scratch); len(what) > 0 {
		t.Errorf("left behind: %q", what)
	}
}

// atCommit skips a test of a source tree that is not a git checkout.
func atCommit(t *testing.T) {
	if err := exec.Command("git", "rev-parse", "--verify", "HEAD").Run(); err != nil {
		t.Skipf("git rev-parse HEAD: %v", err)
	}
}

func TestCompareWithBaseline(t *testing.T) {
	atCommit(t)
	args := append([]string{"compare", "--baseline", "HEAD", "--scenarios", "echo", "--rounds", "2"}, small...)
	cmd, scratch := command(t, append(args, "--duration", "600ms")...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	page, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	for _, want := range []string{"| wsgate | ", "| baseline | ", ", gateway CPU us: ", "- baseline is wsgate at HEAD ("} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if strings.Contains(string(page), "| nginx | ") {
		t.Error("nginx was not asked for")
	}
	// A B, then B A.
	var order []string
	for line := range strings.Lines(stderr.String()) {
		if f := strings.Fields(line); f[0] == "round" {
			order = append(order, f[3])
		}
	}
	if strings.Join(order, " ") != "wsgate baseline baseline wsgate" {
		t.Errorf("order: %q", order)
	}
	if what := left(t, scratch); len(what) > 0 {
		t.Errorf("left behind: %q", what)
	}
}

// TestInterruptedBaseline interrupts a comparison while it builds the baseline.
func TestInterruptedBaseline(t *testing.T) {
	atCommit(t)
	cmd, scratch := command(t, "compare", "--wsgate", os.Args[0], "--baseline", "HEAD", "--scenarios", "echo")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(stderr)
	for in.Scan() && !strings.HasPrefix(in.Text(), "building wsgate at") {
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for in.Scan() {
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit %d", code)
	}
	if what := left(t, scratch); len(what) > 0 {
		t.Errorf("left behind: %q", what)
	}
}
