package load

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// quickly makes a run short.
func quickly(url string, c Config) Config {
	c.URL = url
	c.Duration = 100 * time.Millisecond
	c.Timeout = 20 * time.Second
	return c
}

func mustRun(t *testing.T, c Config) *Report {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sources(t *testing.T) []netip.Addr {
	s, err := ParseSources("127.0.2.1-4")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestModes(t *testing.T) {
	tests := map[string]Config{
		"echo":             {Mode: Echo, Conns: 20},
		"echo in flight":   {Mode: Echo, Conns: 5, InFlight: 9, Size: 300},
		"echo two loops":   {Mode: Echo, Conns: 7, Loops: 2, Warmup: 20 * time.Millisecond},
		"echo of nothing":  {Mode: Echo, Conns: 3, Size: -1},
		"echo of one byte": {Mode: Echo, Conns: 3, Size: 1, InFlight: 4},
		"echo of much":     {Mode: Echo, Conns: 2, Size: 300_000, InFlight: 3},
		"rate":             {Mode: Rate, Conns: 50, Rate: 2000},
		"rate two loops":   {Mode: Rate, Conns: 9, Rate: 1000, Loops: 2},
		"idle":             {Mode: Idle, Conns: 300},
		"churn":            {Mode: Churn, Conns: 10},
		"down":             {Mode: Down, Conns: 3, Size: 65536},
		"down large":       {Mode: Down, Conns: 2, Size: 900_000},
		"down small":       {Mode: Down, Conns: 2, Size: 16},
		"up":               {Mode: Up, Conns: 3, Size: 65536, InFlight: 2},
		"up small":         {Mode: Up, Conns: 3, Size: 20, InFlight: 8},
		"fanout":           {Mode: Fanout, Conns: 20},
		"fanout of one":    {Mode: Fanout, Conns: 3, Room: 1},
		"fanout in rooms":  {Mode: Fanout, Conns: 15, Room: 5, Loops: 2},
		"fanout of much":   {Mode: Fanout, Conns: 4, Room: 2, Size: 300_000},
		"fanout of little": {Mode: Fanout, Conns: 4, Size: 3},
		"fanout at a rate": {Mode: Fanout, Conns: 12, Room: 3, Rate: 500, Loops: 2},
		"idle, a trickle":  {Mode: Idle, Conns: 7, Trickle: 300, Loops: 2},
	}
	leaks(t)
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.Sources = sources(t)
			begins, ends := 0, 0
			c.Begin, c.End = func() { begins++ }, func() { ends++ }
			c = quickly("ws://"+serve(t), c)
			c.Duration = 200 * time.Millisecond // something must be completed on a busy machine too
			r := mustRun(t, c)
			if err := r.Err(); err != nil {
				t.Fatalf("%v %q", err, r.Examples)
			}
			// At fixed times a machine that stands still passes over the measured time.
			if r.Units == 0 && !c.paced() || r.Opened < int64(r.Conns) || r.Closed != r.Opened || r.Answered == 0 || r.Upgrade.Count != r.Opened {
				t.Errorf("%+v", r)
			}
			if begins != 1 || ends != 1 || r.Seconds <= 0 {
				t.Errorf("measured time began %d and ended %d times, %v s", begins, ends, r.Seconds)
			}
		})
	}
}

func TestRateSendsWhatWasAsked(t *testing.T) {
	r := mustRun(t, quickly("ws://"+serve(t), Config{Mode: Rate, Conns: 10, Rate: 1000}))
	if r.Latency.Count != 100 || r.Answered != 100 {
		t.Fatalf("%d latencies and %d answers at 1000 a second in 100 ms", r.Latency.Count, r.Answered)
	}
}

// TestRateCountsFromTheDueTime: a gateway that stands still answers few
// messages late when it is asked in turn, and many when they keep falling due.
func TestRateCountsFromTheDueTime(t *testing.T) {
	leaks(t)
	const stall = 300 * time.Millisecond
	g := &faulty{}
	g.down = func(conn, n int, f ws.Frame) []ws.Frame {
		if n == 0 {
			timer := time.NewTimer(stall)
			<-timer.C
		}
		return []ws.Frame{f}
	}
	c := quickly(g.listen(t), Config{Mode: Rate, Conns: 1, Rate: 1000})
	r := mustRun(t, c)
	if r.Err() != nil || r.Latency.Count != 100 {
		t.Fatalf("%+v", r)
	}
	// Every message was due before the stall was over, the last one after 100 ms.
	if least := float64((stall - c.Duration).Microseconds()); r.Latency.P50 < least {
		t.Fatalf("p50 is %v us, and every message waited %v us", r.Latency.P50, least)
	}
}

