package wire

import (
	"math"
	"strings"
	"testing"
)

func mustSizes(t *testing.T, text string) *Sizes {
	t.Helper()
	s, err := ReadSizes("sizes", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReadSizes(t *testing.T) {
	s := mustSizes(t, "# size weight\n\n  64 3\n\t0\t1\n1000 4 \n")
	if s.String() != "64:3,0:1,1000:4" || s.Shortest() != 0 || s.Longest() != 1000 || s.Mean() != (64*3+1000*4)/8.0 {
		t.Fatalf("%s, %d to %d, mean %v", s, s.Shortest(), s.Longest(), s.Mean())
	}
	back, err := parseSizes(s.String())
	if err != nil || back.String() != s.String() || back.Mean() != s.Mean() {
		t.Fatalf("%v, %v", back, err)
	}
}

func TestReadSizesRefuses(t *testing.T) {
	tests := map[string]string{
		"":                                    "sizes: no sizes",
		"# 1 1\n":                             "sizes: no sizes",
		"64":                                  "sizes:1: ",
		"64 1\n64 1 # often":                  "sizes:2: ",
		"64 1\n\n# x\n64 2":                   "sizes:4: size 64 comes twice",
		"-1 1":                                "sizes:1: size",
		"64 0":                                "sizes:1: weight",
		"64 1.5":                              "sizes:1: weight",
		"64 99999999999999":                   "sizes:1: weight",
		"67108865 1":                          "sizes:1: size",
		"0x40 1":                              "sizes:1: size",
		"1 1\n" + strings.Repeat("9", 70_000): "sizes:2: ",
	}
	for in, want := range tests {
		if s, err := ReadSizes("sizes", strings.NewReader(in)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.20q: %v, %v, want %q", in, s, err, want)
		}
	}
}

// TestSizesFollowTheirWeights: the share of each size is its weight's, and
// both ends, and no other run, make the same choice.
func TestSizesFollowTheirWeights(t *testing.T) {
	s := mustSizes(t, "10 1\n20 2\n30 7\n")
	p, other := NewPattern(5, 30), NewPattern(6, 30)
	back, err := parseSizes(s.String())
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	count, same := map[int]int{}, 0
	for seq := range uint32(n) {
		size := s.Of(p, seq%7, seq)
		count[size]++
		if back.Of(p, seq%7, seq) != size {
			t.Fatal("two ends choose differently")
		}
		if s.Of(other, seq%7, seq) == size {
			same++
		}
	}
	for size, share := range map[int]float64{10: 0.1, 20: 0.2, 30: 0.7} {
		// Five standard deviations.
		if got := float64(count[size]) / n; math.Abs(got-share) > 5*math.Sqrt(share*(1-share)/n) {
			t.Errorf("size %d: share %v, want %v", size, got, share)
		}
	}
	if same == n {
		t.Error("another run makes the same choice")
	}
}

// TestCheckerWithSizes makes every fault where each message has its own size.
func TestCheckerWithSizes(t *testing.T) {
	s := mustSizes(t, "12 1\n16 1\n40 1\n300 1\n5000 1\n")
	p := NewPattern(3, s.Longest())
	message := func(conn, seq uint32) []byte { return p.Append(nil, conn, seq, s.Of(p, conn, seq)) }
	whole := func(from uint32) uint32 { // a message with a whole stamp, and its successor
		for s.Of(p, 5, from) < StampSize || s.Of(p, 5, from+1) < StampSize || s.Of(p, 5, from) == s.Of(p, 5, from+1) {
			from++
		}
		return from
	}
	var c Checker
	c.Start(p, 5, 0)
	c.Vary(s)
	take := func(b []byte) Fault {
		for cut := 1; len(b) > 0; cut++ {
			k := min(cut, len(b))
			c.Chunk(b[:k])
			b = b[k:]
		}
		return c.End().Fault
	}
	expect := func(what string, got, want Fault) {
		t.Helper()
		if got != want {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
	for seq := range uint32(200) {
		expect("in order", take(message(5, seq)), Right)
	}
	at := whole(200)
	for c.Next() < at {
		expect("in order", take(message(5, c.Next())), Right)
	}
	expect("the one after the next", take(message(5, at+1)), Lost)
	expect("the one that was missed", take(message(5, at)), Reordered)
	expect("a second time", take(message(5, at+1)), Duplicate)
	expect("the next", take(message(5, at+2)), Right)
	at = c.Next()
	expect("too short", take(message(5, at)[1:]), Corrupt)
	expect("too long", take(append(message(5, at+1), 'x')), Corrupt)
	foreign := uint32(0)
	for s.Of(p, 6, foreign) < StampSize {
		foreign++
	}
	expect("of another connection", take(message(6, foreign)), Foreign)
	expect("the next", take(message(5, at+2)), Right)
	// The right stamp with another length than that message has.
	b := message(5, whole(c.Next()+1))
	expect("a stamp with a wrong length", take(b[:len(b)-1]), Corrupt)
}

func TestSizesAllocateNothing(t *testing.T) {
	s := mustSizes(t, "10 1\n20 2\n30 7\n")
	p := NewPattern(1, 30)
	var c Checker
	c.Start(p, 1, 0)
	c.Vary(s)
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		seq := c.Next()
		buf = p.Append(buf[:0], 1, seq, s.Of(p, 1, seq))
		c.Chunk(buf)
		if c.End().Fault != Right {
			t.Fatal("the message is not read as written")
		}
	}); n != 0 {
		t.Fatalf("%v allocations a message", n)
	}
}

func FuzzReadSizes(f *testing.F) {
	f.Add("64 1\n1000 3\n")
	f.Add("# nothing\n0 1\n")
	f.Add("1 1\n1 1")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ReadSizes("f", strings.NewReader(text))
		if err != nil {
			return
		}
		back, err := parseSizes(s.String())
		if err != nil || back.String() != s.String() {
			t.Fatalf("%q is not read back: %v", s, err)
		}
		p := NewPattern(1, 0)
		for seq := range uint32(20) {
			if n := s.Of(p, 1, seq); n < s.Shortest() || n > s.Longest() {
				t.Fatalf("size %d is none of %s", n, s)
			}
		}
		if m := s.Mean(); m < float64(s.Shortest())-1e-6 || m > float64(s.Longest())+1e-6 {
			t.Fatalf("mean %v of %s", m, s)
		}
	})
}
