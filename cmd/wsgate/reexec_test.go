package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestMain lets a copy of the test binary stand for wsgate: it becomes itself
// once more and says what it has become.
func TestMain(m *testing.M) {
	if os.Getenv("REEXEC_PROBE") == "" {
		os.Exit(m.Run())
	}
	fmt.Println("run", os.Getpid())
	if err := announceExtendedConnect(os.Getenv("REEXEC_PROBE") == "on"); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("args", strings.Join(os.Args[1:], " "))
	fmt.Println("GODEBUG", os.Getenv("GODEBUG"))
	os.Exit(0)
}

func TestAnnounceExtendedConnect(t *testing.T) {
	probe := func(on string, env ...string) (pid int, lines []string) {
		cmd := exec.Command(os.Args[0], "run", "-c", "a file")
		cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "GODEBUG=") }),
			append(env, "REEXEC_PROBE="+on)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v %s", err, out)
		}
		return cmd.Process.Pid, strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	tests := []struct {
		on, env string
		runs    int
		godebug string
	}{
		{"off", "A=b", 1, ""},
		{"on", "A=b", 2, "http2xconnect=1"},
		{"on", "GODEBUG=http2xconnect=1", 1, "http2xconnect=1"},
		{"on", "GODEBUG=gctrace=0,http2xconnect=0", 2, "gctrace=0,http2xconnect=0,http2xconnect=1"},
		{"off", "GODEBUG=gctrace=0", 1, "gctrace=0"},
	}
	for _, tt := range tests {
		pid, got := probe(tt.on, tt.env)
		var want []string
		for range tt.runs {
			want = append(want, fmt.Sprint("run ", pid))
		}
		want = append(want, "args run -c a file", strings.TrimRight("GODEBUG "+tt.godebug, " "))
		got[len(got)-1] = strings.TrimRight(got[len(got)-1], " ")
		if !slices.Equal(got, want) {
			t.Errorf("%s %s: got %q, want %q", tt.on, tt.env, got, want)
		}
	}
}
