package load

import (
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A hold of an hour ends when it is told to, and every connection answers.
func TestReleaseEndsTheHold(t *testing.T) {
	leaks(t)
	const conns = 3*askAtOnce + 1
	release := make(chan struct{})
	rep, err := Run(t.Context(), Config{
		URL: "ws://" + serve(t), Mode: Idle, Conns: conns, Loops: 2, Duration: time.Hour,
		Release: release, Begin: func() { close(release) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Err() != nil || rep.Answered != conns || rep.Closed != conns || rep.Latency.Count != conns || rep.Seconds > 600 {
		t.Fatalf("%+v", rep)
	}
}

// A hold that is released while connections are being opened is one of no time.
func TestReleaseBeforeTheHold(t *testing.T) {
	leaks(t)
	release := make(chan struct{})
	close(release)
	rep, err := Run(t.Context(), Config{URL: "ws://" + serve(t), Mode: Idle, Conns: 20, Duration: time.Hour, Release: release})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Err() != nil || rep.Answered != 20 || rep.Seconds > 600 {
		t.Fatalf("%+v", rep)
	}
}

// At the end of a hold, connections are asked a few at a time.
func TestNotAllAreAskedAtOnce(t *testing.T) {
	leaks(t)
	underWay, most := 0, 0
	g := &faulty{
		up: func(_, _ int, f ws.Frame) []ws.Frame {
			underWay++
			most = max(most, underWay)
			return []ws.Frame{f}
		},
		down: func(_, _ int, f ws.Frame) []ws.Frame {
			underWay--
			return []ws.Frame{f}
		},
	}
	const conns = 5 * askAtOnce
	rep, err := Run(t.Context(), Config{URL: g.listen(t), Mode: Idle, Conns: conns, Duration: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Err() != nil || rep.Answered != conns {
		t.Fatalf("%+v", rep)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if most > askAtOnce || underWay != 0 {
		t.Errorf("%d messages under way at a time, %d in the end", most, underWay)
	}
}
