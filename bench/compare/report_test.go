package compare

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wsgate/bench/account"
	"wsgate/bench/load"
	"wsgate/bench/rivals"
)

var update = flag.Bool("update", false, "write the section of invented results into testdata")

// invented are results with all charts in them, of numbers that nobody
// measured.
func invented(t *testing.T) *Results {
	t.Helper()
	scenarios, err := choose([]string{Full}, 5000)
	if err != nil {
		t.Fatal(err)
	}
	var targets []target
	for _, g := range rivals.All() {
		targets = append(targets, target{Gateway: g, binary: "x"})
	}
	targets = append(targets, target{Gateway: rivals.Gateway{Name: Direct}})
	r := newResults(Options{Rounds: 3, IdleRounds: 2, Duration: 2 * time.Second, Quiet: 10 * time.Second}, scenarios, targets, nil)
	r.Time = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r.Machine = account.Machine{CPU: "Z80", Cores: 2, MemoryBytes: 8 << 30, System: "Debian", Kernel: "6.1 x86_64", Go: "go1.26"}
	for i, s := range scenarios {
		for j, tg := range targets {
			if !tg.takes(s) {
				continue
			}
			for round := range 3 {
				r.Scenarios[i].Targets[j].add(invent(s, tg, float64(j), float64(round)))
			}
		}
	}
	r.finish(scenarios)
	if err := json.Unmarshal([]byte(scaleRun), &r.Scale); err != nil {
		t.Fatal(err)
	}
	return r
}

const scaleRun = `{"time": "2026-03-02T12:00:00Z", "machine": {"kernel": "6.1 x86_64"}, "virtual_machine": {"qemu": "7.2"}, "pairs": 1, "stages": [
	{"pairs": 50000, "added": 50000, "open_seconds": 60, "user_bytes_pair": 700, "kernel_bytes_pair": 16050.5, "echo": {"p50_us": 300, "p99_us": 30000}, "collection": {"seconds": 0.02, "pauses_us": [50, 80.5]}},
	{"pairs": 100000, "added": 50000, "open_seconds": 61.5, "user_bytes_pair": 690, "kernel_bytes_pair": 16020, "echo": {"p50_us": 310, "p99_us": 31000}, "collection": {"seconds": 0.04, "pauses_us": [55, 90]}},
	{"pairs": 200000, "added": 100000, "open_seconds": 120, "user_bytes_pair": 685, "kernel_bytes_pair": 16010, "echo": {"p50_us": 320, "p99_us": 40000}, "collection": {"seconds": 0.08, "pauses_us": [60, 90]}}],
	"end": {"answered": 199999}}`

func invent(s Scenario, tg target, j, round float64) Trial {
	cost := (10 + float64(s.Size)/1000) * (1 + 0.1*j) * (1 + 0.01*round)
	if s.TLS != nil {
		cost *= 2
	}
	l := load.Summary{Count: 1000, P50: 100 + 10*j + round, P90: 150 + 10*j + 3*round, P99: 400 + 40*j + 30*round, P999: 4000 + 400*j + 700*round}
	run := Trial{Round: int(round) + 1, Report: &load.Report{Latency: l}, Values: map[string]float64{}}
	if s.Idle() {
		run.Values["pss_session"], run.Values["kernel_session"] = 700*(1+3*j)+round, 16000+round
		return run
	}
	run.Values["per_second"] = 1e6 / cost
	if s.Rate > 0 {
		run.Values["per_second"] = s.Rate
	}
	run.Values["p50_us"], run.Values["p99_us"], run.Values["p999_us"] = l.P50, l.P99, l.P999
	run.Values["machine_us"] = 3 * cost
	if tg.Name != Direct {
		run.Values["cpu_us"], run.Values["syscalls"] = cost, 4
	}
	return run
}

func files(charts []Chart) (names []string) {
	for _, c := range charts {
		names = append(names, c.File)
	}
	return names
}

func TestCharts(t *testing.T) {
	r := invented(t)
	drawn, err := r.Charts()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(files(drawn), " "); got != "memory.svg message.svg megabyte.svg latency.svg tls13.svg tls12.svg scale.svg" {
		t.Fatal(got)
	}
	again, err := invented(t).Charts()
	if err != nil {
		t.Fatal(err)
	}
	says := map[string][]string{
		"memory.svg":   {">701<", ">16,001<", ">nginx<", ">bytes a session<", "Median of 2 rounds", "kernel 6.1 x86_64"},
		"message.svg":  {">16 KB<", ">payload (log scale)<", ">microseconds of CPU a message<", "wsgate"},
		"megabyte.svg": {">900 KB<", ">microseconds of CPU a MB<", "nginx-16k"},
		"latency.svg":  {">p90<", ">p99.9<", ">microseconds (log scale)<", "direct"},
		"tls13.svg":    {"TLS 1.3, X25519, ECDSA P-256, AES-128-GCM, full handshakes", "TLS 1.3, X25519, ECDSA P-256, AES-128-GCM, resumed handshakes", "RSA 2048"},
		"tls12.svg":    {"TLS 1.2, X25519, ECDSA P-256, AES-128-GCM, full handshakes"},
		"scale.svg":    {">200,000<", "user 685", "kernel 16,010"},
	}
	for i, c := range drawn {
		if !bytes.Equal(c.SVG, again[i].SVG) {
			t.Errorf("%s: the same results make another drawing", c.File)
		}
		for _, want := range says[c.File] {
			if !bytes.Contains(c.SVG, []byte(want)) {
				t.Errorf("%s: no %q", c.File, want)
			}
		}
	}
}

