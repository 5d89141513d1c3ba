package compare

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wsgate/bench/load"
	"wsgate/bench/rivals"
	"wsgate/bench/stats"
)

func scenario(t *testing.T, name string) Scenario {
	t.Helper()
	s, err := choose([]string{name}, 5000)
	if err != nil {
		t.Fatal(err)
	}
	return s[0]
}

// runs makes a target with one run for each set of values.
func runs(name string, values ...map[string]float64) *TargetResult {
	r := &TargetResult{Name: name}
	for i, v := range values {
		r.add(Trial{Round: i + 1, Values: v, Report: &load.Report{}})
	}
	return r
}

func v(cpu, p50, p99 float64) map[string]float64 {
	return map[string]float64{"per_second": 1e6 / cpu, "cpu_us": cpu, "cpu_user_us": cpu / 4, "cpu_system_us": cpu * 3 / 4, "p50_us": p50, "p99_us": p99, "gateway_busy": 0.9}
}

func results(t *testing.T, name string, targets ...*TargetResult) *Results {
	s := scenario(t, name)
	r := newResults(Options{Rounds: 2}, []Scenario{s}, nil, nil)
	r.Scenarios[0].Targets = targets
	r.finish([]Scenario{s})
	return r
}

func markdown(t *testing.T, r *Results) string {
	t.Helper()
	md, err := r.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	return md
}

func verdict(t *testing.T, r *Results, metric string) Verdict {
	t.Helper()
	i := slices.IndexFunc(r.Scenarios[0].Verdicts, func(v Verdict) bool { return v.Metric == metric })
	if i < 0 {
		t.Fatalf("no verdict about %s in %+v", metric, r.Scenarios[0].Verdicts)
	}
	return r.Scenarios[0].Verdicts[i]
}

