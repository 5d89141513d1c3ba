package load

import (
	"testing"
	"time"
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