// TestChartsNeedNumbers: no drawing of nothing, of one size, or of one stage.
func TestChartsNeedNumbers(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    *Results
		want string
	}{
		{"nothing", &Results{}, ""},
		{"one size", results(t, "echo", runs("wsgate", v(7, 500, 900))), ""},
		{"failed runs", func() *Results {
			r := results(t, "rate", runs("wsgate", v(7, 500, 900)))
			r.Scenarios[0].Targets[0].Runs[0] = Trial{Error: "no", Report: &load.Report{Latency: load.Summary{Count: 1, P50: 1, P90: 1, P99: 1, P999: 1}}}
			return r
		}(), ""},
		{"memory", results(t, "idle", runs("wsgate", map[string]float64{"pss_session": 0})), "memory.svg"},
		{"less than nothing", results(t, "idle", runs("wsgate", map[string]float64{"pss_session": 9, "kernel_session": -5}), runs("nginx", map[string]float64{"kernel_session": -1})), "memory.svg"},
		{"only less than nothing", results(t, "idle", runs("wsgate", map[string]float64{"kernel_session": -5})), ""},
		{"one stage", &Results{Scale: &Scale{Stages: []Stage{{Pairs: 5, User: 1, Kernel: 1}}}}, ""},
	} {
		drawn, err := tt.r.Charts()
		if err != nil || strings.Join(files(drawn), " ") != tt.want {
			t.Errorf("%s: %v, %v", tt.name, files(drawn), err)
		}
	}
	r := results(t, "idle", runs("wsgate", map[string]float64{"pss_session": math.NaN()}))
	if drawn, err := r.Charts(); err == nil {
		t.Errorf("not a number is drawn: %v", files(drawn))
	}
}

func TestSection(t *testing.T) {
	r := invented(t)
	section, err := r.Section("some/folder")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "section.md", section)
	if !strings.Contains(section, r.Summary()) {
		t.Error("the section is without the summary")
	}
	if page := markdown(t, r); !strings.Contains(page, r.Summary()) || !strings.Contains(page, "](memory.svg)") {
		t.Error("the page is without summary or charts")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is now\n%s", name, got)
	}
}

// TestSummaryCallsNoWin: the table has the verdict that the spread allows.
func TestSummaryCallsNoWin(t *testing.T) {
	haproxy := func() *TargetResult { return runs("haproxy", v(9, 400, 800), v(9.1, 410, 810)) }
	for _, tt := range []struct {
		name                    string
		subject, nginx, haproxy *TargetResult
		want                    string
	}{
		{"clear", runs("wsgate", v(7, 400, 800), v(7.1, 400, 800)), runs("nginx", v(8, 500, 900), v(8.1, 500, 900)), haproxy(), "0.88, win"},
		{"more", runs("wsgate", v(12, 400, 800), v(12.1, 400, 800)), runs("nginx", v(8, 500, 900), v(8.1, 500, 900)), haproxy(), "1.50, loss"},
		{"own spread", runs("wsgate", v(6, 400, 800), v(8, 400, 800)), runs("nginx", v(8, 500, 900), v(8.1, 500, 900)), haproxy(), "0.87, undecided: within the spread"},
		{"the best peer's spread", runs("wsgate", v(7, 400, 800), v(7, 400, 800)), runs("nginx", v(7, 500, 900), v(9, 500, 900)), haproxy(), "0.88, undecided: within the spread"},
		{"another peer's spread", runs("wsgate", v(7, 400, 800), v(7.1, 400, 800)), runs("nginx", v(8, 500, 900), v(8.1, 500, 900)),
			runs("haproxy", v(6, 400, 800), v(11, 400, 800)), "0.88, undecided: better than that peer, but not clear of haproxy"},
		{"one round", runs("wsgate", v(7, 400, 800)), runs("nginx", v(8, 500, 900)), haproxy(), "0.88, undecided: one round has no spread to judge by"},
		{"paid for with latency", runs("wsgate", v(7, 400, 1800), v(7.1, 400, 1800)), runs("nginx", v(8, 500, 900), v(8.1, 500, 900)), haproxy(),
			"0.88, undecided: less CPU, but p99 is worse than that peer's"},
	} {
		summary := results(t, "echo", tt.subject, tt.nginx, tt.haproxy).Summary()
		if !strings.HasSuffix(summary, "| "+tt.want+" |\n") {
			t.Errorf("%s: %s", tt.name, summary)
		}
	}
}

