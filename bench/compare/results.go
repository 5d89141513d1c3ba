package compare

import (
	"fmt"
	"time"

	"wsgate/bench/account"
	"wsgate/bench/load"
	"wsgate/bench/rivals"
	"wsgate/bench/stats"
)

// Results are everything a comparison found, as latest.json holds it.
type Results struct {
	Time           time.Time         `json:"time"`
	Machine        account.Machine   `json:"machine"`
	Settings       Settings          `json:"settings"`
	Versions       map[string]string `json:"versions"`       // by target
	Configurations map[string]string `json:"configurations"` // by target and file
	Notes          []string          `json:"notes"`
	Scenarios      []*ScenarioResult `json:"scenarios"`

	// Scale is of another run, in a file of its own; nil where there was none.
	Scale *Scale `json:"-"`
}

// Settings are how the comparison was made.
type Settings struct {
	Rounds      int     `json:"rounds"`
	IdleRounds  int     `json:"idle_rounds"`
	Duration    float64 `json:"duration_seconds"`
	Warmup      float64 `json:"warmup_seconds"`
	Quiet       float64 `json:"quiet_seconds"`
	GatewayCore int     `json:"gateway_core"`
	KitCore     int     `json:"kit_core"`
	Backends    string  `json:"backend_addresses"`
	Sources     string  `json:"source_addresses"`
}

// ScenarioResult is one scenario for all targets.
type ScenarioResult struct {
	Scenario
	Targets  []*TargetResult `json:"targets"`
	Verdicts []Verdict       `json:"verdicts"`
	Baseline []Verdict       `json:"baseline_verdicts,omitempty"` // against the subject at another commit
}

// TargetResult is one scenario for one target.
type TargetResult struct {
	Name    string                  `json:"name"`
	Runs    []Trial                 `json:"runs"`
	Metrics map[string]stats.Sample `json:"metrics"` // over the runs without error
}

// Trial is one run. A run with an error counts in no metric.
type Trial struct {
	Round  int                `json:"round"`
	Error  string             `json:"error,omitempty"`
	Values map[string]float64 `json:"values,omitempty"`
	Report *load.Report       `json:"report,omitempty"`

	// Uncounted is why the system calls of this run could not be counted, in
	// words; the run itself counts.
	Uncounted string `json:"uncounted,omitempty"`
}

// Verdict compares the subject with the best peer in one metric.
type Verdict struct {
	Metric string `json:"metric"`
	Title  string `json:"title"`
	Peer   string `json:"peer"`
	stats.Verdict
}

func newResults(o Options, scenarios []Scenario, targets []target, notes []string) *Results {
	r := &Results{
		Time: time.Now().UTC().Truncate(time.Second), Machine: account.Here(), Notes: notes,
		Versions: map[string]string{}, Configurations: map[string]string{},
		Settings: Settings{
			Rounds: o.Rounds, IdleRounds: o.IdleRounds, Duration: o.Duration.Seconds(), Warmup: o.Warmup.Seconds(), Quiet: o.Quiet.Seconds(),
			GatewayCore: o.GatewayCore, KitCore: o.KitCore, Backends: backendListen, Sources: loadSources,
		},
	}
	for _, s := range scenarios {
		sr := &ScenarioResult{Scenario: s}
		for _, t := range targets {
			sr.Targets = append(sr.Targets, &TargetResult{Name: t.Name})
		}
		r.Scenarios = append(r.Scenarios, sr)
	}
	return r
}

func (t *TargetResult) add(r Trial) { t.Runs = append(t.Runs, r) }

// sum makes the metrics from the runs.
func (t *TargetResult) sum(metrics []string) {
	t.Metrics = map[string]stats.Sample{}
	for _, key := range metrics {
		var values []float64
		for _, r := range t.Runs {
			if v, ok := r.Values[key]; ok && r.Error == "" {
				values = append(values, v)
			}
		}
		if len(values) > 0 {
			t.Metrics[key] = stats.Summarize(values)
		}
	}
}

// noisy is the share of a core that others may use before a note says so.
const noisy = 0.05

// finish sums up and judges.
func (r *Results) finish(scenarios []Scenario) {
	for i, s := range scenarios {
		sr := r.Scenarios[i]
		keys := []string{"others_busy", "stolen"}
		for _, m := range s.metrics() {
			keys = append(keys, m.key)
		}
		var subject *TargetResult
		var peers, kept []*TargetResult
		for _, t := range sr.Targets {
			if len(t.Runs) == 0 {
				continue // does not take this scenario
			}
			kept = append(kept, t)
			t.sum(keys)
			switch t.Name {
			case rivals.Subject:
				subject = t
			case Direct, Baseline:
			default:
				peers = append(peers, t)
			}
			r.noteNoise(s, t)
			r.noteUncounted(s, t)
			if s.Rate > 0 {
				r.noteRate(s, t)
			}
		}
		sr.Targets = kept
		sr.judgeBaseline()
		if subject != nil {
			sr.Verdicts = judge(s, subject, peers)
		}
	}
}

func (r *Results) noteNoise(s Scenario, t *TargetResult) {
	if o := t.Metrics["others_busy"]; o.Max > noisy {
		r.Notes = append(r.Notes, fmt.Sprintf("%s, %s: other programs used up to %.0f %% of a core in a run", s.Name, t.Name, 100*o.Max))
	}
	if o := t.Metrics["stolen"]; o.Max > noisy {
		r.Notes = append(r.Notes, fmt.Sprintf("%s, %s: the hypervisor took up to %.0f %% of a core in a run", s.Name, t.Name, 100*o.Max))
	}
}

func (r *Results) noteUncounted(s Scenario, t *TargetResult) {
	for _, run := range t.Runs {
		if run.Uncounted != "" {
			r.Notes = append(r.Notes, fmt.Sprintf("%s, %s: system calls could not be counted: %s", s.Name, t.Name, run.Uncounted))
		}
	}
}

func (r *Results) noteRate(s Scenario, t *TargetResult) {
	if o := t.Metrics["per_second"]; o.N > 0 && o.Min < 0.99*s.Rate {
		r.Notes = append(r.Notes, fmt.Sprintf("%s, %s: only %s of %s messages a second came back", s.Name, t.Name, stats.Format(o.Min), stats.Format(s.Rate)))
	}
}

// Failed counts the runs with an error.
func (r *Results) Failed() (n int) {
	for _, s := range r.Scenarios {
		for _, t := range s.Targets {
			for _, run := range t.Runs {
				if run.Error != "" {
					n++
				}
			}
		}
	}
	return n
}

// line is r in a few words, for the log.
func (r *Trial) line(s Scenario) string {
	v := r.Values
	switch {
	case r.Error != "":
		return "FAILED: " + r.Error
	case s.Mode == load.Storm:
		return fmt.Sprintf("all back in %s s, %s errors", stats.Format(v["back_seconds"]), stats.Format(v["errors"]))
	case s.Idle():
		return fmt.Sprintf("%s bytes a %s, fresh %s KiB", stats.Format(v["pss_session"]), s.Unit, stats.Format(v["pss_fresh"]/1024))
	}
	return fmt.Sprintf("%s %s/s, p50 %s us, p99 %s us, gateway CPU %s us a %s",
		stats.Format(v["per_second"]), s.Unit, stats.Format(v["p50_us"]), stats.Format(v["p99_us"]), stats.Format(v["cpu_us"]), s.Unit)
}
