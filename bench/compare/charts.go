package compare

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"wsgate/bench/chart"
	"wsgate/bench/load"
	"wsgate/bench/rivals"
	"wsgate/bench/stats"
)

// Chart is a drawing of results.
type Chart struct {
	File string // its name in the results folder
	Alt  string // what it shows, for who cannot see it
	SVG  []byte
}

// drawing is anything of package chart.
type drawing interface{ SVG() ([]byte, error) }

// drawings are all that there can be, in their order.
var drawings = []struct {
	file, alt string
	of        func(*Results) drawing
}{
	{"memory.svg", "Memory of an idle session by gateway: user and kernel", memoryChart},
	{"message.svg", "Gateway CPU of a message by payload size", messageChart},
	{"megabyte.svg", "Gateway CPU of a megabyte by frame size", megabyteChart},
	{"latency.svg", "Latency percentiles by gateway", latencyChart},
	{"tls13.svg", "Costs over TLS 1.3 by gateway: memory of an idle session, CPU of a message and of a connection", func(r *Results) drawing { return tlsChart(r, rivals.TLS13) }},
	{"tls12.svg", "Costs over TLS 1.2 by gateway: memory of an idle session, CPU of a message and of a connection", func(r *Results) drawing { return tlsChart(r, rivals.TLS12) }},
	{"scale.svg", "Memory of an idle session by the number of sessions", scaleChart},
}

// Charts draws what r has the numbers for.
func (r *Results) Charts() (drawn []Chart, err error) {
	for _, d := range drawings {
		svg, err := d.of(r).SVG()
		switch {
		case errors.Is(err, chart.ErrEmpty):
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", d.file, err)
		}
		drawn = append(drawn, Chart{d.file, d.alt, svg})
	}
	return drawn, nil
}

// style is how a target looks in every chart.
func style(target string) chart.Style {
	g, ok := rivals.Find(target)
	switch {
	case target == Direct:
		return chart.Style{}
	case !ok:
		return chart.Style{Hue: chart.Purple}
	}
	hue := map[string]chart.Hue{rivals.Subject: chart.Blue, "nginx": chart.Green, "haproxy": chart.Orange}[g.Program]
	return chart.Style{Hue: hue, Variant: g.Bulk}
}

// made is how the numbers of a chart were made.
func (r *Results) made(rounds int, more string) string {
	return fmt.Sprintf("Median of %d rounds, whiskers: smallest to largest%s. %s, %s, kernel %s.", rounds, more, r.Time.Format(time.DateOnly), r.Machine.CPU, r.Machine.Kernel)
}

// bars are the targets of sc that have the metric. Memory that was less with
// sessions than without, which a few sessions on a busy machine can come to, is
// no bar.
func (sc *ScenarioResult) bars(key string) (bars []chart.Bar) {
	for _, t := range sc.Targets {
		s := t.Metrics[key]
		if s.N == 0 || s.Min < 0 {
			continue
		}
		bars = append(bars, chart.Bar{Name: t.Name, Style: style(t.Name), Value: s})
	}
	return bars
}

// find returns the first scenario of a mode, plain.
func (r *Results) find(mode load.Mode) *ScenarioResult {
	i := slices.IndexFunc(r.Scenarios, func(sc *ScenarioResult) bool { return sc.Mode == mode && sc.TLS == nil })
	if i < 0 {
		return &ScenarioResult{}
	}
	return r.Scenarios[i]
}

func memoryChart(r *Results) drawing {
	sc := r.find(load.Idle)
	return chart.Bars{
		Title: fmt.Sprintf("Memory of an idle session, of %s", count(sc.Conns)),
		Note:  r.made(r.Settings.IdleRounds, fmt.Sprintf(", after %v s of quiet", r.Settings.Quiet)),
		Same:  true,
		Panels: []chart.Panel{
			{Title: "User memory", Note: "PSS less that of the fresh process", Axis: "bytes a session", Bars: sc.bars("pss_session")},
			{Title: "Kernel memory", Note: "Slab and socket memory, load generator's and backend's sockets too", Axis: "bytes a session", Bars: sc.bars("kernel_session")},
		},
	}
}