func TestSummaryOfNothing(t *testing.T) {
	const head = "| | to the best peer |\n|---|---|\n"
	if got := new(Results).Summary(); got != head {
		t.Errorf("%q", got)
	}
	failed := results(t, "echo", &TargetResult{Name: "wsgate", Runs: []Trial{{Round: 1, Error: "no"}}})
	if got := failed.Summary(); strings.Count(got, "\n") != 2 {
		t.Errorf("%q", got)
	}
	alone := results(t, "echo", runs("wsgate", v(7, 400, 800), v(7.1, 400, 800))).Summary()
	if !strings.HasSuffix(alone, "| 7.05 us |  |\n") {
		t.Errorf("%q", alone)
	}
}

// TestMetricsOfModes: what only some modes have is in their tables.
func TestMetricsOfModes(t *testing.T) {
	for _, tt := range []struct {
		mode   load.Mode
		values map[string]float64
		head   string
		row    string
	}{
		{load.Fanout, map[string]float64{"cpu_us": 2, "last_us": 900, "median_us": 500, "first_us": 80, "machine_us": 5, "syscalls": 3.5},
			"| target | first member us | median member us | last member us | gateway CPU us a message | machine CPU us a message | system calls a message |",
			"| time until the last member of a room has a message | 900 us |"},
		{load.Storm, map[string]float64{"back_seconds": 1.5, "errors": 2}, "| target | s until all are back | errors on the way |",
			"| time until all of 50 are back that dropped at once | 1.50 s |"},
	} {
		s := Scenario{Name: "x", Title: "X: y", Unit: "message", PerUnit: 1, Mode: tt.mode, Conns: 50}
		r := newResults(Options{}, []Scenario{s}, nil, nil)
		r.Scenarios[0].Targets = []*TargetResult{runs("wsgate", tt.values)}
		r.finish([]Scenario{s})
		if md := markdown(t, r); !strings.Contains(md, tt.head) || !strings.Contains(md, tt.row) {
			t.Errorf("%s: %s", tt.mode, md)
		}
	}
}

func TestWritePage(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("tls12.svg", "of a run with TLS")
	write("logo.svg", "somebody else's")
	write(scaleFile, `{"pairs": 200, "stages": [{"pairs": 100, "user_bytes_pair": 700, "kernel_bytes_pair": 16000, "open_seconds": 2}, {"pairs": 200, "user_bytes_pair": 690.4, "open_seconds": 2}]}`)
	r := results(t, "idle", runs("wsgate", map[string]float64{"pss_session": 700}))
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	want := "latest.json latest.md logo.svg memory.svg scale.json scale.svg"
	if got := names(t, dir); got != want {
		t.Fatalf("%s; want %s", got, want)
	}
	back, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if page, err := os.ReadFile(filepath.Join(dir, pageFile)); err != nil || string(page) != markdown(t, back) || !strings.Contains(string(page), "| 200 | 690 B |  | 2.00 s |") {
		t.Errorf("%v\n%s", err, page)
	}
	write(scaleFile, "{")
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), scaleFile) {
		t.Errorf("half of a file is read: %v", err)
	}
	if err := r.Write(dir); err == nil {
		t.Error("half of a file is part of the page")
	}
	if got := names(t, dir); got != want {
		t.Errorf("%s", got)
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, e := range entries {
		s = append(s, e.Name())
	}
	return strings.Join(s, " ")
}

func TestEmbed(t *testing.T) {
	for _, tt := range []struct{ page, want string }{
		{"a\n" + beginMark + "old\n" + endMark + "z\n", "a\n" + beginMark + "new\n" + endMark + "z\n"},
		{beginMark + endMark, beginMark + "new\n" + endMark},
		{"a\n" + beginMark + "old\n", ""},
		{"a\n" + endMark + beginMark, ""},
		{"", ""},
	} {
		got, err := Embed(tt.page, "new\n")
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: %q, %v", tt.page, got, err)
		}
	}
}

// TestPublished: what the repository shows is what its latest.json says. When
// it fails, wsbench report makes it true again.
func TestPublished(t *testing.T) {
	root := filepath.Join("..", "..")
	dir := filepath.Join(root, "bench", "results")
	r, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	section, err := r.Section("bench/results")
	if err != nil {
		t.Fatal(err)
	}
	if want, err := Embed(string(readme), section); err != nil || want != string(readme) {
		t.Errorf("README.md shows other results than latest.json, %v", err)
	}
	if !strings.Contains(string(readme), r.Summary()) {
		t.Error("README.md is without the table of latest.json")
	}
	if page, err := os.ReadFile(filepath.Join(dir, pageFile)); err != nil || string(page) != markdown(t, r) {
		t.Errorf("latest.md is not the page of latest.json, %v", err)
	}
	drawn, err := r.Charts()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range drawn {
		if svg, err := os.ReadFile(filepath.Join(dir, c.File)); err != nil || !bytes.Equal(svg, c.SVG) {
			t.Errorf("%s is not the chart of latest.json, %v", c.File, err)
		}
	}
	for _, d := range drawings {
		_, err := os.Stat(filepath.Join(dir, d.file))
		if err == nil && !slices.Contains(files(drawn), d.file) {
			t.Errorf("%s has no numbers in latest.json", d.file)
		}
	}
}
