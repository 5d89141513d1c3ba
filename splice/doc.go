// Package splice moves the bytes of a relay: it reads from one descriptor of a
// session and writes to the other, one Half for each direction, without ever
// blocking and without holding a buffer while nothing is in the way.
//
// A Half reads into the Worker's scratch buffer, walks the WebSocket frame
// headers (package frame) and writes straight to the peer. Only what the peer
// does not take goes into a pooled buffer, and the half stops reading until
// that is written: a session holds at most one such buffer, or one pipe, a
// direction. The rest of a large frame goes socket to pipe to socket and is
// never copied to user memory.
//
// A Half decides nothing about the session. Pump says what it came upon
// (Facts); the state machine in eventloop/session answers with Finish,
// Discard, Send or Abandon.
//
// Everything here belongs to one event loop: a Worker and the halves that are
// pumped with it are touched on that loop's goroutine only. Pool and Budget
// are shared by all loops and safe for concurrent use.
//
//	w := splice.NewWorker(sys.Kernel{}, budget, 32)
//	var down splice.Half
//	down.Init(frame.Config{Mode: frame.Observe}, 1)
//	down.MarkReadable(false)
//	facts := down.Pump(w, upstreamFD, clientFD, 256<<10)
//	if facts&splice.SrcEOF != 0 { ... pass the half-close on ... }
package splice
