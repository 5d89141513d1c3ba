package load

import (
	"runtime"
	"testing"
	"time"
)

// TestNothingIsAllocatedForAMessage: what the kit allocates in the measured
// time, backend and all, is not a matter of how many messages there are.
func TestNothingIsAllocatedForAMessage(t *testing.T) {
	mixed := sizes(t, "1 1\n64 8\n1000 1\n")
	for name, c := range map[string]Config{
		"echo":             {Mode: Echo, Conns: 20, InFlight: 4},
		"echo with sizes":  {Mode: Echo, Conns: 20, InFlight: 4, Sizes: mixed},
		"rate":             {Mode: Rate, Conns: 20, Rate: 20_000},
		"fanout":           {Mode: Fanout, Conns: 20},
		"fanout at a rate": {Mode: Fanout, Conns: 20, Room: 10, Rate: 2000},
		"trickle":          {Mode: Idle, Conns: 20, Trickle: 20_000},
		"down":             {Mode: Down, Conns: 2, Size: 1000},
		"up":               {Mode: Up, Conns: 2, Size: 1000, InFlight: 4},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			c.Begin, c.End = func() { runtime.ReadMemStats(&before) }, func() { runtime.ReadMemStats(&after) }
			c = quickly("ws://"+serve(t), c)
			// Until every ring and buffer has grown to what it needs.
			c.Warmup, c.Duration = 30*time.Millisecond, 100*time.Millisecond
			r := mustRun(t, c)
			if err := r.Err(); err != nil {
				t.Fatal(err)
			}
			// A busy machine makes the rings of what is under way grow later still.
			if n := after.Mallocs - before.Mallocs; r.Answered < 1000 || n > uint64(r.Answered)/10 {
				t.Fatalf("%d allocations in about %d messages", n, r.Answered)
			}
		})
	}
}
