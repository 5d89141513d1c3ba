package compare

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"wsgate/bench/load"
	"wsgate/bench/rivals"
	"wsgate/bench/stats"
)

// Summary is the table of r: one row for each quantity, the subject beside the
// best configuration of each peer, and what the difference comes to. Sizes
// between the smallest and the largest of a mode are in the charts only.
func (r *Results) Summary() string {
	var b strings.Builder
	programs := r.programs()
	b.WriteString("| |")
	rule := "|---|"
	for _, p := range programs {
		b.WriteString(" " + p.name + " |")
		rule += "---:|"
	}
	b.WriteString(" to the best peer |\n" + rule + "---|\n")
	for _, sc := range r.Scenarios {
		if r.between(sc) {
			continue
		}
		for _, key := range sc.summarized() {
			if row := sc.row(key, programs); row != "" {
				b.WriteString(row + "\n")
			}
		}
	}
	return b.String()
}

// program is a column: all configurations of one program.
type program struct {
	name    string // as people write it
	targets []string
}

// programs are those that r has targets of, the subject first. A target that is
// nobody's configuration is a program of its own.
func (r *Results) programs() (programs []program) {
	written := map[string]string{"haproxy": "HAProxy"}
	for _, sc := range r.Scenarios {
		for _, t := range sc.Targets {
			name := t.Name
			if g, ok := rivals.Find(t.Name); ok {
				name = g.Program
			}
			if w, ok := written[name]; ok {
				name = w
			}
			if t.Name == Direct {
				continue
			}
			i := slices.IndexFunc(programs, func(p program) bool { return p.name == name })
			if i < 0 {
				i = len(programs)
				programs = append(programs, program{name: name})
			}
			if !slices.Contains(programs[i].targets, t.Name) {
				programs[i].targets = append(programs[i].targets, t.Name)
			}
		}
	}
	return programs
}

// between reports whether sc has a smaller and a larger sibling: the same mode,
// the same TLS, another size.
func (r *Results) between(sc *ScenarioResult) bool {
	smaller, larger := false, false
	for _, o := range r.Scenarios {
		if o.Mode == sc.Mode && sc.TLS == nil && o.TLS == nil && o.Rate == sc.Rate {
			smaller = smaller || o.Size < sc.Size
			larger = larger || o.Size > sc.Size
		}
	}
	return smaller && larger
}

// summarized are the metrics of s that the summary shows: what it costs, and
// the latency where a low cost may have been bought with it.
func (s Scenario) summarized() []string {
	switch s.Mode {
	case load.Idle:
		return []string{"pss_session", "kernel_session"}
	case load.Rate, load.Down:
		return []string{"cpu_us", "p99_us"}
	case load.Fanout:
		return []string{"cpu_us", "last_us"}
	case load.Storm:
		return []string{"back_seconds"}
	}
	return []string{"cpu_us"}
}

// subject says what a metric of s is about.
func (s Scenario) subject(key string) string {
	switch what := map[string]string{"cpu_us": "CPU", "p99_us": "p99", "last_us": "time"}[key]; {
	case key == "pss_session":
		return fmt.Sprintf("user memory of an idle session, of %s", count(s.Conns))
	case key == "kernel_session":
		return "kernel memory of an idle session, with its four sockets"
	case key == "back_seconds":
		return fmt.Sprintf("time until all of %s are back that dropped at once", count(s.Conns))
	case s.Mode == load.Echo:
		return fmt.Sprintf("%s of an echo of %s, %s connections", what, shortBytes(s.Size), count(s.Conns))
	case s.Mode == load.Rate:
		return fmt.Sprintf("%s of a message of %s at %s a second, %s connections", what, shortBytes(s.Size), stats.Format(s.Rate), count(s.Conns))
	case s.Mode == load.Churn && s.TLS != nil:
		return what + " of connect, handshake, upgrade, one echo, close"
	case s.Mode == load.Churn:
		return what + " of connect, upgrade, one echo, close"
	case s.Mode == load.Down && key == "p99_us":
		return fmt.Sprintf("p99 gap between two frames of %s of a session", shortBytes(s.Size))
	case s.Bulk():
		way := map[load.Mode]string{load.Down: "to", load.Up: "from"}[s.Mode]
		return fmt.Sprintf("%s of a MB in frames of %s %s clients", what, shortBytes(s.Size), way)
	case s.Mode == load.Fanout && key == "last_us":
		return "time until the last member of a room has a message"
	case s.Mode == load.Fanout:
		return what + " of a message to one member of a room"
	default:
		return what + " of a " + s.Unit
	}
}

// count is a number of things.
func count(n int) string {
	if n < 100 {
		return strconv.Itoa(n)
	}
	return stats.Format(float64(n))
}

// row is the row of one metric, or empty where nobody has it.
func (sc *ScenarioResult) row(key string, programs []program) string {
	ms := sc.metrics()
	m := ms[slices.IndexFunc(ms, func(m metric) bool { return m.key == key })]
	title := sc.subject(key)
	if sc.TLS != nil {
		title += "; " + sc.TLS.String()
	}
	row, known := "| "+title+" |", false
	for _, p := range programs {
		best := sc.best(m, p.targets)
		if best == nil {
			row += " |"
			continue
		}
		known = true
		row += " " + amount(key, best.Metrics[key].Median)
		if len(p.targets) > 1 && best.Name != p.targets[0] {
			row += " (" + best.Name + ")"
		}
		row += " |"
	}
	if !known {
		return ""
	}
	return row + " " + sc.words(m) + " |"
}

// best is the target of names with the best median of m, or nil.
func (sc *ScenarioResult) best(m metric, names []string) *TargetResult {
	var samples []stats.Sample
	var of []*TargetResult
	for _, t := range sc.Targets {
		if slices.Contains(names, t.Name) {
			samples, of = append(samples, t.Metrics[m.key]), append(of, t)
		}
	}
	if i := stats.Best(samples, m.direction); i >= 0 {
		return of[i]
	}
	return nil
}

// words is the verdict about m: the ratio, what it comes to, and why it is not
// a win where the numbers alone would make one.
func (sc *ScenarioResult) words(m metric) string {
	i := slices.IndexFunc(sc.Verdicts, func(v Verdict) bool { return v.Metric == m.key })
	if i < 0 {
		return ""
	}
	v := sc.Verdicts[i]
	said := fmt.Sprintf("%.2f, %s", v.Ratio, v.Outcome)
	if v.Outcome != stats.Undecided {
		return said
	}
	return said + ": " + v.short()
}

// amount is v of the metric key with its unit.
func amount(key string, v float64) string {
	switch {
	case strings.HasSuffix(key, "_seconds"):
		return stats.Format(v) + " s"
	case strings.HasSuffix(key, "_us") && v >= 9999.5:
		return stats.Format(v/1000) + " ms"
	case strings.HasSuffix(key, "_us"):
		return stats.Format(v) + " us"
	}
	return stats.Format(v) + " B"
}
