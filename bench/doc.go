// Package bench is the benchmark kit: a load generator, a backend, and a
// harness that measures wsgate beside nginx and HAProxy. It sees a gateway from
// outside only and imports none of its packages. The command over it is
// cmd/wsbench.
//
//	load      drives a target, checks every reply, histograms
//	backend   the server behind the gateway: echo, source, sink, room, slow, abrupt
//	wire      what both agree on: content of messages, frames, paths
//	sock      the only raw system calls: sockets and epoll
//	rivals    configurations of the gateways, a reason beside each line
//	compare   scenarios, rounds, results, verdicts
//	scale     idle sessions by the hundred thousand
//	vm        a virtual machine, for what this one does not allow
//	chart     bars and lines as SVG
//	counts    system calls and allocations, which repeat exactly
//	stats     median, spread, ratio, win or not
//	account   processor time, memory and switches from the kernel
//	spawn     processes that never outlive the benchmark
//	build     the gateway and the kit, compiled under a supervisor
//	results   what the latest comparison and scale found: numbers, page, charts
//
// A new mode of load is a driver in load and, where it needs one, a service in
// backend; a new scenario is an entry in compare's list; a new gateway is a
// file and an entry in rivals.
//
//	report, err := load.Run(ctx, load.Config{URL: "ws://127.0.0.1:8080", Mode: load.Churn})
package bench