func TestVerdicts(t *testing.T) {
	nginx := func() *TargetResult { return runs("nginx", v(8.0, 500, 900), v(8.1, 510, 910)) }
	haproxy := func() *TargetResult { return runs("haproxy", v(9.0, 400, 800), v(9.1, 410, 810)) }
	tests := []struct {
		name    string
		subject *TargetResult
		want    stats.Outcome
		peer    string
		why     string
	}{
		{"less CPU, latency as good", runs("wsgate", v(7.0, 500, 900), v(7.1, 505, 905)), stats.Win, "nginx", "larger than the spread"},
		{"less CPU, p99 worse", runs("wsgate", v(7.0, 500, 1900), v(7.1, 505, 1905)), stats.Undecided, "nginx", "p99 is worse"},
		{"less CPU, p50 worse", runs("wsgate", v(7.0, 700, 900), v(7.1, 705, 905)), stats.Undecided, "nginx", "p50 is worse"},
		{"less CPU within the spread", runs("wsgate", v(7.0, 500, 900), v(8.5, 505, 905)), stats.Undecided, "nginx", "spread"},
		{"more CPU", runs("wsgate", v(12, 500, 900), v(12.1, 505, 905)), stats.Loss, "nginx", "larger than the spread"},
		{"one round", runs("wsgate", v(1, 1, 1)), stats.Undecided, "nginx", "one round"},
	}
	for _, tt := range tests {
		r := results(t, "echo", tt.subject, nginx(), haproxy(), runs(Direct, v(1, 1, 1), v(1, 1, 1)))
		got := verdict(t, r, "cpu_us")
		if got.Outcome != tt.want || got.Peer != tt.peer || !strings.Contains(got.Why, tt.why) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestFailedRunsCountForNothing(t *testing.T) {
	bad := runs("wsgate", v(1, 1, 1), v(7, 500, 900), v(7.1, 500, 900))
	bad.Runs[0].Error = "3 faults"
	r := results(t, "echo", bad, runs("nginx", v(8, 500, 900), v(8.1, 500, 900)))
	if m := bad.Metrics["cpu_us"]; m.N != 2 || m.Min != 7 {
		t.Fatalf("%+v", m)
	}
	if md := markdown(t, r); r.Failed() != 1 || !strings.Contains(md, "**failed**, wsgate, round 1: 3 faults") {
		t.Fatalf("%d failed\n%s", r.Failed(), md)
	}
}

func TestNoVerdictWithoutPeers(t *testing.T) {
	r := results(t, "echo", runs("wsgate", v(1, 1, 1), v(1, 1, 1)), runs(Direct, v(1, 1, 1)))
	if n := len(r.Scenarios[0].Verdicts); n != 0 {
		t.Fatalf("%d verdicts", n)
	}
}

func TestNotes(t *testing.T) {
	busy := v(100, 1, 1)
	busy["others_busy"], busy["stolen"] = 0.4, 0.2
	nginx := runs("nginx", busy, v(102, 1, 1))
	nginx.Runs[0].Uncounted = "strace broke"
	r := results(t, "rate", nginx)
	notes := strings.Join(r.Notes, "\n")
	for _, want := range []string{"other programs used up to 40 %", "hypervisor took up to 20 %", "rate, nginx: system calls could not be counted: strace broke", "only 9,804 of 10,000 messages"} {
		if !strings.Contains(notes, want) {
			t.Errorf("no %q in %q", want, notes)
		}
	}
}

func TestMarkdown(t *testing.T) {
	r := results(t, "echo", runs("wsgate", v(7, 500, 900), v(7.2, 500, 900)), runs("nginx", v(8, 500, 900), v(8, 500, 900)), runs(Direct, map[string]float64{"per_second": 200_000}))
	r.Versions["nginx"] = "nginx/1.22.1"
	r.Configurations["nginx (nginx.conf)"] = "daemon off;\n"
	md := markdown(t, r)
	for _, want := range []string{
		"| target | messages a second | gateway CPU us a message | user | system | p50 us | p99 us | ratio to best peer |\n|---|---:|---:|---:|---:|---:|---:|---:|\n",
		"| wsgate | 140,873 (138,889 to 142,857) | 7.10 (7.00 to 7.20) | 1.77 (1.75 to 1.80) | 5.33 (5.25 to 5.40) | 500 (500 to 500) | 900 (900 to 900) | 0.89 |\n",
		"| direct | 200,000 |  |  |  |  |  |  |\n",
		"| wsgate | 90.0 (90.0 to 90.0) |\n",
		"- **win**, gateway CPU us: 0.89 of nginx; the difference (0.900) is larger than the spread (0.200)\n",
		"- **undecided**, p50 us: 1.00 of nginx;",
		"- nginx: nginx/1.22.1\n",
		"<details><summary>nginx (nginx.conf)</summary>\n\n```\ndaemon off;\n```\n</details>\n",
	} {
		if !strings.Contains(md, want) {
			t.Errorf("no %q in\n%s", want, md)
		}
	}
}

func TestIdleTable(t *testing.T) {
	m := func(b float64) map[string]float64 {
		return map[string]float64{"pss_session": b, "pss_fresh": 2 << 20, "pss_held": 3 << 20, "kernel_session": 16000}
	}
	r := results(t, "idle", runs("wsgate", m(500), m(510)), runs("haproxy", m(3700), m(3710)))
	md := markdown(t, r)
	if want := "| haproxy | 3,705 (3,700 to 3,710) | 2,048 (2,048 to 2,048) | 3,072 (3,072 to 3,072) | 16,000 (16,000 to 16,000) | 1.00 |"; !strings.Contains(md, want) {
		t.Errorf("no %q in\n%s", want, md)
	}
	if got := verdict(t, r, "pss_session"); got.Outcome != stats.Win {
		t.Errorf("%+v", got)
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "write")
	r := results(t, "rate", runs("nginx", v(8, 500, 900)), runs("wsgate", v(8, 500, 900)))
	for range 2 {
		if err := r.Write(dir); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "latest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back Results
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if back.Scenarios[0].Name != "rate" || back.Scenarios[0].Targets[0].Metrics["cpu_us"].Median != 8 || back.Scenarios[0].Targets[0].Runs[0].Values["cpu_us"] != 8 {
		t.Fatalf("%s", b)
	}
	if md, err := os.ReadFile(filepath.Join(dir, "latest.md")); err != nil || string(md) != markdown(t, &back) {
		t.Fatalf("the page is not the one of the numbers: %v", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Fatalf("%v", files)
	}
}

func TestChoose(t *testing.T) {
	s, err := choose(nil, 10)
	if err != nil || len(s) != len(Quick) {
		t.Fatalf("%v, %v", s, err)
	}
	if s, err = choose([]string{"idle", "echo"}, 10); err != nil || len(s) != 2 || s[0].Name != "echo" || s[1].Conns != 10 {
		t.Fatalf("%v, %v", s, err)
	}
	if s, err = choose([]string{Full}, 5000); err != nil || len(s) != len(Scenarios(5000)) {
		t.Fatalf("%v, %v", s, err)
	}
	if i := slices.IndexFunc(s, func(s Scenario) bool { return s.Name == "wss-idle" }); s[i].Conns != tlsIdlePairs || s[i].TLS == nil {
		t.Fatalf("%+v", s[i])
	}
	if _, err = choose([]string{"tsunami"}, 10); err == nil {
		t.Fatal("an unknown scenario is taken")
	}
}

func TestTargets(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"nginx", "haproxy"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	targets, notes, err := findTargets(&Options{Binary: "/bin/wsgate"})
	if err != nil || len(notes) != 0 {
		t.Fatalf("%v, %v", notes, err)
	}
	takes := func(of func(Scenario) bool) string {
		var names []string
		for _, tg := range targets {
			for _, s := range Scenarios(1) {
				if of(s) && tg.takes(s) {
					names = append(names, tg.Name)
					break
				}
			}
		}
		return strings.Join(names, " ")
	}
	for _, tt := range []struct {
		what string
		of   func(Scenario) bool
		want string
	}{
		{"small messages", func(s Scenario) bool { return !s.Bulk() && !s.Idle() && s.TLS == nil }, "wsgate nginx haproxy direct"},
		{"bulk", func(s Scenario) bool { return s.Bulk() && s.TLS == nil }, "wsgate nginx nginx-16k haproxy haproxy-splice direct"},
		{"idle", func(s Scenario) bool { return s.Idle() && s.TLS == nil }, "wsgate nginx haproxy"},
		{"small messages over TLS", func(s Scenario) bool { return !s.Bulk() && s.TLS != nil }, "wsgate nginx haproxy"},
		{"bulk over TLS", func(s Scenario) bool { return s.Bulk() && s.TLS != nil }, "wsgate nginx nginx-16k haproxy"},
	} {
		if got := takes(tt.of); got != tt.want {
			t.Errorf("%s: %s; want %s", tt.what, got, tt.want)
		}
	}
	for i := range targets {
		targets[i].plainOnly = targets[i].Name == "nginx"
	}
	if got := takes(func(s Scenario) bool { return s.Name == "wss-echo" }); got != "wsgate haproxy" {
		t.Errorf("without TLS in nginx: %s", got)
	}

	targets, notes, err = findTargets(&Options{Targets: []string{Direct, "haproxy", "nginx-16k"}})
	if err != nil || len(targets) != 3 || len(notes) != 0 || !targets[0].takes(scenario(t, "echo")) {
		t.Errorf("a variant asked for by name leaves a scenario out: %v, %v, %v", targets, notes, err)
	}
	if err := os.Remove(filepath.Join(dir, "haproxy")); err != nil {
		t.Fatal(err)
	}
	if _, err := (rivals.Gateway{Program: "haproxy"}).Look(); err != nil { // not installed elsewhere either
		targets, notes, err = findTargets(&Options{Targets: []string{Direct, "haproxy"}})
		if err != nil || len(targets) != 1 || len(notes) != 1 || !strings.Contains(notes[0], "haproxy is left out") {
			t.Errorf("%v, %v, %v", targets, notes, err)
		}
		if _, _, err = findTargets(&Options{Targets: []string{"haproxy"}}); err == nil {
			t.Error("a comparison of nothing")
		}
	}
	if err := (&Options{Targets: []string{"traefik"}}).checkTargets(); err == nil {
		t.Error("an unknown target is taken")
	}
}

func TestEstimateOfTheQuickRun(t *testing.T) {
	var o Options
	o.defaults()
	s, err := choose(nil, o.Pairs)
	if err != nil {
		t.Fatal(err)
	}
	var targets []target
	for _, g := range rivals.All() {
		targets = append(targets, target{Gateway: g, binary: "x"})
	}
	targets = append(targets, target{Gateway: rivals.Gateway{Name: Direct}})
	if d := o.estimate(s, targets); d < 5*time.Minute || d > 10*time.Minute {
		t.Fatalf("%v", d)
	}
}
