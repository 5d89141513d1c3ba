// Package session decides what happens to a session; it performs nothing. An
// event goes in, operations come out, and the event loop that owns the session
// carries them out. There are no descriptors and no clock in here, so that
// every path can be tested by a script (testdata/*.txt).
//
// Two machines follow one another in the life of a session. Upgrade goes from
// the whole request head to the verified 101, over as many endpoints as it
// takes. Relay goes from there to the end: Close frames, half-closes, resets,
// violations, timeouts and the closes that the gateway itself starts.
//
//	var m session.Relay
//	m.Start()
//	ops := m.Step(session.Event{Kind: session.EndOfStream, Dir: session.Up})
//	// ops.Has(session.OpFin, session.Up): pass the half-close on
//
// The machines are plain values without pointers into the loop and may be
// touched on the goroutine of the session's loop only.
package session