func TestNobodyListens(t *testing.T) {
	leaks(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "ws://" + l.Addr().String()
	l.Close()
	for _, mode := range []Mode{Echo, Churn} {
		if r, err := Run(t.Context(), quickly(url, Config{Mode: mode, Conns: 4})); err == nil {
			t.Errorf("%s: %+v", mode, r)
		}
	}
}

func TestSilentTargetTimesOut(t *testing.T) {
	leaks(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := quickly("ws://"+l.Addr().String(), Config{Conns: 3})
	c.Timeout = 50 * time.Millisecond
	r, err := Run(t.Context(), c)
	if err == nil || r == nil || r.Faults["timeout"] != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestInterrupt(t *testing.T) {
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			leaks(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := quickly("ws://"+serve(t), Config{Mode: mode, Conns: 5, Rate: 100})
			c.Duration = time.Hour
			c.Begin = cancel
			r, err := Run(ctx, c)
			if err != nil || !r.Interrupted || r.Faults["cut"] > 0 {
				t.Fatalf("%+v, %v", r, err)
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{URL: "ws://127.0.0.1:1"}
	bad := map[string]func(*Config){
		"scheme":  func(c *Config) { c.URL = "http://127.0.0.1:1" },
		"host":    func(c *Config) { c.URL = "ws://:x" },
		"mode":    func(c *Config) { c.Mode = "breeze" },
		"rate":    func(c *Config) { c.Mode = Rate },
		"size":    func(c *Config) { c.Size = 1 << 30 },
		"stamp":   func(c *Config) { c.Mode, c.Size = Down, 8 },
		"loops":   func(c *Config) { c.Conns, c.Loops = 1, 2 },
		"conns":   func(c *Config) { c.Conns = -1 },
		"family":  func(c *Config) { c.Sources = []netip.Addr{netip.MustParseAddr("::1")} },
		"timeout": func(c *Config) { c.Timeout = -1 },
		"room":    func(c *Config) { c.Mode, c.Conns, c.Room = Fanout, 10, 4 },
		"no room": func(c *Config) { c.Mode, c.Room = Fanout, -1 },
		"dealing": func(c *Config) { c.Mode, c.Conns, c.Room, c.Loops = Fanout, 10, 5, 3 },
		"storms":  func(c *Config) { c.Mode, c.Storms = Storm, -1 },
		"trickle": func(c *Config) { c.Trickle = 5 },
	}
	for name, spoil := range bad {
		c := good
		spoil(&c)
		if _, err := Run(t.Context(), c); err == nil {
			t.Errorf("%s: a bad configuration is taken", name)
		}
	}
}

func TestParseSources(t *testing.T) {
	tests := map[string]string{
		"":                           "",
		"127.0.2.1":                  "127.0.2.1",
		"127.0.2.1-3":                "127.0.2.1 127.0.2.2 127.0.2.3",
		"127.0.2.255, 127.0.9.1-1":   "127.0.2.255 127.0.9.1",
		"::1-3":                      "::1 ::2 ::3",
		"127.0.2.3-1":                "error",
		"127.0.2.1-300":              "error",
		"localhost":                  "error",
		"10.0.0.1-":                  "error",
		"127.0.0.1,":                 "error",
		"2001:db8::1-2001:db8::ffff": "error",
	}
	for in, want := range tests {
		list, err := ParseSources(in)
		var words []string
		for _, a := range list {
			words = append(words, a.String())
		}
		got := strings.Join(words, " ")
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSummaryOfAHistogram(t *testing.T) {
	h := newHistogram()
	for i := int64(1); i <= 10_000; i++ {
		record(h, i*1000) // 1 us to 10 ms
	}
	s := summarize(h)
	near := func(name string, got, want float64) {
		if got < want*0.998 || got > want*1.002 {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	near("min", s.Min, 1)
	near("mean", s.Mean, 5000.5)
	near("p50", s.P50, 5000)
	near("p90", s.P90, 9000)
	near("p99", s.P99, 9900)
	near("p99.9", s.P999, 9990)
	near("max", s.Max, 10_000)
	if s.Count != 10_000 {
		t.Errorf("count: %d", s.Count)
	}
	record(h, 2*highest)
	if s = summarize(h); s.Count != 10_001 || s.Max < float64(highest)/1e3 {
		t.Errorf("a latency beyond the longest: %+v", s)
	}
	if s := summarize(newHistogram()); s != (Summary{}) {
		t.Errorf("of nothing: %+v", s)
	}
}

func TestReportForPeopleAndPrograms(t *testing.T) {
	r := &Report{Mode: Echo, URL: "ws://x", Conns: 3, Unit: "message", Units: 100, Seconds: 2, PerSecond: 50,
		Latency: Summary{Count: 100, P99: 12}, LatencyOf: "a to b", Faults: map[string]int64{"lost": 2, "corrupt": 1}, Examples: []string{"lost: connection 1"}}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"100 messages in 2.00 s: 50/s", "p99 12", "FAULT        corrupt: 1\nFAULT        lost: 2\n", "lost: connection 1"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	r.Unit, r.Size = "delivery", 262
	r.Sizes = &SizesReport{File: "a/file", Mean: 262, Shortest: 16, Longest: 1000}
	r.Trickle, r.Held = 5, &Summary{Count: 1, P99: 21}
	r.Fanout = &FanoutReport{Rooms: 3, Members: 4, First: Summary{Count: 7, P99: 22}, Median: Summary{Count: 7, P99: 23}, Last: Summary{Count: 7, P99: 24}}
	r.Storm = &StormReport{Seconds: []float64{0.5, 1.25}, Attempts: 9, Errors: map[string]int64{"status 503": 2, "refused": 1}}
	b.Reset()
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"100 deliveries in", "payloads of 16 to 1000 bytes, 262 in the mean, from a/file", "p99 21", "5/s)", "7 messages to all members, rooms: 3 of 4",
		"p99 22", "p99 23", "p99 24", "after 0.500, 1.250 s", "9 to connect", "on the way   refused: 1\non the way   status 503: 2\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	js, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(js, &back); err != nil || back.Faults["lost"] != 2 || back.Latency.P99 != 12 || back.FaultCount() != 3 {
		t.Fatalf("%s: %v", js, err)
	}
}
