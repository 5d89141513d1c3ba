package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nodeServer starts node/server.mjs with job and returns the server's address
// and process id. Closing its standard input ends it.
func (w *world) nodeServer(job map[string]any) (addr string, pid int) {
	w.t.Helper()
	arg, err := json.Marshal(job)
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command("node", "node/server.mjs", string(arg))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.atEnd(func() {
		in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		w.t.Fatalf("node server did not report its port: %v", err)
	}
	var ready struct{ Port int }
	if err := json.Unmarshal([]byte(line), &ready); err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ready.Port), cmd.Process.Pid
}

// A nodeSession is one connection that node/client.mjs is to make.
type nodeSession struct {
	URL       string            `json:"url"`
	Deflate   bool              `json:"deflate"`
	Protocols []string          `json:"protocols,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Sizes     []int             `json:"sizes,omitempty"`
	Fragment  int               `json:"fragment,omitempty"`
	Close     *nodeClose        `json:"close,omitempty"`
}

type nodeClose struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// A nodeResult is what became of a nodeSession.
type nodeResult struct {
	URL        string
	OK         bool
	Error      string
	Protocol   string
	Extensions string
	Code       int
	Reason     string
	Echoes     int
}

// nodeClient runs the sessions one after another in one node process.
func nodeClient(t *testing.T, impl string, sessions []nodeSession) []nodeResult {
	t.Helper()
	var out []nodeResult
	runNode(t, "node/client.mjs", map[string]any{"impl": impl, "sessions": sessions}, &out)
	if len(out) != len(sessions) {
		t.Fatalf("%s: %d results for %d sessions", impl, len(out), len(sessions))
	}
	return out
}

// nodeListen connects npm ws to each url in turn and returns the events it saw.
func nodeListen(t *testing.T, urls []string) [][]string {
	t.Helper()
	var out [][]string
	runNode(t, "node/client.mjs", map[string]any{"kind": "listen", "urls": urls}, &out)
	return out
}

// runNode runs a script with job on its standard input and decodes what it prints.
func runNode(t *testing.T, script string, job, result any) {
	t.Helper()
	in, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "node", script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, strings.TrimSpace(stderr.String()))
	}
	if err := json.Unmarshal(stdout.Bytes(), result); err != nil {
		t.Fatalf("%s printed %q: %v", script, stdout.String(), err)
	}
}
