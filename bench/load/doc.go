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
//	idle   opens and holds, with Trickle messages a second where asked for;
//	       afterwards every connection must answer one message
//	churn  connect, upgrade, one echo, close; again and again on Conns places
//	down   the server sends messages of Size bytes as fast as they are read
//	up     InFlight messages of Size bytes under way to the server, which checks them
//	fanout rooms of Room connections, and in each one message at a time under
//	       way to all members, the members sending in turn; with a Rate, messages
//	       fall due at fixed times, and wait while their room is busy
//	storm  all connections drop at once, by a close of the socket without a Close
//	       frame, and reconnect until each has had an echo; Storms times
//
// The unit of fanout is a delivery: one message that reached one member. In a
// storm a failed attempt (refused, reset, timeout, a status other than 101, an
// end before the echo) is reported by name and repeated after 20 ms; an attempt
// without an answer is given up after a third of Timeout. Only what is not back
// within Timeout is a fault, and what breaks the protocol or the echo.
//
// Payloads have Size bytes, or sizes drawn from a histogram: see [ReadSizes].
// Which size a message has follows from its connection and number, so that its
// receiver knows it too.
//
// A fault (lost, doubled, reordered, corrupt or foreign message, connection ended
// early, refused upgrade) is counted by name in the report; a run with faults
// measured something else than it was meant to.
//
//	report, err := load.Run(ctx, load.Config{URL: "ws://127.0.0.1:8080", Mode: load.Echo, Conns: 100})
//	fmt.Println(report.Latency.P99)
//
// Run may be called from any goroutine; its loops lock themselves to threads.
// Hooks are called on the first loop's goroutine.
//
// A wss target is driven by crypto/tls on the same loops, with as many reads and
// writes as a ws target: a handshake is a coroutine of its loop, and there is no
// goroutine a connection. [TLS] holds what a comparison has to hold equal; the
// report says what was agreed on. A connection takes about 10 KB more in this
// process than without TLS. The handshakes of a loop take their turns, so that a
// time in which many were under way at once is one with waiting in it.
package load
