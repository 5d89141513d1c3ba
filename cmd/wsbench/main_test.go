package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsgate/bench/compare"
	"wsgate/bench/load"
)

// TestMain is the command itself when a test starts it.
func TestMain(m *testing.M) {
	if os.Getenv("WSBENCH_TEST_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command is the command with a scratch folder of its own, which must be empty
// when it has ended.
func command(t *testing.T, args ...string) (cmd *exec.Cmd, scratch string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	scratch = t.TempDir()
	cmd = exec.Command(self, args...)
	cmd.Env = append(os.Environ(), "WSBENCH_TEST_MAIN=1", "TMPDIR="+scratch)
	return cmd, scratch
}

// left looks for processes started with the scratch folder, and files in it.
func left(t *testing.T, scratch string) (what []string) {
	t.Helper()
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range environs {
		if b, err := os.ReadFile(e); err == nil && bytes.Contains(b, []byte("TMPDIR="+scratch)) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(e), "cmdline"))
			what = append(what, e+" "+string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	files, err := os.ReadDir(scratch)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		what = append(what, f.Name())
	}
	return what
}

// startBackend returns its addresses, and stops it when the test ends.
func startBackend(t *testing.T) []string {
	cmd, _ := command(t, "backend", "--listen", "127.0.3.1-2:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("backend: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	f := strings.Fields(line)
	if err != nil || len(f) != 3 || f[0] != "Ready" {
		t.Fatalf("%q, %v", line, err)
	}
	return f[1:]
}

func TestLoadAndBackend(t *testing.T) {
	addrs := startBackend(t)
	cmd, _ := command(t, "load", "echo", "ws://"+addrs[1], "-c", "5", "-n", "2", "--duration", "400ms", "--source", "127.0.2.1-4", "--json")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var r load.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r.Units == 0 || r.FaultCount() != 0 || r.Closed != 5 {
		t.Fatalf("%s", out)
	}
	cmd, _ = command(t, "load", "churn", "ws://"+addrs[0], "-c", "5", "--duration", "100ms")
	if out, err = cmd.Output(); err != nil || !strings.Contains(string(out), "faults       none") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func exitCode(t *testing.T, args ...string) (code int, stderr string) {
	cmd, _ := command(t, args...)
	var b bytes.Buffer
	cmd.Stderr = &b
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), b.String()
}

func TestExitCodes(t *testing.T) {
	addr := startBackend(t)[0]
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"load", "breeze", "ws://" + addr}, 1, `mode "breeze"`},
		{[]string{"load", "echo", "ws://" + addr, "--path", "/nowhere", "-c", "1", "--duration", "10ms"}, 1, "404"},
		{[]string{"load", "echo"}, 1, "accepts 2 arg"},
		{[]string{"load", "echo", "ws://" + addr, "--source", "x"}, 1, `source "x"`},
		{[]string{"load", "echo", "ws://" + addr, "--resume"}, 1, "want wss://"},
		{[]string{"load", "echo", "wss://" + addr, "--tls-version", "1.1"}, 1, `TLS version "1.1"`},
		{[]string{"load", "echo", "wss://" + addr, "--tls-group", "P-1"}, 1, `TLS group "P-1"`},
		{[]string{"load", "echo", "wss://" + addr, "--tls-cipher", "NULL"}, 1, `TLS cipher "NULL"`},
		{[]string{"load", "echo", "wss://" + addr, "--ca", "/nonexistent"}, 1, "no such file"},
		{[]string{"load", "echo", "wss://" + addr, "--ca", "/dev/null"}, 1, "no certificate in /dev/null"},
		{[]string{"load", "echo", "wss://" + addr, "-c", "1", "--timeout", "50ms"}, 1, "no end of the TLS handshake within 50ms"},
		{[]string{"backend", "--listen", "127.0.0.1"}, 1, "no port"},
		{[]string{"backend", "--listen", addr}, 1, "in use"},
		{[]string{"compare", "--targets", "direct", "--scenarios", "tsunami"}, 1, `scenario "tsunami"`},
		{[]string{"compare", "--wsgate", "/nonexistent"}, 1, "no such file"},
		{[]string{"compare", "--wsgate", "/bin/true", "--baseline", "no-such-revision"}, 1, "baseline no-such-revision: "},
		{[]string{"counts", "--check", "/nonexistent"}, 1, "no such file"},
		{[]string{"counts", "--wsgate", "/nonexistent"}, 1, "no such file"},
		{[]string{"counts", "--check", "a", "--record", "b"}, 1, "none of the others can be"},
	} {
		if code, stderr := exitCode(t, tt.args...); code != tt.code || !strings.Contains(stderr, tt.says) {
			t.Errorf("%v: exit %d, %q", tt.args, code, stderr)
		}
	}
}

// small makes a comparison short: what it measures then is worth nothing.
var small = []string{"--duration", "100ms", "--warmup", "20ms", "--quiet", "20ms", "--pairs", "50"}

func TestCompare(t *testing.T) {
	out := t.TempDir()
	args := append([]string{"compare", "--targets", "direct,nginx,haproxy-splice", "--scenarios", "echo,churn,down64k,idle", "--rounds", "2", "--out", out}, small...)
	args = append(args, "--duration", "600ms") // something must come through on a busy machine too
	cmd, scratch := command(t, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	page, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	if what := left(t, scratch); len(what) > 0 {
		t.Errorf("left behind: %q", what)
	}
	b, err := os.ReadFile(filepath.Join(out, "latest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r compare.Results
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if want, err := r.Markdown(); err != nil || want != string(page) {
		t.Error("what was printed is not what was written")
	}
	for _, s := range r.Scenarios {
		for _, tg := range s.Targets {
			key := "per_second"
			if s.Name == "idle" {
				key = "pss_fresh"
			}
			if m := tg.Metrics[key]; m.N != 2 || m.Min <= 0 {
				t.Errorf("%s, %s: %s is %+v", s.Name, tg.Name, key, m)
			}
			if m := tg.Metrics["cpu_us"]; s.Name != "idle" && tg.Name != compare.Direct && (m.N != 2 || m.Min <= 0) {
				t.Errorf("%s, %s: no gateway CPU: %+v", s.Name, tg.Name, m)
			}
		}
	}
}

// TestInterruptedCompare interrupts a comparison in its second run.
func TestInterruptedCompare(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGKILL} {
		args := append([]string{"compare", "--targets", "direct,nginx,haproxy", "--scenarios", "echo,churn", "--rounds", "1000", "--out", ""}, small...)
		cmd, scratch := command(t, args...)
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewScanner(stderr)
		for in.Scan() && !strings.HasPrefix(in.Text(), "round 1/") {
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
		what := left(t, scratch)
		for i := 0; i < 4000 && sig == syscall.SIGKILL && len(what) > 0; i++ {
			<-poll.C
			what = left(t, scratch)
		}
		poll.Stop()
		if len(what) > 0 {
			t.Errorf("%v: left behind: %q", sig, what)
		}
	}
}
