package demo

import (
	"testing"
	"time"
)

func TestClean(t *testing.T) {
	for _, c := range []struct {
		in, text, name string
		ok             bool
	}{
		{"", "", "", false},
		{"  \t\n ", "", "", false},
		{"a", "a", "a", true},
		{" a  b\r\nc ", "a  b  c", "a b c", true},
		{"a\x00b\x1bc\x7f", "a b c", "a b c", true},
		{"\u202ea\u2066b\u200f", "ab", "ab", true},
		{"\u202e\u2069", "", "", false},
		{"\u200b\u200d", "\u200b\u200d", "\u200b\u200d", false},
		{"a\u2028b", "a b", "a b", true},
		{"👩‍💻 né <b>", "👩‍💻 né <b>", "👩‍💻 né <", true},
	} {
		if got, ok := cleanText(c.in); got != c.text || ok != c.ok {
			t.Errorf("cleanText(%q) = %q, %v", c.in, got, ok)
		}
		if got, ok := cleanName(c.in, 8); got != c.name || ok != c.ok {
			t.Errorf("cleanName(%q) = %q, %v", c.in, got, ok)
		}
	}
}

func TestBucket(t *testing.T) {
	now := time.Unix(1000, 0)
	b := newBucket(limits{burst: 2, rate: 4}, now)
	for i, step := range []struct {
		after time.Duration
		ok    bool
	}{
		{0, true},
		{0, true},
		{0, false},
		{200 * time.Millisecond, false},
		{50 * time.Millisecond, true}, // the quarter of a second is full
		{0, false},
		{-time.Hour, false},
		{250 * time.Millisecond, true},
		{time.Hour, true}, // no more than the burst has gathered
		{0, true},
		{0, false},
	} {
		now = now.Add(step.after)
		if got := b.take(now); got != step.ok {
			t.Fatalf("step %d: %v, want %v", i, got, step.ok)
		}
	}
}
