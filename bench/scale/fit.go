package scale

import "math"

// Fit is how well a straight line describes growth over the stages.
type Fit struct {
	BytesPair  float64 `json:"bytes_pair"`  // slope of the least-squares line
	FixedBytes float64 `json:"fixed_bytes"` // what it has at no pairs
	// WorstOff is the largest distance of a stage from the line, as a share of
	// the growth with all pairs.
	WorstOff float64 `json:"worst_off"`
	// Ratio is what a pair costs with all of them to what it costs with the
	// first stage's.
	Ratio  float64 `json:"ratio"`
	Linear bool    `json:"linear"` // WorstOff is at most 5 %
}

// straight is how far from the line a stage may be.
const straight = 0.05

// fit draws the line through total bytes by pairs. There are two stages at least.
func fit(pairs []int, bytes []int64) Fit {
	var n, sx, sy, sxx, sxy float64
	for i, p := range pairs {
		x, y := float64(p), float64(bytes[i])
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	f := Fit{BytesPair: (n*sxy - sx*sy) / (n*sxx - sx*sx)}
	f.FixedBytes = (sy - f.BytesPair*sx) / n
	last := len(pairs) - 1
	all := math.Abs(float64(bytes[last]))
	for i, p := range pairs {
		off := math.Abs(float64(bytes[i]) - f.FixedBytes - f.BytesPair*float64(p))
		if all > 0 {
			f.WorstOff = max(f.WorstOff, off/all)
		}
	}
	if bytes[0] != 0 {
		f.Ratio = float64(bytes[last]) / float64(pairs[last]) / (float64(bytes[0]) / float64(pairs[0]))
	}
	f.Linear = f.WorstOff <= straight
	return f
}
