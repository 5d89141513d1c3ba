package chart

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"

	"wsgate/bench/stats"
)

// linear returns about n round steps from zero, the last of them at or above
// high.
func linear(high float64, n int) []plot.Tick {
	if high <= 0 {
		high = 1
	}
	raw := high / float64(n)
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step := 10 * unit
	for _, f := range []float64{1, 2, 2.5, 5} {
		if raw <= f*unit*(1+1e-9) {
			step = f * unit
			break
		}
	}
	decimals := 0
	for s := step; decimals < 6 && math.Abs(s-math.Round(s)) > 1e-6; s *= 10 {
		decimals++
	}
	var ticks []plot.Tick
	for i := 0; ; i++ {
		v := float64(i) * step
		label := fmt.Sprintf("%.*f", decimals, v)
		if v >= 1000 {
			label = stats.Format(v)
		}
		ticks = append(ticks, plot.Tick{Value: v, Label: label})
		if v >= high*(1-1e-9) {
			return ticks
		}
	}
}

// logarithmic returns the steps 1, 2, 5, 10 ... that enclose low and high; over
// more than three decades only the powers of ten have labels.
func logarithmic(low, high float64) []plot.Tick {
	first, last := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	var all []plot.Tick
	for e := first; e <= last; e++ {
		for _, f := range []float64{1, 2, 5} {
			t := plot.Tick{Value: f * math.Pow(10, e)}
			if f == 1 || last-first <= 3 {
				t.Label = label(t.Value)
			}
			all = append(all, t)
		}
	}
	from, to := 0, len(all)-1
	for from+1 < len(all) && all[from+1].Value <= low {
		from++
	}
	for to > from+1 && all[to-1].Value >= high {
		to--
	}
	return all[from : to+1]
}

// label is a round value.
func label(v float64) string {
	if v >= 1000 {
		return stats.Format(v)
	}
	return fmt.Sprintf("%g", v)
}
