// Package wire is what the load generator and the backend of the benchmark kit
// agree on: the content of every message, the checking of what arrives, frames
// as they come out of a stream, the upgrade's bytes and the backend's paths.
//
// A [Pattern] derives the bytes of message seq of connection conn from both
// numbers, so that a receiver knows every byte that must come next. A [Checker]
// follows one direction of one connection with it and names what is wrong.
// [Sizes] give messages different lengths, which both ends derive alike. A
// [Decoder] walks the frames of a stream without holding any payload. An
// [Order] is what a connection asks of the backend, in its request target.
//
//	p := wire.NewPattern(seed, 64)
//	frame = p.Append(frame, conn, seq, 64)
//	var c wire.Checker
//	c.Start(p, conn, 64)
//	c.Chunk(payload)
//	verdict := c.End()
//
// A Pattern and Sizes may be shared between goroutines once they are made; a Checker and a
// Decoder belong to one goroutine. Nothing here does I/O or reads a clock.
package wire
