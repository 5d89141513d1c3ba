package stats

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// Sample is a measurement repeated N times. The zero value is one never made.
type Sample struct {
	N      int     `json:"n"`
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Summarize sums up values. The median of an even number of values is the
// mean of the two in the middle.
func Summarize(values []float64) Sample {
	n := len(values)
	if n == 0 {
		return Sample{}
	}
	v := slices.Sorted(slices.Values(values))
	return Sample{N: n, Median: (v[(n-1)/2] + v[n/2]) / 2, Min: v[0], Max: v[n-1]}
}

// Spread is the distance between the smallest and the largest value.
func (s Sample) Spread() float64 { return s.Max - s.Min }

// Direction says which values are better.
type Direction int

// The directions.
const (
	Lower Direction = iota
	Higher
)

// Better reports whether the median of a is better than that of b.
func (d Direction) Better(a, b Sample) bool {
	if d == Higher {
		return a.Median > b.Median
	}
	return a.Median < b.Median
}

// Outcome is what a comparison comes to.
type Outcome string

// The outcomes. Undecided is any difference that the spread could explain.
const (
	Win       Outcome = "win"
	Loss      Outcome = "loss"
	Undecided Outcome = "undecided"
)

// Verdict is a comparison of two samples.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	Ratio   float64 `json:"ratio"` // our median by theirs; 0 when theirs is 0
	Why     string  `json:"why"`
}

// Compare judges ours against theirs. A difference between the medians counts
// only when it is larger than the spread of either sample, and a sample of
// one has no known spread.
func Compare(ours, theirs Sample, d Direction) Verdict {
	v := Verdict{Outcome: Undecided}
	if theirs.Median != 0 {
		v.Ratio = ours.Median / theirs.Median
	}
	diff := math.Abs(ours.Median - theirs.Median)
	spread := max(ours.Spread(), theirs.Spread())
	switch {
	case ours.N == 0 || theirs.N == 0:
		v.Why = "not measured"
	case ours.N < 2 || theirs.N < 2:
		v.Why = "one round has no spread to judge by"
	case diff <= spread:
		v.Why = fmt.Sprintf("the spread (%s) is not smaller than the difference (%s)", Format(spread), Format(diff))
	case d.Better(ours, theirs):
		v.Outcome, v.Why = Win, fmt.Sprintf("the difference (%s) is larger than the spread (%s)", Format(diff), Format(spread))
	default:
		v.Outcome, v.Why = Loss, fmt.Sprintf("the difference (%s) is larger than the spread (%s)", Format(diff), Format(spread))
	}
	return v
}

// Best returns the index of the best of samples, or -1 when none was measured.
func Best(samples []Sample, d Direction) int {
	best := -1
	for i, s := range samples {
		if s.N > 0 && (best < 0 || d.Better(s, samples[best])) {
			best = i
		}
	}
	return best
}

// Format writes v with three significant digits, but no digit before the
// point is ever rounded away.
func Format(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 99.95:
		return group(fmt.Sprintf("%.0f", v))
	case a >= 9.995:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.9995:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}

// group puts a comma between groups of three digits.
func group(s string) string {
	start := 0
	if s[0] == '-' {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// MarshalJSON leaves out what was never measured.
func (s Sample) MarshalJSON() ([]byte, error) {
	if s.N == 0 {
		return []byte("null"), nil
	}
	type plain Sample
	return json.Marshal(plain(s))
}
