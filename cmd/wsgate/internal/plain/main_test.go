package plain

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain fails the run when a test leaves a goroutine or a descriptor behind.
func TestMain(m *testing.M) {
	// The runtime's poller opens its descriptors with the first pipe.
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	r.Close()
	w.Close()
	before := descriptors()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if code == 0 {
		after := descriptors()
		for end := time.Now().Add(5 * time.Second); len(after) > len(before) && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
			after = descriptors()
		}
		if len(after) > len(before) {
			fmt.Fprintf(os.Stderr, "descriptors leaked: before %v\nafter %v\n", before, after)
			code = 1
		}
	}
	os.Exit(code)
}

// extended is what makes net/http announce extended CONNECT. It is read when
// the process starts, and then holds for all of its connections.
const extended = "http2xconnect=1"

// withExtendedConnect tells whether this process announces extended CONNECT. If
// not, it runs the test in a child that does, leak checks included.
func withExtendedConnect(t *testing.T) bool {
	t.Helper()
	if strings.Contains(os.Getenv("GODEBUG"), extended) {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v=true", "-test.timeout=120s")
	cmd.Env = append(os.Environ(), "GODEBUG="+extended)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	} else {
		t.Logf("%s", out)
	}
	return false
}

// descriptors lists the open descriptors with what they point at.
func descriptors() []string {
	var all []string
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			all = append(all, e.Name()+" "+to)
		}
	}
	return all
}
