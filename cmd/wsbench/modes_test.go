package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wsgate/bench/load"
)

// loaded runs load with the arguments; it fails unless the exit status is code.
func loaded(t *testing.T, code int, args ...string) (r load.Report) {
	t.Helper()
	cmd, _ := command(t, append([]string{"load", "--json", "--timeout", "5s"}, args...)...)
	out, err := cmd.Output()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%q: exit %d, %v\n%s", args, got, err, out)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return r
}

func TestLoadModes(t *testing.T) {
	url := "ws://" + startBackend(t)[0]
	file := filepath.Join(t.TempDir(), "sizes.txt")
	if err := os.WriteFile(file, []byte("# bytes weight\n16 3\n1000 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	r := loaded(t, 0, "fanout", url, "-c", "12", "--room", "4", "--loops", "2", "--duration", "300ms")
	if f := r.Fanout; f == nil || f.Rooms != 3 || f.Members != 4 || f.Last.Count == 0 || f.First.P50 > f.Last.P50 || r.Unit != "delivery" || r.Units < 4*f.Last.Count {
		t.Errorf("fanout: %+v", r)
	}
	r = loaded(t, 0, "fanout", url, "-c", "6", "--rate", "100", "--duration", "300ms", "--sizes", file)
	if f := r.Fanout; f == nil || f.Last.Count != 30 || r.Units == 0 || r.Sizes == nil || r.Sizes.File != file || r.Sizes.Mean != 262 || r.Size != 262 {
		t.Errorf("fanout at a rate: %+v %+v", r, r.Fanout)
	}
	r = loaded(t, 0, "storm", url, "-c", "50", "--storms", "2", "--source", "127.0.2.1-4")
	if s := r.Storm; s == nil || len(s.Seconds) != 2 || s.Reconnect.Count != 100 || s.Attempts != 100 {
		t.Errorf("storm: %+v", r)
	}
	r = loaded(t, 0, "idle", url, "-c", "5", "--trickle", "100", "--duration", "300ms")
	if r.Units != 5 || r.Held == nil || r.Held.Count == 0 || r.Trickle != 100 {
		t.Errorf("idle: %+v", r)
	}
	for _, mode := range []string{"down", "up"} {
		if r = loaded(t, 0, mode, url, "-c", "2", "--duration", "300ms", "--sizes", file); r.Units == 0 || r.Bytes <= 16*r.Units || r.Bytes >= 1000*r.Units {
			t.Errorf("%s: %+v", mode, r)
		}
	}
}

// TestLoadMeetsServices reaches the services that no mode asks for.
func TestLoadMeetsServices(t *testing.T) {
	url := "ws://" + startBackend(t)[1]
	// 20 messages a second come through, however many are due.
	r := loaded(t, 0, "echo", url, "-c", "1", "-n", "4", "--size", "492", "--duration", "1s", "--path", "/slow?rate=10000")
	if r.Answered == 0 || float64(r.Units) > 30*r.Seconds {
		t.Errorf("slow: %d messages of 500 bytes in a second at 10000 bytes a second", r.Units)
	}
	for _, how := range []string{"", "&how=rst"} {
		r = loaded(t, 1, "echo", url, "-c", "3", "--duration", "10s", "--path", "/abrupt?after=2"+how)
		if r.Faults["cut"] != 3 || r.Answered > 6 || how == "" && r.Answered != 6 {
			t.Errorf("abrupt%s: %+v", how, r)
		}
	}
	r = loaded(t, 1, "storm", url, "-c", "2", "--storms", "1", "--timeout", "300ms", "--path", "/abrupt")
	if r.Faults["not back"] != 2 || r.Storm.Errors["end of stream"] == 0 {
		t.Errorf("storm: %+v, %+v", r, r.Storm)
	}
}

func TestLoadRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sizes.txt")
	if err := os.WriteFile(file, []byte("64 1\n1 x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, args := range map[string][]string{
		file + ":2: weight":           {"echo", "--sizes", file},
		"[size sizes] were all set":   {"echo", "--sizes", file, "--size", "3"},
		"rooms of 3 cannot be filled": {"fanout", "-c", "10", "--room", "3"},
		"a room belongs to one loop":  {"fanout", "-c", "10", "--loops", "2"},
		"it belongs to idle":          {"echo", "--trickle", "3"},
		"storms: -1 is below 1":       {"storm", "--storms", "-1"},
		"are not below 0":             {"idle", "--trickle", "-1"},
	} {
		args = append([]string{"load", args[0], "ws://127.0.0.1:1"}, args[1:]...)
		if code, stderr := exitCode(t, args...); code != 1 || !strings.Contains(stderr, says) {
			t.Errorf("%q: exit %d, %q", args, code, stderr)
		}
	}
}

// TestHistogramFile: the file has as many values as the report, and ends at the
// same maximum.
func TestHistogramFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "echo.hgrm")
	r := loaded(t, 0, "echo", "ws://"+startBackend(t)[0], "-c", "3", "--duration", "200ms", "--hgrm", file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var last float64
	var count int64
	for line := range strings.Lines(string(b)) {
		var value, percentile float64
		if n, _ := fmt.Sscan(line, &value, &percentile, &count); n == 3 {
			last = value
		}
	}
	if r.Latency.Count == 0 || count != r.Latency.Count || math.Abs(last-r.Latency.Max) > 0.01*r.Latency.Max {
		t.Fatalf("%d values to %v; the report has %d to %v\n%s", count, last, r.Latency.Count, r.Latency.Max, b)
	}
}
