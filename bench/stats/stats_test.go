package stats

import (
	"encoding/json"
	"math"
	"testing"
)

func TestSummarize(t *testing.T) {
	tests := []struct {
		in   []float64
		want Sample
	}{
		{nil, Sample{}},
		{[]float64{4}, Sample{1, 4, 4, 4}},
		{[]float64{9, 1, 5}, Sample{3, 5, 1, 9}},
		{[]float64{9, 1, 5, 6}, Sample{4, 5.5, 1, 9}},
		{[]float64{-2, -1}, Sample{2, -1.5, -2, -1}},
	}
	for _, tt := range tests {
		if got := Summarize(tt.in); got != tt.want {
			t.Errorf("%v: %+v, want %+v", tt.in, got, tt.want)
		}
	}
}

func TestSummarizeLeavesItsInput(t *testing.T) {
	in := []float64{3, 1, 2}
	Summarize(in)
	if in[0] != 3 {
		t.Fatal("values were sorted in place")
	}
}

func TestCompare(t *testing.T) {
	s := func(v ...float64) Sample { return Summarize(v) }
	tests := []struct {
		name         string
		ours, theirs Sample
		d            Direction
		want         Outcome
		ratio        float64
	}{
		{"clearly less", s(7, 7.1, 7.2), s(8.4, 8.5, 8.6), Lower, Win, 7.1 / 8.5},
		{"clearly more", s(8.4, 8.5, 8.6), s(7, 7.1, 7.2), Lower, Loss, 8.5 / 7.1},
		{"more is better", s(100, 101), s(90, 91), Higher, Win, 100.5 / 90.5},
		{"less where more is better", s(90, 91), s(100, 101), Higher, Loss, 90.5 / 100.5},
		{"our spread hides it", s(6, 7, 8), s(8, 8, 8), Lower, Undecided, 7.0 / 8},
		{"their spread hides it", s(7, 7, 7), s(6.9, 8, 9), Lower, Undecided, 7.0 / 8},
		{"as large as the difference", s(7, 8), s(8.5, 8.5), Lower, Undecided, 7.5 / 8.5},
		{"equal", s(7, 7), s(7, 7), Lower, Undecided, 1},
		{"one round each", s(1), s(100), Lower, Undecided, 0.01},
		{"one round of theirs", s(1, 1), s(100), Lower, Undecided, 0.01},
		{"nothing of theirs", s(1, 1), Sample{}, Lower, Undecided, 0},
	}
	for _, tt := range tests {
		v := Compare(tt.ours, tt.theirs, tt.d)
		if v.Outcome != tt.want || math.Abs(v.Ratio-tt.ratio) > 1e-9 || v.Why == "" {
			t.Errorf("%s: %+v, want %s, %v", tt.name, v, tt.want, tt.ratio)
		}
	}
}

func TestBest(t *testing.T) {
	samples := []Sample{Summarize([]float64{5, 5}), {}, Summarize([]float64{3, 4}), Summarize([]float64{9})}
	if i := Best(samples, Lower); i != 2 {
		t.Errorf("lowest is %d", i)
	}
	if i := Best(samples, Higher); i != 3 {
		t.Errorf("highest is %d", i)
	}
	if i := Best([]Sample{{}}, Lower); i != -1 {
		t.Errorf("best of nothing is %d", i)
	}
}

func TestFormat(t *testing.T) {
	tests := map[float64]string{
		0: "0", 0.0421: "0.042", 0.9996: "1.00", 1.234: "1.23", 9.996: "10.0", 12.34: "12.3", 99.96: "100",
		123.4: "123", 1234: "1,234", 999999: "999,999", 1234567: "1,234,567", -1234: "-1,234", -7.5: "-7.50",
	}
	for in, want := range tests {
		if got := Format(in); got != want {
			t.Errorf("%v: %q, want %q", in, got, want)
		}
	}
}

func TestSampleJSON(t *testing.T) {
	for _, s := range []Sample{{}, Summarize([]float64{1, 2, 6})} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Sample
		if err := json.Unmarshal(b, &back); err != nil || back != s {
			t.Errorf("%s: %+v, %v", b, back, err)
		}
	}
}
