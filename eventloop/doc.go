// Package eventloop runs the sessions of the gateway: N netpoll event loops,
// each of which drives one Loop through the exported netpoll.Listener contract.
//
// netpoll sees a Loop as a listener whose descriptor is the Loop's own epoll
// set and whose Accept runs one turn and has nothing to take: (nil, nil). A
// turn polls the set without waiting, dispatches what is ready, runs posted
// functions, timers and the ready list, and writes its own eventfd when it
// leaves work behind, because netpoll calls again only while a descriptor of
// the set is readable. No session ever lives in a netpoll.Connection: those
// keep a buffer while idle, have no read back-pressure and close both
// directions on a FIN.
//
// # Who may touch what
//
// A session belongs to one Loop and is touched on that Loop's goroutine only.
// Everybody else posts a function (Gateway.Snapshot, Gateway.Return and
// Gateway.Drain do). The state code in eventloop/session decides, this package
// performs. Every dispatch recovers: a panic ends that session, is reported
// with its stack and counted, and the loop goes on.
//
// # The life of a session
//
// accept, read the head (head.go), route, pick, connect, send, await the 101
// (upgrade.go), relay (relay.go), end (session.go). An answer other than 101 is
// passed on, and the gateway's own answers are sent, by answer.go. Everything
// that is no WebSocket upgrade leaves for the plain HTTP server with descriptor
// and unread bytes (handoff.go) and may come back with a later upgrade.
//
// What is needed before the 101 only (buffers, parsed heads, the endpoints
// tried) lives in a pooled attempt; a relaying session is one struct of about
// half a kilobyte, two descriptors, two slots in an epoll set and one link in
// the timer wheel.
//
// # Timers
//
// A session has one deadline. The wheel is coarse (100 ms) and lazy: moving a
// deadline into the future is a store, and a session whose bucket comes round
// too early is put into a later one. Traffic thus never touches the wheel.
//
//	g, err := eventloop.New(eventloop.Options{Loops: 2, Listeners: ..., Generation: gen, Log: log})
//	err = g.Start()
//	...
//	err = g.Drain(ctx)
package eventloop
