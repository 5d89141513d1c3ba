package frame

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"github.com/gobwas/ws"
)

// key is the mask of all masked frames in these tests.
var key = [4]byte{0xa1, 0xb2, 0xc3, 0xd4}

// raw builds a frame by hand: b0 is its first byte, masked its mask bit.
func raw(b0 byte, masked bool, payload string) []byte {
	return append(header(b0, masked, uint64(len(payload)), 0), mask(payload, masked)...)
}

func mask(payload string, masked bool) []byte {
	p := []byte(payload)
	if masked {
		ws.Cipher(p, key, 0)
	}
	return p
}

// header builds a header with the length in a form (126 or 127), or for form 0
// in the shortest.
func header(b0 byte, masked bool, length uint64, form byte) []byte {
	if form == 0 {
		switch {
		case length <= 125:
			form = byte(length)
		case length <= math.MaxUint16:
			form = 126
		default:
			form = 127
		}
	}
	h := []byte{b0, form}
	switch form {
	case 126:
		h = binary.BigEndian.AppendUint16(h, uint16(length))
	case 127:
		h = binary.BigEndian.AppendUint64(h, length)
	}
	if masked {
		h[1] |= 0x80
		h = append(h, key[:]...)
	}
	return h
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// result is all that can be seen of a direction once a stream has gone by.
type result struct {
	passed    string
	held      int
	verdict   Verdict
	violation string
	messages  uint64
	remaining uint64
	boundary  bool
	opaque    bool
	closeSeen bool
	code      uint16
	reason    string
}

// feed presents the stream in pieces cut at the given places, as a half does,
// until a verdict ends it.
func feed(t testing.TB, c Config, stream []byte, cuts ...int) result {
	t.Helper()
	var s Scanner
	s.Init(c)
	d := NewDecoder()
	var r result
	var passed, held []byte
	last := 0
	for _, cut := range append(cuts, len(stream)) {
		p := append(held, stream[last:cut]...)
		last = cut
		before := bytes.Clone(p)
		n, keep, v := s.Scan(d, p)
		if !bytes.Equal(p, before) {
			t.Fatal("Scan has changed the bytes")
		}
		if v == Continue && n+keep != len(p) || keep < 0 || keep > 13 || n < 0 || n > len(p) {
			t.Fatalf("Scan of %d bytes: n %d, keep %d, verdict %d", len(p), n, keep, v)
		}
		passed = append(passed, p[:n]...)
		held = bytes.Clone(p[n : n+keep])
		if r.verdict = v; v != Continue {
			break
		}
	}
	code, reason, ok := s.Closed()
	if ok != s.CloseSeen() {
		t.Fatal("Closed and CloseSeen differ")
	}
	r.passed, r.held, r.violation, r.messages = string(passed), len(held), s.Violation(), s.Messages()
	r.remaining, r.boundary, r.opaque = s.Remaining(), s.AtBoundary(), s.Opaque()
	r.closeSeen, r.code, r.reason = ok, code, string(reason)
	return r
}

const (
	clientSide = true
	serverSide = false
)

func TestValidStreams(t *testing.T) {
	for _, tc := range []struct {
		name     string
		reserved uint8
		build    func(m bool) []byte
		messages uint64
		code     uint16
		reason   string
	}{
		{"nothing", 0, func(m bool) []byte { return nil }, 0, 0, ""},
		{"empty text", 0, func(m bool) []byte { return raw(0x81, m, "") }, 1, 0, ""},
		{"text and binary", 0, func(m bool) []byte { return join(raw(0x81, m, "ab"), raw(0x82, m, "cde")) }, 2, 0, ""},
		{"all length forms", 0, func(m bool) []byte {
			return join(raw(0x82, m, strings.Repeat("x", 125)), raw(0x82, m, strings.Repeat("x", 126)),
				raw(0x82, m, strings.Repeat("x", 65535)), raw(0x82, m, strings.Repeat("x", 65536)))
		}, 4, 0, ""},
		{"fragments", 0, func(m bool) []byte {
			return join(raw(0x01, m, "a"), raw(0x00, m, ""), raw(0x80, m, "c"), raw(0x81, m, "d"))
		}, 2, 0, ""},
		{"fragments of nothing", 0, func(m bool) []byte { return join(raw(0x01, m, ""), raw(0x80, m, "")) }, 1, 0, ""},
		{"control frames between fragments", 0, func(m bool) []byte {
			return join(raw(0x01, m, "a"), raw(0x89, m, "ping"), raw(0x8a, m, ""), raw(0x80, m, "c"))
		}, 1, 0, ""},
		{"controls only", 0, func(m bool) []byte { return join(raw(0x89, m, strings.Repeat("p", 125)), raw(0x8a, m, "")) }, 0, 0, ""},
		{"compressed", 4, func(m bool) []byte {
			return join(raw(0xc1, m, "a"), raw(0x41, m, "a"), raw(0x80, m, "b"), raw(0x82, m, "c"))
		}, 3, 0, ""},
		{"unknown extension", 7, func(m bool) []byte {
			return join(raw(0xf1, m, "a"), raw(0xf9, m, "ping"), raw(0x71, m, "b"), raw(0xf0, m, "c"))
		}, 2, 0, ""},
		{"close without code", 0, func(m bool) []byte { return join(raw(0x81, m, "a"), raw(0x88, m, "")) }, 1, 1005, ""},
		{"close with code", 0, func(m bool) []byte { return raw(0x88, m, "\x03\xe8") }, 0, 1000, ""},
		{"close with reason", 0, func(m bool) []byte { return raw(0x88, m, "\x03\xe9going away") }, 0, 1001, "going away"},
		{"close with the longest reason", 0, func(m bool) []byte {
			return raw(0x88, m, "\x0f\xa0"+strings.Repeat("r", 123))
		}, 0, 4000, strings.Repeat("r", 123)},
		{"frames behind a close", 0, func(m bool) []byte {
			return join(raw(0x88, m, "\x03\xe8first"), raw(0x81, m, "a"), raw(0x88, m, "\x03\xe9second"), raw(0x88, m, ""))
		}, 1, 1000, "first"},
		{"second close with more", 0, func(m bool) []byte {
			return join(raw(0x88, m, ""), raw(0x88, m, "\x03\xe9second"))
		}, 0, 1005, ""},
	} {
		for _, m := range []bool{clientSide, serverSide} {
			for _, c := range []Config{
				{Mode: Observe, Masked: m, ReservedBits: tc.reserved},
				{Mode: Enforce, Masked: m, ReservedBits: tc.reserved},
				{Mode: Enforce, Masked: m, ReservedBits: tc.reserved, MaxMessage: 1 << 20},
			} {
				t.Run(fmt.Sprintf("%s/%+v", tc.name, c), func(t *testing.T) {
					stream := tc.build(m)
					got := feed(t, c, stream)
					want := result{
						passed: string(stream), messages: tc.messages, boundary: true,
						closeSeen: tc.code != 0, code: tc.code, reason: tc.reason,
					}
					if got != want {
						t.Errorf("got %+v", got)
					}
				})
			}
		}
	}
}

func TestViolations(t *testing.T) {
	for _, tc := range []struct {
		word     string
		masked   bool
		reserved uint8
		bad      []byte // the header and what follows
		before   []byte
	}{
		{"unmasked", clientSide, 0, raw(0x81, false, "a"), nil},
		{"unmasked", clientSide, 0, raw(0x89, false, ""), nil},
		{"masked", serverSide, 0, raw(0x81, true, "a"), nil},
		{"masked", serverSide, 0, raw(0x88, true, ""), nil},
		{"rsv", clientSide, 0, raw(0xc1, true, "a"), nil},
		{"rsv", clientSide, 0, raw(0xa1, true, "a"), nil},
		{"rsv", clientSide, 0, raw(0x91, true, "a"), nil},
		{"rsv", clientSide, 4, raw(0xa1, true, "a"), nil},
		{"rsv", clientSide, 4, raw(0x91, true, "a"), nil},
		{"rsv", clientSide, 4, raw(0xc9, true, ""), nil},
		{"rsv", clientSide, 4, raw(0xc8, true, ""), nil},
		{"rsv", clientSide, 4, raw(0xc0, true, "a"), raw(0x41, true, "a")},
		{"rsv", serverSide, 4, raw(0x40, false, "a"), raw(0x01, false, "a")},
		{"opcode", clientSide, 0, raw(0x83, true, "a"), nil},
		{"opcode", clientSide, 7, raw(0x87, true, "a"), nil},
		{"opcode", clientSide, 0, raw(0x8b, true, "a"), nil},
		{"opcode", serverSide, 0, raw(0x8f, false, ""), nil},
		{"opcode", serverSide, 0, raw(0x03, false, ""), raw(0x01, false, "a")},
		{"control_length", clientSide, 0, raw(0x89, true, strings.Repeat("x", 126)), nil},
		{"control_length", serverSide, 0, header(0x88, false, 5, 126), nil},
		{"control_length", serverSide, 0, header(0x8a, false, 1<<40, 127), nil},
		{"control_fragmented", clientSide, 0, raw(0x09, true, ""), nil},
		{"control_fragmented", clientSide, 0, raw(0x08, true, "\x03\xe8"), nil},
		{"continuation", clientSide, 0, raw(0x80, true, "a"), nil},
		{"continuation", clientSide, 0, raw(0x00, true, "a"), nil},
		{"continuation", serverSide, 0, raw(0x80, false, ""), join(raw(0x01, false, "a"), raw(0x80, false, "b"))},
		{"interleaved", clientSide, 0, raw(0x81, true, "a"), raw(0x01, true, "a")},
		{"interleaved", serverSide, 0, raw(0x02, false, "a"), join(raw(0x01, false, "a"), raw(0x00, false, "a"), raw(0x89, false, "a"))},
		{"length", clientSide, 0, header(0x82, true, 1<<63, 127), nil},
		{"length", clientSide, 0, header(0x82, true, math.MaxUint64, 127), nil},
		{"length", clientSide, 0, header(0x82, true, 125, 126), nil},
		{"length", serverSide, 0, header(0x82, false, 0, 126), nil},
		{"length", serverSide, 0, header(0x82, false, 65535, 127), nil},
		{"length", serverSide, 0, header(0x82, false, 0, 127), nil},
		{"close_length", clientSide, 0, raw(0x88, true, "x"), nil},
		{"close_length", serverSide, 0, raw(0x88, false, "x"), nil},
	} {
		for _, lead := range [][]byte{nil, raw(0x81, tc.masked, "lead"), raw(0x82, tc.masked, strings.Repeat("x", 200))} {
			before := join(lead, tc.before)
			stream := join(before, tc.bad, raw(0x81, tc.masked, "behind"))
			name := fmt.Sprintf("%s/%x behind %d", tc.word, tc.bad[:2], len(before))
			t.Run(name, func(t *testing.T) {
				base := Config{Masked: tc.masked, ReservedBits: tc.reserved}

				enforce := base
				enforce.Mode = Enforce
				got := feed(t, enforce, stream)
				if got.verdict != Violation || got.violation != tc.word || got.passed != string(before) || !got.boundary || got.opaque {
					t.Errorf("enforce: %+v", got)
				}
				limited := base
				limited.MaxMessage = 1 << 62
				if got := feed(t, limited, stream); got.verdict != Violation || got.violation != tc.word || got.passed != string(before) {
					t.Errorf("observe with a limit: %+v", got)
				}
				got = feed(t, base, stream)
				if got.verdict != Continue || got.violation != tc.word || got.passed != string(stream) || got.boundary || !got.opaque || got.remaining != 0 {
					t.Errorf("observe: %+v", got)
				}
				off := base
				off.Mode = Off
				got = feed(t, off, stream)
				if want := (result{passed: string(stream), opaque: true}); got != want {
					t.Errorf("off: %+v", got)
				}
			})
		}
	}
}

func TestMaxMessage(t *testing.T) {
	over := strings.Repeat("x", 101)
	for _, tc := range []struct {
		name   string
		before []byte
		big    []byte // nil: none of it is too big
	}{
		{"one frame at the limit", raw(0x81, true, over[1:]), nil},
		{"one frame", raw(0x81, true, "a"), raw(0x81, true, over)},
		{"fragments at the limit", join(raw(0x01, true, over[:60]), raw(0x80, true, over[:40])), nil},
		{"fragments", join(raw(0x01, true, over[:60]), raw(0x00, true, over[:40])), raw(0x80, true, "x")},
		{"first fragment", nil, raw(0x01, true, over)},
		{"each message for itself", join(raw(0x81, true, over[:60]), raw(0x82, true, over[:60]), raw(0x01, true, over[:60]), raw(0x80, true, ""), raw(0x81, true, over[:90])), nil},
		{"control frames do not count", join(raw(0x01, true, over[1:]), raw(0x89, true, over), raw(0x80, true, "")), nil},
		{"judged on the header", nil, header(0x82, true, 1<<62, 0)},
		{"no overflow", raw(0x01, true, over[1:]), header(0x80, true, math.MaxInt64, 0)},
	} {
		for _, mode := range []Mode{Observe, Enforce} {
			t.Run(tc.name+"/"+mode.String(), func(t *testing.T) {
				got := feed(t, Config{Mode: mode, Masked: true, MaxMessage: 100}, join(tc.before, tc.big))
				wantVerdict := Continue
				if tc.big != nil {
					wantVerdict = TooBig
				}
				if got.verdict != wantVerdict || got.passed != string(tc.before) || !got.boundary || got.violation != "" {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

// Behind a verdict the caller may go on at the header that was to blame.
func TestGoingOnBehindAVerdict(t *testing.T) {
	d := NewDecoder()
	var s Scanner
	s.Init(Config{Mode: Enforce, MaxMessage: 3})
	first := raw(0x01, false, "ab")
	stream := join(first, raw(0x80, false, "cd"), raw(0x88, false, "\x03\xe8x"))
	n, keep, v := s.Scan(d, stream)
	if n != len(first) || keep != 0 || v != TooBig {
		t.Fatal(n, keep, v)
	}
	s.Unlimit()
	n, keep, v = s.Scan(d, stream[n:])
	if n != len(stream)-len(first) || keep != 0 || v != Continue || s.Messages() != 1 {
		t.Fatal(n, keep, v, s.Messages())
	}
	if code, reason, ok := s.Closed(); code != 1000 || string(reason) != "x" || !ok {
		t.Error(code, reason, ok)
	}
	if n, _, v = s.Scan(d, []byte{0x83, 0}); n != 0 || v != Violation {
		t.Fatal(n, v)
	}
	s.SetOpaque()
	if n, _, v = s.Scan(d, []byte{0x83, 0}); n != 2 || v != Continue || !s.Opaque() || s.Violation() != "opcode" {
		t.Fatal(n, v)
	}
}

func TestSkip(t *testing.T) {
	for _, length := range []uint64{0, 1, 1 << 16, 5 << 30, 1 << 62, math.MaxInt64} {
		d := NewDecoder()
		var s Scanner
		s.Init(Config{Mode: Enforce, Masked: true})
		h := header(0x82, true, length, 0)
		if n, keep, v := s.Scan(d, h); n != len(h) || keep != 0 || v != Continue || s.Remaining() != length {
			t.Fatal(length, n, keep, v, s.Remaining())
		}
		if s.AtBoundary() != (length == 0) {
			t.Error("boundary inside a frame of", length)
		}
		if length > 1 {
			s.Skip(0)
			s.Skip(1)
			if n, _, v := s.Scan(d, []byte{0xff}[:1]); n != 1 || v != Continue || s.Remaining() != length-2 {
				t.Fatal(length, n, v, s.Remaining())
			}
		}
		s.Skip(s.Remaining())
		if !s.AtBoundary() || s.Messages() != 1 {
			t.Error("at the end of", length, s.Remaining(), s.Messages())
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("skipped past the end")
				}
			}()
			s.Skip(1)
		}()
	}
}

// The sum of the lengths may pass 1<<64 where nobody has set a limit.
func TestEndlessMessage(t *testing.T) {
	d := NewDecoder()
	var s Scanner
	s.Init(Config{Mode: Enforce})
	for i := range 5 {
		b0 := byte(0x00)
		if i == 0 {
			b0 = 0x02
		}
		if _, _, v := s.Scan(d, header(b0, false, math.MaxInt64, 0)); v != Continue {
			t.Fatal(v)
		}
		s.Skip(math.MaxInt64)
	}
	if s.Scan(d, header(0x80, false, 0, 0)); s.Messages() != 1 || !s.AtBoundary() {
		t.Error(s.Messages(), s.Remaining())
	}
}

// Every place to cut a stream in two, and every way to cut it into pieces of
// one size, comes to the same.
func TestEverySplit(t *testing.T) {
	good := func(m bool) []byte {
		return join(raw(0x81, m, "hello"), raw(0xc2, m, strings.Repeat("z", 130)), raw(0x01, m, "a"), raw(0x89, m, "ping"),
			raw(0x80, m, ""), raw(0x88, m, "\x03\xe9reason"), raw(0x82, m, "end"))
	}
	for _, m := range []bool{clientSide, serverSide} {
		for name, tail := range map[string][]byte{
			"valid":      nil,
			"too big":    header(0x82, m, 1<<40, 0),
			"incomplete": header(0x82, m, 1<<40, 0)[:7],
			"opcode":     raw(0x8d, m, "xyz"),
			"mask":       raw(0x82, !m, "xyz"),
			"length":     header(0x82, m, 4, 127),
			"open":       raw(0x82, m, "xyz")[:3],
			"large":      join(header(0x82, m, 70_000, 0), []byte("its payload begins")),
		} {
			for _, c := range []Config{
				{Mode: Observe, Masked: m, ReservedBits: 4},
				{Mode: Enforce, Masked: m, ReservedBits: 4},
				{Mode: Observe, Masked: m, ReservedBits: 4, MaxMessage: 1 << 20},
				{Mode: Off},
			} {
				stream := join(good(m), tail)
				want := feed(t, c, stream)
				check := func(cuts ...int) {
					t.Helper()
					if got := feed(t, c, stream, cuts...); got != want {
						got.passed, want.passed = "", ""
						t.Fatalf("%s, %+v, cut at %d...: %+v, want %+v", name, c, cuts[0], got, want)
					}
				}
				for cut := range stream {
					check(cut)
				}
				for size := 1; size < 20; size++ {
					var cuts []int
					for at := size; at < len(stream); at += size {
						cuts = append(cuts, at)
					}
					check(cuts...)
				}
			}
		}
	}
}

// Skipped and scanned payload are the same to a Scanner.
func TestSkippedOrScanned(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var stream []byte
	const messages = 500
	for range messages {
		stream = append(stream, raw(0x82, true, strings.Repeat("x", rng.IntN(40_000)))...)
	}
	var s Scanner
	s.Init(Config{Mode: Enforce, Masked: true})
	d := NewDecoder()
	for at := 0; at < len(stream); {
		if r := s.Remaining(); r > 0 && rng.IntN(2) == 0 {
			k := rng.Uint64N(r) + 1
			s.Skip(k)
			at += int(k)
			continue
		}
		n, _, v := s.Scan(d, stream[at:min(len(stream), at+14+rng.IntN(5000))])
		if v != Continue {
			t.Fatal(at, v)
		}
		at += n
	}
	if s.Messages() != messages || !s.AtBoundary() {
		t.Error(s.Messages(), s.Remaining())
	}
}

func TestSize(t *testing.T) {
	if size := unsafe.Sizeof(Scanner{}); size > 48 {
		t.Errorf("a Scanner has %d bytes", size)
	}
}

func TestMode(t *testing.T) {
	for _, m := range []Mode{Observe, Enforce, Off} {
		if got, err := ParseMode(m.String()); err != nil || got != m {
			t.Error(m, got, err)
		}
	}
	for _, s := range []string{"", "Observe", "unknown"} {
		if _, err := ParseMode(s); err == nil {
			t.Errorf("%q is a mode", s)
		}
	}
	if Mode(9).String() != "unknown" {
		t.Error(Mode(9).String())
	}
}
