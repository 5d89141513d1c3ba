package counts

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// tally has what was called in each step, as often as it was done.
type tally map[string][]step

// The steps of a message and of a session.
var (
	messageSteps = []string{"message up", "message down"}
	sessionSteps = []string{"connect", "request", "answer", "message up", "message down", "close up", "close down", "end down", "end up"}
)

func (t *tally) add(name string, s step) {
	if *t == nil {
		*t = tally{}
	}
	(*t)[name] = append((*t)[name], s)
}

// clean returns the steps called name in which no timer was set or fired: the
// clock does that, and the busier the machine, the more often in a step.
func (t tally) clean(name string) []step {
	return slices.DeleteFunc(slices.Clone(t[name]), func(s step) bool { return s.timer })
}

// enough reports whether there are n clean ones of each of steps.
func (t tally) enough(steps []string, n int) bool {
	return !slices.ContainsFunc(steps, func(name string) bool { return len(t.clean(name)) < n })
}

// fewest clean steps are believed.
const fewest = 5

// errTimers is a step that there is none of without a timer.
var errTimers = errors.New("timers run in nearly every one: it sets one itself, or the machine is too busy to tell")

// cost adds up what steps cost, by call. There must be n clean ones of each.
func (t tally) cost(steps []string, n int) (map[string]float64, error) {
	sum := map[string]float64{}
	for _, name := range steps {
		clean := t.clean(name)
		if len(clean) < n {
			return nil, fmt.Errorf("%s: %w: %d of %d", name, errTimers, len(t[name])-len(clean), len(t[name]))
		}
		for call, many := range perStep(clean) {
			sum[call] += many
		}
	}
	for call, n := range sum {
		sum[call] = math.Round(n*1000) / 1000
	}
	return sum, nil
}

// waits are the calls that ask what is ready. Two events come in one answer or
// in two, now and then, as the kernel has it; the number that most steps have
// is the same every time.
var waits = []string{"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6"}

// perStep is the mean of each call, and of waits the most frequent number.
func perStep(steps []step) map[string]float64 {
	per := map[string]float64{}
	seen := map[string]map[int64]int{} // of a wait: how many steps had that many
	for _, name := range waits {
		seen[name] = map[int64]int{}
	}
	for _, s := range steps {
		for call, n := range s.calls {
			per[call] += float64(n) / float64(len(steps))
		}
		for name, had := range seen {
			had[s.calls[name]]++
		}
	}
	for name, had := range seen {
		if per[name] > 0 {
			per[name] = float64(mostFrequent(had))
		}
	}
	return per
}

// mostFrequent returns the key with the highest count, the smallest of several.
func mostFrequent(had map[int64]int) (most int64) {
	best := 0
	for n, times := range had {
		if times > best || times == best && n < most {
			most, best = n, times
		}
	}
	return most
}
