// Package stats sums up repeated measurements and judges differences.
//
//	ours := stats.Summarize([]float64{7.1, 7.2, 7.0})
//	peer := stats.Summarize([]float64{8.4, 8.6, 8.5})
//	fmt.Println(stats.Compare(ours, peer, stats.Lower)) // win, 0.84
//
// Everything here is a pure function and may be called from any goroutine.
package stats
