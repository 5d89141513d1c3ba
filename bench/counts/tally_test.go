package counts

import (
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"testing"
)

func steps(n int, timer bool, c Calls) (all []step) {
	for range n {
		all = append(all, step{calls: c, timer: timer})
	}
	return all
}

func TestCost(t *testing.T) {
	tests := []struct {
		name string
		log  []step
		want map[string]float64
	}{
		{"all the same", steps(10, false, Calls{"recvfrom": 2, "epoll_wait": 4}), map[string]float64{"recvfrom": 2, "epoll_wait": 4}},
		{"a wait more in some", append(steps(6, false, Calls{"epoll_wait": 4}), steps(4, false, Calls{"epoll_wait": 5})...), map[string]float64{"epoll_wait": 4}},
		{"a wait in most", append(steps(6, false, Calls{"poll": 1}), steps(4, false, Calls{})...), map[string]float64{"poll": 1}},
		{"a call in every fourth", append(steps(3, false, Calls{"sendto": 1}), steps(1, false, Calls{"sendto": 2})...), map[string]float64{"sendto": 1.25}},
		{"timers", append(steps(9, true, Calls{"read": 1, "sendto": 1}), steps(3, false, Calls{"sendto": 1})...), map[string]float64{"sendto": 1}},
	}
	for _, tt := range tests {
		got, err := tally{"up": tt.log}.cost([]string{"up"}, 3)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		maps.DeleteFunc(got, func(_ string, n float64) bool { return n == 0 })
		if !maps.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestCostAddsSteps(t *testing.T) {
	var log tally
	log.add("up", step{calls: Calls{"sendto": 1, "close": 1}})
	log.add("down", step{calls: Calls{"sendto": 1}})
	log.add("other", step{calls: Calls{"sendto": 9}})
	got, err := log.cost([]string{"up", "down"}, 1)
	if err != nil || !maps.Equal(got, map[string]float64{"sendto": 2, "close": 1}) {
		t.Fatalf("%v, %v", got, err)
	}
}

func TestTimersInEveryStep(t *testing.T) {
	log := tally{"up": append(steps(20, true, Calls{"sendto": 1}), steps(4, false, Calls{"sendto": 1})...)}
	if log.enough([]string{"up"}, 5) || !log.enough([]string{"up"}, 4) {
		t.Error("enough is not 4")
	}
	if _, err := log.cost([]string{"up"}, 5); !errors.Is(err, errTimers) {
		t.Fatal(err)
	}
	if log.enough([]string{"down"}, 1) {
		t.Error("a step that was never done is enough")
	}
}

// TestJump finds what came between from counters that are read at any point of
// an answer that counts itself.
func TestJump(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const answer, work = 1500, 20_000
	var sides [2][]float64
	for side := range sides {
		for i := range asks {
			at := float64(side*(asks*answer+work) + i*answer)
			sides[side] = append(sides[side], at+answer*rng.Float64())
		}
	}
	if got := jump(sides); math.Abs(got-work) > 400 {
		t.Fatalf("%.0f, want %d", got, work)
	}
}
