// Package load drives a WebSocket target from outside: thousands of connections
// from a few epoll loops, every reply checked, latencies in HDR histograms.
//
// A [Config] says what to do; [Run] does it and returns a [Report]. A run opens
// its connections, warms up, measures, stops sending, waits for the replies that
// are due and closes politely. The modes:
//
//	echo   closed loop: InFlight messages of each connection are under way at any time
//	rate   open loop: Rate messages a second over all connections, evenly
//	       spaced; latency counts from the moment a message was due, sent or not
//	idle   opens and holds; afterwards every connection must answer one message
//	churn  connect, upgrade, one echo, close; again and again on Conns places
//	down   the server sends messages of Size bytes as fast as they are read
//	up     InFlight messages of Size bytes under way to the server, which checks them
//
// A fault (lost, doubled, reordered, corrupt or foreign message, connection ended
// early, refused upgrade) is counted by name in the report; a run with faults
// measured something else than it was meant to.
//
//	report, err := load.Run(ctx, load.Config{URL: "ws://127.0.0.1:8080", Mode: load.Echo, Conns: 100})
//	fmt.Println(report.Latency.P99)
//
// Run may be called from any goroutine; its loops lock themselves to threads.
// Hooks are called on the first loop's goroutine. TLS targets are refused.
package load
