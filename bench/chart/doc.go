// Package chart draws measurements as SVG: bars in panels side by side, and
// lines with the smallest and largest value of every point. It knows nothing of
// what was measured.
//
//	svg, err := chart.Bars{
//		Title:  "Memory",
//		Panels: []chart.Panel{{Axis: "bytes a session", Bars: []chart.Bar{{Name: "a", Value: sample}}}},
//	}.SVG()
//
// The same input makes the same bytes, so that a drawing can be checked against
// its numbers. A drawing has a background of its own and reads the same on a
// dark page. Bars and linear scales of what was measured begin at zero, and an
// axis that is logarithmic says so. What was never measured is left out, and a
// drawing of nothing is [ErrEmpty].
//
// Drawings may be made from any goroutine.
package chart
