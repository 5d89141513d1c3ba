// Package backend is the WebSocket server that stands behind the gateways in
// the benchmark: one epoll loop, frames made ahead of time, nothing kept for
// an idle connection beyond its entry in a table, so that it is not the
// bottleneck of what it helps to measure.
//
// A connection's service is named by the last segment of the path, and its
// query says the rest; see [wsgate/bench/wire] for the formats:
//
//	/echo     sends every frame back
//	/source   sends messages until it is sent a Close
//	/sink     checks every message and acknowledges it
//	/room     sends every message to all members of the room, the sender included
//	/slow     ?rate=BYTES: echo that reads so many bytes a second, with a small receive buffer
//	/abrupt   ?after=N&how=fin|rst: echo that ends after N messages, 0 is at once, without a Close
//
//	s, err := backend.Listen(addrs)
//	go s.Run(ctx)
//	fmt.Println(s.Addrs())
//
// [Server.Run] belongs to one goroutine; the others may be called from anywhere.
package backend
