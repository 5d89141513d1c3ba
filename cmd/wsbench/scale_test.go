package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsgate/bench/scale"
	"wsgate/bench/vm"
)

// brief makes a run short: what it measures then is worth nothing.
var brief = []string{"--quiet", "10ms", "--echo", "100ms"}

// machineArgs ask for a virtual machine, or skip the test.
func machineArgs(t *testing.T) []string {
	t.Helper()
	kernel, err := vm.FindKernel("../../bin/kernel", "/boot")
	if err = errors.Join(err, vm.Missing()); err != nil {
		t.Skip(err)
	}
	return append([]string{"scale", "--vm", "--kernel", kernel, "--pairs", "50", "--out", ""}, brief...)
}

// measured runs the command and returns what it wrote.
func measured(t *testing.T, args ...string) scale.Result {
	t.Helper()
	out := t.TempDir()
	cmd, scratch := command(t, append(args, "--out", out)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	page, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	if what := left(t, scratch); len(what) > 0 {
		t.Errorf("left behind: %q", what)
	}
	b, err := os.ReadFile(filepath.Join(out, "scale.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r scale.Result
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if r.Markdown() != string(page) {
		t.Error("what was printed is not what was written")
	}
	return r
}

func TestScale(t *testing.T) {
	r := measured(t, append([]string{"scale", "--native", "--pairs", "64"}, brief...)...)
	if r.Failed() || r.VM != nil || r.End.Answered != 64 || len(r.Stages) != 4 {
		t.Errorf("%+v", r)
	}
}

func TestScaleInAMachine(t *testing.T) {
	r := measured(t, machineArgs(t)...)
	if r.Failed() || r.End.Answered != 50 || len(r.Stages) != 4 || r.Kernel == nil {
		t.Errorf("%+v", r)
	}
	if r.VM == nil || r.VM.BootSeconds <= 0 || r.Machine.Kernel == r.VM.Host.Kernel || r.Machine.Descriptors < 1<<16 {
		t.Errorf("%+v on %+v", r.VM, r.Machine)
	}
}

func TestScaleThatCannotBe(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"--native", "--pairs", "3"}, "pairs: 3 is not between"},
		{[]string{"--native", "--pairs", "1000001"}, "pairs: 1000001 is not between"},
		{[]string{"--native", "--vm"}, "none of the others can be"},
		{[]string{"--native", "--wsgate", "/nonexistent"}, "no such file"},
		{[]string{"--vm", "--kernel", self, "--memory", "100000000"}, "do not fit"},
	} {
		args := append([]string{"scale", "--pairs", "50", "--wsgate", self, "--out", ""}, tt.args...)
		if tt.args[0] == "--vm" && vm.Missing() != nil {
			continue
		}
		if code, stderr := exitCode(t, args...); code != 1 || !strings.Contains(stderr, tt.says) {
			t.Errorf("%v: exit %d, %q", tt.args, code, stderr)
		}
	}
}

// interrupt sends sig when the command has said something, and looks for what
// it leaves.
func interrupt(t *testing.T, sig syscall.Signal, says string, args ...string) {
	t.Helper()
	cmd, scratch := command(t, args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(stderr)
	said := false
	for !said && in.Scan() {
		said = strings.Contains(in.Text(), says)
	}
	if !said {
		t.Errorf("it never said %q", says)
	}
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	for in.Scan() {
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); sig == syscall.SIGINT && code != 130 {
		t.Errorf("exit %d", code)
	}
	// After SIGKILL it is the guard that cleans up, a moment later.
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	what := left(t, scratch)
	for i := 0; i < 4000 && sig == syscall.SIGKILL && len(what) > 0; i++ {
		<-poll.C
		what = left(t, scratch)
	}
	if len(what) > 0 {
		t.Errorf("%v after %q: left behind: %q", sig, says, what)
	}
}

func TestInterruptedScale(t *testing.T) {
	args := append([]string{"scale", "--native", "--pairs", "400", "--out", ""}, brief...)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		interrupt(t, sig, "building", args...)
		interrupt(t, sig, "200 pairs are open", args...)
	}
}

func TestInterruptedMachine(t *testing.T) {
	args := machineArgs(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		interrupt(t, sig, "the machine is up", args...)
	}
}