// sizes are the lines of CPU by size, of the plain scenarios of a mode. One
// size is no line.
func (r *Results) sizes(mode load.Mode) (series []chart.Series, ticks []chart.Tick) {
	at := map[string]int{}
	for _, sc := range r.Scenarios {
		if sc.Mode != mode || sc.TLS != nil {
			continue
		}
		ticks = append(ticks, chart.Tick{Value: float64(sc.Size), Label: shortBytes(sc.Size)})
		for _, b := range sc.bars("cpu_us") {
			i, ok := at[b.Name]
			if !ok {
				i = len(series)
				at[b.Name] = i
				series = append(series, chart.Series{Name: b.Name, Style: b.Style})
			}
			series[i].Points = append(series[i].Points, chart.Point{X: float64(sc.Size), Y: b.Value})
		}
	}
	if len(ticks) < 2 {
		return nil, nil
	}
	return series, ticks
}

// shortBytes is a size for an axis.
func shortBytes(n int) string {
	switch {
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KB", n>>10)
	case n >= 1000 && n%1000 == 0:
		return fmt.Sprintf("%d KB", n/1000)
	}
	return fmt.Sprintf("%d B", n)
}

func messageChart(r *Results) drawing {
	series, ticks := r.sizes(load.Echo)
	return chart.Lines{
		Title:  "Gateway CPU of an echoed message, by payload",
		Note:   r.made(r.Settings.Rounds, fmt.Sprintf(", %d connections", r.find(load.Echo).Conns)),
		X:      chart.Axis{Title: "payload", Log: true, Ticks: ticks},
		Y:      chart.Axis{Title: "microseconds of CPU a message"},
		Series: series,
	}
}

func megabyteChart(r *Results) drawing {
	series, ticks := r.sizes(load.Down)
	return chart.Lines{
		Title:  "Gateway CPU of a megabyte to clients, by frame",
		Note:   r.made(r.Settings.Rounds, fmt.Sprintf(", %d connections", r.find(load.Down).Conns)),
		X:      chart.Axis{Title: "frame", Log: true, Ticks: ticks},
		Y:      chart.Axis{Title: "microseconds of CPU a MB"},
		Series: series,
	}
}

// percentiles are the points of a latency line: what part is slower, and the
// value in a summary.
var percentiles = []struct {
	label  string
	slower float64
	of     func(load.Summary) float64
}{
	{"p50", 0.5, func(s load.Summary) float64 { return s.P50 }},
	{"p90", 0.1, func(s load.Summary) float64 { return s.P90 }},
	{"p99", 0.01, func(s load.Summary) float64 { return s.P99 }},
	{"p99.9", 0.001, func(s load.Summary) float64 { return s.P999 }},
}

// latencyChart is about the fixed rate, or the closed loop where there was
// none.
func latencyChart(r *Results) drawing {
	sc := r.find(load.Rate)
	if len(sc.Targets) == 0 {
		sc = r.find(load.Echo)
	}
	_, what, _ := strings.Cut(sc.Title, ": ")
	l := chart.Lines{
		Title: "Latency: " + what,
		Note:  r.made(r.Settings.Rounds, ", load generator and backend included"),
		X:     chart.Axis{Title: "percentile"},
		Y:     chart.Axis{Title: "microseconds", Log: true},
	}
	for _, p := range percentiles {
		l.X.Ticks = append(l.X.Ticks, chart.Tick{Value: -math.Log10(p.slower), Label: p.label})
	}
	for _, t := range sc.Targets {
		s := chart.Series{Name: t.Name, Style: style(t.Name)}
		for i, p := range percentiles {
			s.Points = append(s.Points, chart.Point{X: l.X.Ticks[i].Value, Y: t.latency(p.of)})
		}
		l.Series = append(l.Series, s)
	}
	return l
}

// latency is a number of the latencies of t's runs without error.
func (t *TargetResult) latency(of func(load.Summary) float64) stats.Sample {
	var values []float64
	for _, run := range t.Runs {
		if run.Error == "" && run.Report != nil && run.Report.Latency.Count > 0 {
			values = append(values, of(run.Report.Latency))
		}
	}
	return stats.Summarize(values)
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// tlsChart has a panel for every scenario over one version of TLS, and in it
// what was equal for all.
func tlsChart(r *Results, version string) drawing {
	b := chart.Bars{Title: "Over TLS " + version, Note: r.made(r.Settings.Rounds, "")}
	for _, sc := range r.Scenarios {
		if sc.TLS == nil || sc.TLS.Version != version {
			continue
		}
		main := sc.mainMetric()
		axis := "microseconds of CPU a " + sc.Unit
		if sc.Idle() {
			axis = "bytes of user memory a session"
		}
		b.Panels = append(b.Panels, chart.Panel{Title: upperFirst(sc.subject(main.key)), Note: sc.TLS.String(), Axis: axis, Bars: sc.bars(main.key)})
	}
	return b
}
