package compare

import "time"

// Options are what a comparison is asked for. The zero value of a field is its
// default.
type Options struct {
	Self      []string // command line of this program, for its backend and guard
	Binary    string   // of wsgate; empty: built from the module of the working folder
	Targets   []string // names; empty: all, bulk variants where they belong
	Scenarios []string // names; empty: the quick ones
	// Baseline is a git revision of the working folder's module: wsgate at
	// that commit is measured beside Binary. The peers are then left out unless
	// Targets has them.
	Baseline string
	Rounds   int // default 3
	// IdleRounds are the rounds of the idle scenario, which takes Quiet twice
	// and more; default 2, at most Rounds.
	IdleRounds  int
	Duration    time.Duration // measured, a run; default 2s
	Warmup      time.Duration // before; default 500ms
	Quiet       time.Duration // before memory is read; default 10s
	Pairs       int           // idle sessions; default 5000
	GatewayCore int           // default 1 (0 where there is one core)
	KitCore     int           // of backend and load generator; default 0
	Log         func(format string, args ...any)
}

func (o *Options) defaults() {
	if o.Rounds == 0 {
		o.Rounds = 3
	}
	if o.IdleRounds == 0 {
		o.IdleRounds = 2
	}
	o.IdleRounds = min(o.IdleRounds, o.Rounds)
	if o.Duration == 0 {
		o.Duration = 2 * time.Second
	}
	if o.Warmup == 0 {
		o.Warmup = 500 * time.Millisecond
	}
	if o.Quiet == 0 {
		o.Quiet = 10 * time.Second
	}
	if o.Pairs == 0 {
		o.Pairs = 5000
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
}

// estimate is about how long a comparison takes.
func (o *Options) estimate(scenarios []Scenario, targets []target) time.Duration {
	const around = 500 * time.Millisecond // starting, probing, opening, closing, stopping
	var sum time.Duration
	for _, s := range scenarios {
		for _, t := range targets {
			switch {
			case !t.takes(s):
			case s.Idle():
				sum += time.Duration(o.IdleRounds) * (2*o.Quiet + 3*time.Second)
			default:
				sum += time.Duration(o.Rounds) * (o.Warmup + o.Duration + around)
			}
		}
	}
	return sum
}
