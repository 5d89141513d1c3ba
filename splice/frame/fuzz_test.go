package frame

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// config makes a Config of one byte.
func config(b byte) Config {
	c := Config{Mode: Mode(b & 1), Masked: b&2 != 0, ReservedBits: [...]uint8{0, 4, 7, 2}[b>>2&3]}
	if b&16 != 0 {
		c.MaxMessage = 100
	}
	return c
}

func seeds(f *testing.F, add func(stream []byte)) {
	for _, m := range []bool{clientSide, serverSide} {
		add(join(raw(0x81, m, "hello"), raw(0x89, m, ""), raw(0x01, m, "a"), raw(0x80, m, "b"), raw(0x88, m, "\x03\xe8bye")))
		add(join(raw(0xc2, m, strings.Repeat("x", 126)), header(0x82, m, 1<<62, 0)))
		add(join(raw(0x81, m, strings.Repeat("x", 101)), raw(0x88, m, "x")))
		add(join(header(0x82, m, 3, 126), []byte("abc")))
		add(header(0x82, m, 1<<63, 127))
		add(raw(0x8b, !m, "abc"))
	}
}

// FuzzSplit: how a stream is cut makes no difference.
func FuzzSplit(f *testing.F) {
	seeds(f, func(stream []byte) {
		f.Add(byte(0), []byte{1, 3, 2}, stream)
		f.Add(byte(19), []byte{1}, stream)
	})
	f.Fuzz(func(t *testing.T, c byte, sizes, stream []byte) {
		if len(stream) > 1<<12 || len(sizes) == 0 {
			return
		}
		var cuts []int
		for i, at := 0, 0; ; i++ {
			if at += int(sizes[i%len(sizes)]%32) + 1; at >= len(stream) {
				break
			}
			cuts = append(cuts, at)
		}
		whole, pieces := feed(t, config(c), stream), feed(t, config(c), stream, cuts...)
		if whole != pieces {
			t.Errorf("%+v of %x: whole %+v, cut at %v %+v", config(c), stream, whole, cuts, pieces)
		}
	})
}

// model follows a stream with gobwas alone: ReadHeader and CheckHeader, plus
// the rules that CheckHeader does not know (see the fuzz target).
func model(c Config, stream []byte) (passed int, v Verdict, messages uint64, closed *ws.Frame) {
	state := ws.StateClientSide
	if c.Masked {
		state = ws.StateServerSide
	}
	if c.ReservedBits != 0 {
		state = state.Set(ws.StateExtended)
	}
	var size uint64
	for {
		r := bytes.NewReader(stream[passed:])
		h, err := ws.ReadHeader(r)
		used := len(stream) - passed - r.Len()
		switch {
		case err == ws.ErrHeaderLengthMSB:
			return passed, Violation, messages, closed
		case err != nil:
			return passed, Continue, messages, closed
		}
		data := !h.OpCode.IsControl()
		rsvOwned := h.Rsv&^c.ReservedBits == 0 && (c.ReservedBits != 4 || h.Rsv == 0 || h.OpCode == ws.OpText || h.OpCode == ws.OpBinary)
		if ws.CheckHeader(h, state) != nil || !rsvOwned || ws.HeaderSize(h) != used ||
			h.OpCode == ws.OpClose && h.Length == 1 {
			return passed, Violation, messages, closed
		}
		if data {
			if h.OpCode != ws.OpContinuation {
				size = 0
			}
			if size += uint64(h.Length); c.MaxMessage > 0 && size > uint64(c.MaxMessage) {
				return passed, TooBig, messages, closed
			}
			state = state.Set(ws.StateFragmented)
			if h.Fin {
				state = state.Clear(ws.StateFragmented)
			}
		}
		passed += used
		if uint64(r.Len()) < uint64(h.Length) {
			return len(stream), Continue, messages, closed
		}
		payload := stream[passed : passed+int(h.Length)]
		passed += int(h.Length)
		if data && h.Fin {
			messages++
		}
		if h.OpCode == ws.OpClose && closed == nil {
			f := ws.Frame{Header: h, Payload: bytes.Clone(payload)}
			if h.Masked {
				f = ws.UnmaskFrameInPlace(f)
			}
			closed = &f
		}
	}
}

// FuzzAgree: the Scanner says of any stream what gobwas says, which reads
// whole frames. Ours is stricter where gobwas is known to be lax: reserved bits
// once an extension is there, lengths that are not minimal, a Close of one
// byte. A header of which a part is there may be refused earlier.
func FuzzAgree(f *testing.F) {
	seeds(f, func(stream []byte) {
		f.Add(byte(1), stream)
		f.Add(byte(3), stream)
		f.Add(byte(7), stream)
		f.Add(byte(19), stream)
	})
	f.Fuzz(func(t *testing.T, b byte, stream []byte) {
		if len(stream) > 1<<12 {
			return
		}
		c := config(b)
		c.Mode = Enforce
		got := feed(t, c, stream)
		passed, verdict, messages, closed := model(c, stream)
		if verdict == Continue && got.verdict == Violation && len(stream)-passed < ws.MaxHeaderSize {
			// Refused on its first two bytes; completed, gobwas must refuse it, too.
			full := append(bytes.Clone(stream), make([]byte, ws.MaxHeaderSize)...)
			_, verdict, messages, closed = model(c, full)
		}
		if len(got.passed) != passed || got.verdict != verdict || got.messages != messages || got.closeSeen != (closed != nil) {
			t.Fatalf("%+v of %x: %+v, gobwas: passed %d, verdict %d, messages %d, close %v", c, stream, got, passed, verdict, messages, closed)
		}
		if closed != nil {
			code, reason := ws.ParseCloseFrameData(closed.Payload)
			if len(closed.Payload) == 0 {
				code = ws.StatusNoStatusRcvd
			}
			if got.code != uint16(code) || got.reason != reason {
				t.Fatalf("%x: %d %q, gobwas: %d %q", stream, got.code, got.reason, code, reason)
			}
		}
	})
}
