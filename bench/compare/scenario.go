package compare

import (
	"fmt"
	"slices"
	"time"

	"wsgate/bench/load"
)

// Scenario is something to measure.
type Scenario struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Unit  string `json:"unit"` // what costs are divided by
	// PerUnit is how many of the load's units make one Unit.
	PerUnit float64 `json:"per_unit"`

	Mode     load.Mode `json:"mode"`
	Conns    int       `json:"connections"`
	InFlight int       `json:"in_flight,omitempty"`
	Rate     float64   `json:"rate,omitempty"`
	Size     int       `json:"size_bytes"`
}

// Idle reports whether s measures memory and not traffic.
func (s Scenario) Idle() bool { return s.Mode == load.Idle }

// Bulk reports whether s moves large frames.
func (s Scenario) Bulk() bool { return s.Mode == load.Down || s.Mode == load.Up }

// config is the load that s puts on the gateway at url.
func (s Scenario) config(url string) load.Config {
	return load.Config{URL: url, Mode: s.Mode, Conns: s.Conns, InFlight: s.InFlight, Rate: s.Rate, Size: s.Size}
}

// bulk is a scenario of frames of size bytes, counted in megabytes.
func bulk(name, title string, mode load.Mode, size int) Scenario {
	return Scenario{
		Name: name, Title: title, Unit: "MB", PerUnit: 1e6 / float64(size),
		Mode: mode, Conns: 8, InFlight: 2, Size: size,
	}
}

// Scenarios returns all scenarios, in the order in which they run. pairs is
// how many idle sessions are held.
func Scenarios(pairs int) []Scenario {
	return []Scenario{
		{
			Name: "echo", Title: "Echo: 64 bytes, 100 connections, one message under way on each", Unit: "message", PerUnit: 1,
			Mode: load.Echo, Conns: 100, Size: 64,
		},
		{
			Name: "rate", Title: "Rate: 10,000 messages a second of 64 bytes over 1,000 connections", Unit: "message", PerUnit: 1,
			Mode: load.Rate, Conns: 1000, Size: 64, Rate: 10000,
		},
		{
			Name: "churn", Title: "Churn: connect, upgrade, one echo, close; 100 at a time", Unit: "cycle", PerUnit: 1,
			Mode: load.Churn, Conns: 100, Size: 64,
		},
		bulk("down64k", "Bulk: frames of 64 KB to 8 clients", load.Down, 64<<10),
		bulk("down900k", "Bulk: frames of 900 KB to 8 clients", load.Down, 900_000),
		bulk("up64k", "Bulk: frames of 64 KB from 8 clients", load.Up, 64<<10),
		{
			Name: "idle", Title: fmt.Sprintf("Idle: %d sessions, no traffic", pairs), Unit: "session", PerUnit: 1,
			Mode: load.Idle, Conns: pairs, Size: 64,
		},
	}
}

// quick are the scenarios that run unless others are asked for.
var quick = []string{"echo", "rate", "churn", "down64k", "down900k", "idle"}

// choose returns the scenarios called names, in their own order.
func choose(names []string, pairs int) ([]Scenario, error) {
	if len(names) == 0 {
		names = quick
	}
	all := Scenarios(pairs)
	var chosen []Scenario
	for _, s := range all {
		if slices.Contains(names, s.Name) {
			chosen = append(chosen, s)
		}
	}
	for _, n := range names {
		if !slices.ContainsFunc(all, func(s Scenario) bool { return s.Name == n }) {
			var known []string
			for _, s := range all {
				known = append(known, s.Name)
			}
			return nil, fmt.Errorf("scenario %q: it is one of %v", n, known)
		}
	}
	return chosen, nil
}

// Options are what a comparison is asked for. The zero value of a field is its
// default.
type Options struct {
	Self      []string // command line of this program, for its backend and guard
	Binary    string   // of wsgate; empty: wsgate is not among the targets
	Targets   []string // names; empty: all, bulk variants where they belong
	Scenarios []string // names; empty: the quick ones
	Rounds    int      // default 3
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
