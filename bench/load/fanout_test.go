package load

import (
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// TestFanoutReachesAll: as many deliveries as members, for every message, and
// the median member is neither the first nor the last.
func TestFanoutReachesAll(t *testing.T) {
	leaks(t)
	const conns, members, due = 20, 5, 200
	c := quickly("ws://"+serve(t), Config{Mode: Fanout, Conns: conns, Room: members, Rate: 10 * due, Loops: 3})
	r := mustRun(t, c)
	if err := r.Err(); err != nil {
		t.Fatalf("%v %q", err, r.Examples)
	}
	f := r.Fanout
	if f.Rooms != conns/members || f.Members != members || f.First.Count != due || f.Median.Count != due || f.Last.Count != due {
		t.Errorf("%+v", f)
	}
	if r.Answered != due*members || r.Latency.Count != due*members || r.Unit != "delivery" {
		t.Errorf("%d answers, %d latencies of %d messages to %d members", r.Answered, r.Latency.Count, due, members)
	}
	if f.First.Mean >= f.Median.Mean || f.Median.Mean >= f.Last.Mean || r.Latency.Min != f.First.Min || r.Latency.Max != f.Last.Max {
		t.Errorf("%+v, latencies %+v", f, r.Latency)
	}
}

// TestFanoutDrainsWhatWaits: a room that cannot follow gets all that fell due,
// up to a bound, and its members' times count from then.
func TestFanoutDrainsWhatWaits(t *testing.T) {
	leaks(t)
	const stall = 300 * time.Millisecond
	g := &faulty{}
	g.up = func(conn, n int, f ws.Frame) []ws.Frame {
		if conn == 0 && n == 0 {
			timer := time.NewTimer(stall)
			<-timer.C
		}
		return []ws.Frame{f}
	}
	c := quickly(g.listen(t), Config{Mode: Fanout, Conns: 3, Rate: 1000})
	r := mustRun(t, c)
	if r.Err() != nil || r.Fanout.Last.Count != 100 || r.Answered != 300 {
		t.Fatalf("%+v, %+v", r, r.Fanout)
	}
	// Connection 0 sends one of the first three, and the last falls due after 100 ms.
	if least := float64((stall - c.Duration).Microseconds()); r.Fanout.First.P50 < least {
		t.Fatalf("p50 to the first is %v us, and nearly every message waited %v us", r.Fanout.First.P50, least)
	}
}

func TestFanoutOverload(t *testing.T) {
	leaks(t)
	r := mustRun(t, quickly("ws://"+serve(t), Config{Mode: Fanout, Conns: 3, Rate: 2e6}))
	if r.Faults["overload"] == 0 || r.FaultCount() != r.Faults["overload"] {
		t.Fatalf("%v %q", r.Faults, r.Examples)
	}
}

// TestFanoutGoesOnWithoutAMember: one that is cut off, before or after its
// turn to send, does not hold up its room.
func TestFanoutGoesOnWithoutAMember(t *testing.T) {
	leaks(t)
	for _, up := range []bool{false, true} {
		g := &faulty{}
		if cut := once(1, reset); up {
			g.up = cut
		} else {
			g.down = cut
		}
		r := mustRun(t, quickly(g.listen(t), Config{Mode: Fanout, Conns: 4, Rate: 1000}))
		// What the sender took with it is lost to all four.
		if r.Faults["cut"] != 1 || r.Faults["lost"] > 4 || r.FaultCount() != 1+r.Faults["lost"] || r.Closed != 3 {
			t.Errorf("%v %q, %d closed", r.Faults, r.Examples, r.Closed)
		}
		// Of 100 messages one was lost with its sender at most.
		if n := r.Fanout.Last.Count; n < 98 || r.Answered < 3*98 {
			t.Errorf("%d messages got round, %d deliveries", n, r.Answered)
		}
	}
}

func TestFifo(t *testing.T) {
	var f fifo[int]
	in, out := 0, 0
	for round := range 2000 {
		for range round % 7 {
			f.push(in)
			in++
		}
		for range round % 5 {
			if f.len() == 0 {
				break
			}
			if first := f.first(); first != out || f.pop() != out {
				t.Fatalf("%d came, %d was due", first, out)
			}
			out++
		}
		if f.len() != in-out {
			t.Fatalf("%d wait, not %d", f.len(), in-out)
		}
	}
	if max := 4 * f.len(); cap(f.list) > max {
		t.Errorf("room for %d, and %d wait", cap(f.list), f.len())
	}
}
