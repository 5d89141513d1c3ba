package compare

import (
	"strings"

	"wsgate/bench/load"
	"wsgate/bench/stats"
)

// metric is a number that every run of a scenario has.
type metric struct {
	key       string
	title     string
	direction stats.Direction
	judged    bool // gets a verdict
	needsCalm bool // a win counts only with latency no worse
	around    bool // shown apart: about the run rather than the gateway
	scale     float64
}

// traffic are the metrics of scenarios that move messages; keys ending in _us
// are microseconds.
var traffic = []metric{
	{key: "per_second", title: "per second", direction: stats.Higher, judged: true, scale: 1},
	{key: "cpu_us", title: "gateway CPU us", judged: true, needsCalm: true, scale: 1},
	{key: "cpu_user_us", title: "user", scale: 1},
	{key: "cpu_system_us", title: "system", scale: 1},
	{key: "machine_us", title: "machine CPU us", scale: 1},
	{key: "syscalls", title: "system calls", scale: 1},
	{key: "p50_us", title: "p50 us", judged: true, scale: 1},
	{key: "p99_us", title: "p99 us", judged: true, scale: 1},
	{key: "p999_us", title: "p99.9 us", scale: 1},
	{key: "max_us", title: "max us", scale: 1},
	{key: "handshake_us", title: "TLS handshake p50 us", scale: 1},
	{key: "switches", title: "context switches", around: true, scale: 1},
	{key: "gateway_busy", title: "gateway core %", around: true, scale: 100},
	{key: "backend_us", title: "backend CPU us", around: true, scale: 1},
	{key: "kit_us", title: "load CPU us", around: true, scale: 1},
}

// delivery are those of a fan-out: the latencies are those of the first, the
// median and the last member of a room, medians over the messages.
var delivery = append([]metric{
	{key: "first_us", title: "first member us", scale: 1},
	{key: "median_us", title: "median member us", judged: true, scale: 1},
	{key: "last_us", title: "last member us", judged: true, scale: 1},
}, traffic...)

// returns are those of a storm. Its latencies are those of single connections.
var returns = append([]metric{
	{key: "back_seconds", title: "s until all are back", judged: true, scale: 1},
	{key: "errors", title: "errors on the way", scale: 1},
}, traffic...)

// memory are the metrics of the idle scenario, in bytes but for the last two.
var memory = []metric{
	{key: "pss_session", title: "user memory a session, bytes", judged: true, scale: 1},
	{key: "pss_fresh", title: "fresh process, KiB", judged: true, scale: 1.0 / 1024},
	{key: "pss_held", title: "with all sessions, KiB", scale: 1.0 / 1024},
	{key: "kernel_session", title: "kernel memory a session (its four sockets), bytes", scale: 1}, // of the whole machine: a KB more or less is nobody's
	{key: "open_seconds", title: "s to open all", around: true, scale: 1},
	{key: "cpu_idle_ms", title: "CPU ms while quiet", around: true, scale: 1},
}

func (s Scenario) metrics() []metric {
	switch s.Mode {
	case load.Idle:
		return memory
	case load.Fanout:
		return delivery
	case load.Storm:
		return returns
	}
	return traffic
}

// judge compares the subject with the best of the peers in every judged
// metric of s.
func judge(s Scenario, subject *TargetResult, peers []*TargetResult) (verdicts []Verdict) {
	for _, m := range s.metrics() {
		if !m.judged || s.Rate > 0 && m.key == "per_second" {
			continue
		}
		var samples []stats.Sample
		for _, p := range peers {
			samples = append(samples, p.Metrics[m.key])
		}
		best := stats.Best(samples, m.direction)
		if best < 0 || subject.Metrics[m.key].N == 0 {
			continue
		}
		v := Verdict{Metric: m.key, Title: m.title, Peer: peers[best].Name}
		v.Verdict = stats.Compare(subject.Metrics[m.key], samples[best], m.direction)
		if v.Outcome == stats.Win {
			overAll(&v, m, subject, peers)
		}
		if m.needsCalm && v.Outcome == stats.Win {
			calm(&v, subject, peers[best])
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// overAll takes a win over the best peer back when the spread of another peer
// could hide it.
func overAll(v *Verdict, m metric, subject *TargetResult, peers []*TargetResult) {
	for _, p := range peers {
		if p.Metrics[m.key].N == 0 {
			continue
		}
		if c := stats.Compare(subject.Metrics[m.key], p.Metrics[m.key], m.direction); c.Outcome != stats.Win {
			v.Outcome, v.Why = stats.Undecided, "better than that peer, but not clear of "+p.Name+": "+c.Why
			return
		}
	}
}

// short is Why in a few words, of a verdict that is undecided.
func (v Verdict) short() string {
	if strings.HasPrefix(v.Why, "the spread") {
		return "within the spread"
	}
	why, _, _ := strings.Cut(v.Why, ":")
	return why
}

// calm takes a win back when it was paid for with latency.
func calm(v *Verdict, subject, peer *TargetResult) {
	for _, key := range []string{"p50_us", "p99_us"} {
		l := stats.Compare(subject.Metrics[key], peer.Metrics[key], stats.Lower)
		if l.Outcome == stats.Loss {
			v.Outcome = stats.Undecided
			v.Why = "less CPU, but " + key[:len(key)-3] + " is worse than that peer's: " + l.Why
			return
		}
	}
}
