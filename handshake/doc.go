// Package handshake reads, checks and rewrites the heads of HTTP/1.1 messages
// around a WebSocket upgrade: bytes in, bytes out, without I/O and without a
// clock.
//
// A head is read where it lies: Request and Response hold spans, offsets into
// the caller's buffer, and nothing is copied before AppendUpgrade or AppendHead
// writes the rewritten head. Parse can be called with every piece that arrives;
// it goes on where it stopped. Body then follows the message body, so that the
// caller knows where the next message begins.
//
// The rules are those of RFC 9110, RFC 9112 and RFC 6455, on the strict side
// wherever they leave a choice: what passes has one reading only, whichever
// server stands behind. Every refusal is an *Error with the status to answer.
//
// Nothing here is shared: a Request, Response or Body belongs to one goroutine at
// a time, usually the event loop that owns the connection. Functions and
// predeclared errors can be used from everywhere. In steady state, with values
// and buffers used again, nothing allocates.
//
//	var r handshake.Request
//	done, err := r.Parse(buf, &limits)
//	switch {
//	case err != nil:
//		out = handshake.AppendError(out[:0], err, 0, true) // write it, then close
//	case !done:
//		// read more behind buf and call Parse again
//	case r.Upgrade:
//		out = r.AppendUpgrade(out[:0], buf, &identity, rules)
//	}
package handshake
