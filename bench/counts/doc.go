// Package counts counts what a gateway needs for a unit of work: numbers that
// repeat exactly, on a busy machine too, and so can guard against regressions
// where times cannot. It sees the gateway from outside only.
//
// [Measure] counts system calls and heap allocations of wsgate for a message
// and for a whole session; [Check] compares them with a [Record] that is
// committed; [Attach] counts the system calls of any gateway that runs.
//
//	old, err := counts.Read("bench/counts/counts.json")
//	r, changes, err := counts.Check(ctx, counts.Options{Self: []string{exe}}, old)
//
// What makes system calls repeat: both ends of a session are in one goroutine,
// and nothing is sent before the effect of what was sent before has come out
// at the other end and every thread of the gateway sleeps. A reply that came
// while the gateway was still busy would spare it a wait, one time in so many.
// The rest of what varies is left out: what a runtime calls for itself
// ([Noise], and waits in epoll sets without sessions), and every step in which
// a timer ran. Bulk is not counted: how many bytes one splice moves is the
// kernel's choice.
//
// So the counts are those of a gateway that has nothing else to do. Under
// load it waits less often a message, and how much less cannot be repeated.
//
// All functions may be called from any goroutine.
package counts
