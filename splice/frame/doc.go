// Package frame follows the WebSocket frames (RFC 6455) of one direction of a
// session at the cost of their headers: it finds boundaries, counts messages,
// judges headers and lengths and reads the Close frame. Payload is never
// looked at, changed or kept, but for the 125 bytes at most of a Close.
//
// A Scanner belongs to a half of a session and holds no buffer. A Decoder is
// the scratch memory that all scanners of an event loop share. Neither locks:
// both are used on the goroutine of their loop only.
//
// # Example
//
//	d := frame.NewDecoder()
//	var s frame.Scanner
//	s.Init(frame.Config{Mode: frame.Enforce, Masked: true})
//	n, keep, verdict := s.Scan(d, data)
//	pass(data[:n])
//	switch verdict {
//	case frame.Continue:
//		held = data[n : n+keep] // comes again, in front of the next bytes
//	case frame.Violation:
//		end(1002, s.Violation())
//	case frame.TooBig:
//		end(1009, "")
//	}
//	if rest := s.Remaining(); rest >= large {
//		s.Skip(spliceUpTo(rest)) // these bytes never come to Scan
//	}
package frame
