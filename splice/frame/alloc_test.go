package frame

import (
	"fmt"
	"strings"
	"testing"
)

// streams are the shapes of traffic whose cost is measured.
func streams() map[string]struct {
	config Config
	stream []byte
	frames int
} {
	type shape = struct {
		config Config
		stream []byte
		frames int
	}
	all := map[string]shape{}
	add := func(name string, c Config, unit []byte, frames int) {
		n := max(1, (64<<10)/len(unit))
		all[name] = shape{c, []byte(strings.Repeat(string(unit), n)), n * frames}
	}
	for _, length := range []int{0, 64, 125, 126, 4096} {
		add(fmt.Sprintf("%d bytes", length), Config{Masked: true}, raw(0x82, true, strings.Repeat("x", length)), 1)
	}
	add("64 bytes, limit", Config{Mode: Enforce, Masked: true, MaxMessage: 1000}, raw(0x82, true, strings.Repeat("x", 64)), 1)
	add("64 bytes, compressed", Config{Masked: true, ReservedBits: 4}, raw(0xc2, true, strings.Repeat("x", 64)), 1)
	add("64 bytes, fragmented", Config{Masked: true}, join(raw(0x02, true, strings.Repeat("x", 64)), raw(0x80, true, strings.Repeat("x", 64))), 2)
	return all
}

// Scanning allocates nothing, over more than 50,000 frames of each shape.
func TestNoAllocation(t *testing.T) {
	for name, sh := range streams() {
		var s Scanner
		s.Init(sh.config)
		d := NewDecoder()
		rounds := 50_000/sh.frames + 1
		n := testing.AllocsPerRun(2, func() {
			for range rounds {
				// In two pieces, so that a frame is cut as well.
				cut := len(sh.stream) / 2
				n, _, v := s.Scan(d, sh.stream[:cut])
				if v == Continue {
					_, _, v = s.Scan(d, sh.stream[n:])
				}
				if v != Continue || s.Violation() != "" || !s.AtBoundary() {
					panic(fmt.Sprint(name, v, s.Violation()))
				}
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if s.Messages() < 50_000 && sh.frames != 0 && !strings.Contains(name, "fragmented") {
			t.Errorf("%s: only %d messages", name, s.Messages())
		}
	}
}

// A Close with a payload costs one allocation, one without none.
func TestCloseAllocation(t *testing.T) {
	d := NewDecoder()
	for payload, want := range map[string]float64{"": 0, "\x03\xe8bye": 1} {
		p := raw(0x88, true, payload)
		var s Scanner
		if n := testing.AllocsPerRun(100, func() {
			s.Init(Config{Masked: true})
			s.Scan(d, p)
		}); n != want || !s.CloseSeen() {
			t.Errorf("close with %q: %v allocations", payload, n)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	for name, sh := range streams() {
		b.Run(name, func(b *testing.B) {
			var s Scanner
			s.Init(sh.config)
			d := NewDecoder()
			b.ReportAllocs()
			for b.Loop() {
				s.Scan(d, sh.stream)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*sh.frames), "ns/frame")
		})
	}
}
