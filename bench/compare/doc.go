// Package compare measures gateways side by side: each scenario for each
// target in turn, round after round, with the gateway on one core and
// everything else on another, and tells medians, spread and the ratio to the
// best peer. It calls a difference a win only when it is larger than the spread.
//
//	results, err := compare.Run(ctx, compare.Options{Binary: "./wsgate", Rounds: 3})
//	err = results.Write("bench/results")
//
// [Results.Write] also draws the charts that there are numbers for. What a page
// such as the README shows of the results is [Results.Section]: a table and the
// charts, made again from latest.json by [Load] and [Results.EmbedFile].
//
// A [Scenario] is a load and the unit that it is counted in; a target is a
// gateway of [wsgate/bench/rivals] or "direct", the backend without a gateway,
// which is the floor. [Run] pins the calling process to the kit's core and
// expects to be the only one that measures on the machine.
package compare
