// Package scale measures what N idle WebSocket pairs cost in one gateway
// process: memory of the process and of the kernel a pair at 1/8, 1/4, 1/2 and
// all of N, the time to open them, the latency of an echo beside them, a full
// garbage collection and its pauses, and whether in the end every connection
// still answers.
//
//	res, err := scale.Run(ctx, supervisor, scale.Options{
//		Self: []string{"/usr/bin/wsbench"}, Binary: "./wsgate", Pairs: 8000,
//	})
//	err = res.Write("bench/results")
//
// Backend, gateway and load are one process each, so that N is bounded by the
// gateway's descriptor limit: [Fits] tells. Where it does not allow N, the same
// code runs in a machine of [wsgate/bench/vm].
//
// Run expects to be the only one that measures on the machine: kernel memory is
// the whole machine's growth. Memory a pair is growth since before the first
// connection; a pair has four sockets (client, two in the gateway, backend), all
// of which are in the kernel's figure.
package scale
