package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"wsgate/bench/load"
	"wsgate/bench/rivals"
	"wsgate/bench/stats"
)

// Markdown renders r as one page: the section, then everything.
func (r *Results) Markdown() (string, error) {
	section, err := r.Section("")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	s := r.Settings
	line("# Measured beside nginx and HAProxy")
	line("")
	b.WriteString(section)
	line("")
	line("## How it was measured")
	line("")
	line("Gateway pinned to core %d, load generator and backend to core %d. %d rounds (idle: %d), in turn through all targets;", s.GatewayCore, s.KitCore, s.Rounds, s.IdleRounds)
	line("%v s a run after %v s of warm-up; memory after %v s of quiet. A cell is the median (smallest to largest).", s.Duration, s.Warmup, s.Quiet)
	line("The ratio is that of gateway CPU, of user memory a session, or of the time of a storm, to the best peer's. Latencies are end to end, load generator and backend included.")
	line("")
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		line("- %s: %s", name, r.Versions[name])
	}
	for _, sc := range r.Scenarios {
		sc.markdown(line)
	}
	if len(r.Notes) > 0 {
		line("")
		line("## Notes")
		line("")
		for _, n := range r.Notes {
			line("- %s", oneLine(n))
		}
	}
	line("")
	line("## Configurations")
	for _, name := range slices.Sorted(maps.Keys(r.Configurations)) {
		line("")
		line("<details><summary>%s</summary>", name)
		line("")
		line("```")
		line("%s", strings.TrimSpace(r.Configurations[name]))
		line("```")
		line("</details>")
	}
	return b.String(), nil
}

// markdown writes sc with its title.
func (sc *ScenarioResult) markdown(line func(string, ...any)) {
	line("")
	line("## %s", sc.Title)
	line("")
	sc.table(line, sc.columns(false), true)
	verdicts := slices.Concat(sc.Verdicts, sc.Baseline)
	if len(verdicts) > 0 {
		line("")
	}
	for _, v := range verdicts {
		line("- **%s**, %s: %.2f of %s; %s", v.Outcome, v.Title, v.Ratio, v.Peer, v.Why)
	}
	if cols := sc.columns(true); len(cols) > 0 {
		line("")
		line("<details><summary>around it</summary>")
		line("")
		sc.table(line, cols, false)
		line("")
		line("</details>")
	}
	for _, t := range sc.Targets {
		for _, run := range t.Runs {
			if run.Error != "" {
				line("")
				line("- **failed**, %s, round %d: %s", t.Name, run.Round, oneLine(run.Error))
			}
		}
	}
}

// columns are the metrics of sc that any target has, those about the gateway
// or those around it.
func (sc *ScenarioResult) columns(around bool) (cols []metric) {
	for _, m := range sc.metrics() {
		has := func(t *TargetResult) bool { return t.Metrics[m.key].N > 0 }
		if m.around == around && slices.ContainsFunc(sc.Targets, has) {
			cols = append(cols, m)
		}
	}
	return cols
}

// table writes a row for each target. With ratio there is a last column: the
// scenario's main metric by that of the best peer.
func (sc *ScenarioResult) table(line func(string, ...any), cols []metric, ratio bool) {
	main := sc.mainMetric()
	head, rule := "| target |", "|---|"
	for _, m := range cols {
		head += " " + sc.columnTitle(m) + " |"
		rule += "---:|"
	}
	if ratio {
		head += " ratio to best peer |"
		rule += "---:|"
	}
	line("%s", head)
	line("%s", rule)
	best := bestPeer(sc, main)
	for _, t := range sc.Targets {
		row := "| " + t.Name + " |"
		for _, m := range cols {
			row += " " + cell(t.Metrics[m.key], m.scale) + " |"
		}
		if ratio {
			own, r := t.Metrics[main.key], ""
			if best.Median != 0 && own.N > 0 {
				r = fmt.Sprintf("%.2f", own.Median/best.Median)
			}
			row += " " + r + " |"
		}
		line("%s", row)
	}
}

// mainMetric is the one that the ratio column is about.
func (s Scenario) mainMetric() metric {
	key := "cpu_us"
	switch {
	case s.Idle():
		key = "pss_session"
	case s.Mode == load.Storm:
		key = "back_seconds"
	}
	ms := s.metrics()
	return ms[slices.IndexFunc(ms, func(m metric) bool { return m.key == key })]
}

func (s Scenario) columnTitle(m metric) string {
	switch {
	case m.key == "per_second":
		return s.units() + " a second"
	case strings.HasSuffix(m.title, "CPU us"), m.key == "switches", m.key == "syscalls":
		return m.title + " a " + s.Unit
	}
	return m.title
}

// units is the plural of the scenario's unit.
func (s Scenario) units() string {
	if stem, ok := strings.CutSuffix(s.Unit, "y"); ok {
		return stem + "ies"
	}
	if s.Unit == "MB" {
		return s.Unit
	}
	return s.Unit + "s"
}

func bestPeer(sc *ScenarioResult, m metric) stats.Sample {
	var peers []stats.Sample
	for _, t := range sc.Targets {
		if t.Name != rivals.Subject && t.Name != Direct && t.Name != Baseline {
			peers = append(peers, t.Metrics[m.key])
		}
	}
	if i := stats.Best(peers, m.direction); i >= 0 {
		return peers[i]
	}
	return stats.Sample{}
}

func cell(s stats.Sample, scale float64) string {
	switch s.N {
	case 0:
		return ""
	case 1:
		return stats.Format(s.Median * scale)
	}
	return fmt.Sprintf("%s (%s to %s)", stats.Format(s.Median*scale), stats.Format(s.Min*scale), stats.Format(s.Max*scale))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
