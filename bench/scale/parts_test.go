package scale

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Lines as Go 1.21 to 1.26 print them, recorded.
func TestParseTrace(t *testing.T) {
	for line, want := range map[string]trace{
		"gc 1 @0.012s 2%: 0.018+1.3+0.076 ms clock, 0.036+0.22/1.1/0.31+0.15 ms cpu, 4->4->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P":                   {1, [3]float64{0.018, 1.3, 0.076}, 1, false},
		"gc 7 @182.414s 0%: 1.3+9.5+0.086 ms clock, 2.6+0/16/4.0+0.17 ms cpu, 6->6->6 MB, 8 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)":                 {7, [3]float64{1.3, 9.5, 0.086}, 6, true},
		"gc 12 @99.1s 1%: 0.1+1234+0.02 ms clock, 0.2+0/2000/0+0.04 ms cpu, 250->251->249 MB, 400 MB goal, 64 P (forced)\r\n":                                 {12, [3]float64{0.1, 1234, 0.02}, 249, true},
		"2026/11/25 17:42 cut ofgc 3 @1.5s 0%: 0.1+0.2+0.3 ms clock, 0.1+0/0.2/0+0.3 ms cpu, 1->1->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)":  {},
		"2026/11/25 17:42 cut of gc 3 @1.5s 0%: 0.1+0.2+0.3 ms clock, 0.1+0/0.2/0+0.3 ms cpu, 1->1->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)": {3, [3]float64{0.1, 0.2, 0.3}, 1, true},
		"gc 7 @182.414s 0%: 1.3+9.5+0.086 ms clock, 2.6+0/16/4.0+0.17 ms cpu, 6->6->6 MB, 8 MB goal, 0 MB stacks, 0 MB globals":                               {},
		"gc 7 @182.414s 0%: 1.3+9.5 ms clock, 2.6+0/16/4.0+0.17 ms cpu, 6->6->6 MB, 8 MB goal, 2 P":                                                           {},
		"gc 99999999999999999999 @1s 0%: 1+1+1 ms clock, 1+1/1/1+1 ms cpu, 6->6->6 MB, 8 MB goal, 2 P":                                                        {},
		"gc 7 @1s 0%: 1.2.3+1+1 ms clock, 1+1/1/1+1 ms cpu, 6->6->6 MB, 8 MB goal, 2 P":                                                                       {},
		"scvg: 0 MB released": {},
		"":                    {},
	} {
		if got, ok := parseTrace(line); got != want && ok || ok != (want.number != 0) {
			t.Errorf("%q: %+v, %v", line, got, ok)
		}
	}
	c := trace{clock: [3]float64{1.5, 8, 0.5}, live: 6}.collection()
	if c != (Collection{Seconds: 0.01, PausesUS: [2]float64{1500, 500}, LiveMB: 6}) {
		t.Errorf("%+v", c)
	}
}

func TestFit(t *testing.T) {
	pairs := []int{1000, 2000, 4000, 8000}
	for _, tt := range []struct {
		name   string
		bytes  []int64
		slope  float64
		fixed  float64
		ratio  float64
		linear bool
	}{
		{"through zero", []int64{400e3, 800e3, 1600e3, 3200e3}, 400, 0, 1, true},
		{"something fixed", []int64{1400e3, 1800e3, 2600e3, 4200e3}, 400, 1e6, 0.375, true},
		{"a pair costs more and more", []int64{1e6, 4e6, 16e6, 64e6}, 9260.87, 0, 8, false},
		{"nothing", []int64{0, 0, 0, 0}, 0, 0, 0, true},
	} {
		f := fit(pairs, tt.bytes)
		if math.Abs(f.BytesPair-tt.slope) > 0.1 || math.Abs(f.Ratio-tt.ratio) > 1e-9 || f.Linear != tt.linear {
			t.Errorf("%s: %+v", tt.name, f)
		}
		if tt.linear && math.Abs(f.FixedBytes-tt.fixed) > 1 {
			t.Errorf("%s: %+v", tt.name, f)
		}
	}
}

func TestDescriptors(t *testing.T) {
	for limit, want := range map[uint64]int{20000: 9840, 1024: 352, 0: 0, math.MaxUint64: 536870752} {
		if got := Fits(limit); got != want {
			t.Errorf("limit %d: %d pairs", limit, got)
		}
	}
	for _, pairs := range []int{16, 9840, 1_000_000} {
		if got := Fits(uint64(Descriptors(pairs))); got != pairs {
			t.Errorf("%d pairs: %d", pairs, got)
		}
	}
}

func TestOptions(t *testing.T) {
	for says, o := range map[string]Options{
		"pairs: 15 is not":      {Pairs: 15},
		"pairs: 1000001 is not": {Pairs: 1_000_001},
		"durations":             {Pairs: 16, Quiet: -1},
	} {
		o.defaults()
		if err := o.validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func sample() *Result {
	r := &Result{Settings: Settings{Pairs: 8000}}
	for _, n := range []int{1000, 2000, 4000, 8000} {
		r.Stages = append(r.Stages, Stage{Pairs: n, Added: n / 2, OpenSeconds: 2, OpenRate: float64(n) / 4, UserBytes: int64(n) * 400, UserBytesPair: 400, KernelBytes: int64(n) * 16000, KernelBytesPair: 16000})
	}
	r.End = End{Answered: 8000, Closed: 8000}
	return r
}

func TestMarkdown(t *testing.T) {
	r := sample()
	r.judge(true)
	md := r.Markdown()
	for _, want := range []string{
		"# 8,000 idle WebSocket pairs",
		"| 8,000 | 400 | 16,000 | 2.0 for 4,000 | 2,000 |",
		"user memory: linear: 400 bytes a pair",
		"kernel memory: linear: 16,000 bytes a pair",
		"8,000 of 8,000 connections have echoed",
	} {
		if !strings.Contains(md, want) {
			t.Errorf("no %q in\n%s", want, md)
		}
	}
	if r.Failed() {
		t.Error("failed")
	}
	r.VM = &VM{QEMU: "QEMU emulator version 7.2"}
	r.End = End{Answered: 7999, Faults: map[string]int64{"lost": 1}, Examples: []string{"lost: connection 5"}}
	r.Kernel = nil
	r.CheckClock(1.9)
	r.Seconds = 105
	r.CheckClock(100)
	r.CheckClock(80)
	md = r.Markdown()
	for _, want := range []string{"emulated by QEMU emulator version 7.2", "**fault**, lost: 1", "- lost: connection 5", "| 400 | unknown |", "counted 105.0 s in 80.0 s: its times are wrong by 31 %"} {
		if !strings.Contains(md, want) {
			t.Errorf("no %q in\n%s", want, md)
		}
	}
	if len(r.Notes) != 1 || !r.Failed() {
		t.Errorf("%q, failed %v", r.Notes, r.Failed())
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	r := sample()
	r.judge(false)
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "scale.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got Result
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "scale.md"))
	if err != nil || got.Markdown() != string(page) || len(got.Stages) != 4 || got.Kernel != nil {
		t.Errorf("%v, %+v", err, got)
	}
}
