package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gonum.org/v1/plot"

	"wsgate/bench/stats"
)

var update = flag.Bool("update", false, "write the drawings into testdata")

func sample(v ...float64) stats.Sample { return stats.Summarize(v) }

type drawing interface{ SVG() ([]byte, error) }

var drawings = map[string]drawing{
	"bars.svg": Bars{
		Title: "Weight <of fruit>", Note: "Median & spread", Panels: []Panel{
			{Title: "Whole", Note: "with the stone", Axis: "g a piece", Bars: []Bar{
				{"plum", Style{Hue: Blue}, sample(30, 31, 35)},
				{"peach", Style{Hue: Green}, sample(150, 180)},
				{"nectarine", Style{Hue: Green, Variant: true}, sample(140)},
				{"lost", Style{}, stats.Sample{}},
			}},
			{Title: "Stones", Axis: "g a piece", Bars: []Bar{{"plum", Style{Hue: Blue}, sample(0)}}},
			{Title: "Never weighed", Axis: "g", Bars: []Bar{{"plum", Style{Hue: Blue}, stats.Sample{}}}},
			{Title: "Skin", Axis: "g a piece", Bars: []Bar{{"plum", Style{Hue: Blue}, sample(0.5, 0.7)}}},
		},
	},
	"lines.svg": Lines{
		Title: "Growth", Note: "three of each",
		X: Axis{Title: "days", Log: true, Ticks: []Tick{{1, "1"}, {10, "10"}, {100, "100"}}},
		Y: Axis{Title: "mm"},
		Series: []Series{
			{"oak", Style{Hue: Blue}, []Point{{100, sample(40, 41, 44)}, {1, sample(1, 1.5, 2)}, {10, sample(9)}}},
			{"elm", Style{Hue: Orange}, []Point{{1, sample(1, 1.5, 2)}, {10, stats.Sample{}}, {100, sample(40, 40.5, 44)}}},
			{"ash", Style{Hue: Orange, Variant: true}, []Point{{1, sample(2)}, {100, sample(40.2)}}},
			{"fir", Style{}, nil},
		},
	},
	"log.svg": Lines{
		Title: "Delay", X: Axis{Title: "percentile", Ticks: []Tick{{0.3, "p50"}, {2, "p99"}}}, Y: Axis{Title: "us", Log: true},
		Series: []Series{{"a", Style{Hue: Purple}, []Point{{0.3, sample(70, 75)}, {2, sample(4000, 9000)}}}},
	},
}

func TestDrawings(t *testing.T) {
	for name, d := range drawings {
		got, err := d.SVG()
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if again, err := d.SVG(); err != nil || !bytes.Equal(got, again) {
					t.Errorf("%s: another drawing is not the same, %v", name, err)
				}
			})
		}
		all.Wait()
		wellFormed(t, name, got)
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is drawn otherwise; look at it, then go test -update", name)
		}
	}
}

func wellFormed(t *testing.T, name string, svg []byte) {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(svg))
	for {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"NaN", "Inf", "Never weighed", "lost", "fir<"} {
		if bytes.Contains(svg, []byte(bad)) {
			t.Errorf("%s: %q is drawn", name, bad)
		}
	}
}

func TestWhatCannotBeDrawn(t *testing.T) {
	bars := func(v stats.Sample) drawing {
		return Bars{Title: "x", Panels: []Panel{{Bars: []Bar{{Name: "y", Value: v}}}}}
	}
	line := func(log bool, p ...Point) drawing {
		return Lines{Title: "x", X: Axis{Log: log}, Y: Axis{Log: log}, Series: []Series{{Name: "y", Points: p}}}
	}
	for _, tt := range []struct {
		name  string
		d     drawing
		empty bool
	}{
		{"no panels", Bars{}, true},
		{"no value", bars(stats.Sample{}), true},
		{"NaN", bars(sample(math.NaN())), false},
		{"infinite", bars(sample(1, math.Inf(1))), false},
		{"a bar below zero", bars(sample(-1, 2)), false},
		{"no series", Lines{}, true},
		{"no points", line(false, Point{X: 1}, Point{X: 2}), true},
		{"one X", line(false, Point{1, sample(1)}, Point{1, sample(2)}), true},
		{"NaN in a line", line(false, Point{1, sample(1)}, Point{math.NaN(), sample(2)}), false},
		{"a point below zero", line(false, Point{1, sample(1)}, Point{2, sample(-2)}), false},
		{"zero on a logarithmic X", line(true, Point{0, sample(1)}, Point{2, sample(2)}), false},
		{"zero on a logarithmic Y", line(true, Point{1, sample(0)}, Point{2, sample(2)}), false},
	} {
		svg, err := tt.d.SVG()
		if err == nil || svg != nil || errors.Is(err, ErrEmpty) != tt.empty {
			t.Errorf("%s: %d bytes, %v", tt.name, len(svg), err)
		}
	}
}

func TestTicks(t *testing.T) {
	labels := func(ticks []plot.Tick) string {
		var b strings.Builder
		for _, tick := range ticks {
			b.WriteString(tick.Label + " ")
		}
		return strings.TrimSpace(b.String())
	}
	for _, tt := range []struct {
		high float64
		want string
	}{
		{0, "0.00 0.25 0.50 0.75 1.00"},
		{3, "0 1 2 3"},
		{10, "0.0 2.5 5.0 7.5 10.0"},
		{17863, "0 5,000 10,000 15,000 20,000"},
		{0.03, "0.00 0.01 0.02 0.03"},
		{800, "0 200 400 600 800"},
	} {
		if got := labels(linear(tt.high, 4)); got != tt.want {
			t.Errorf("to %v: %s", tt.high, got)
		}
	}
	for _, tt := range []struct {
		low, high float64
		want      string
	}{
		{57, 9000, "50 100 200 500 1,000 2,000 5,000 10,000"},
		{100, 100, "100 200"},
		{3, 4, "2 5"},
		{0.2, 0.4, "0.2 0.5"},
		{7, 2e6, "10   100   1,000   10,000   100,000   1,000,000"},
	} {
		ticks := logarithmic(tt.low, tt.high)
		if got := labels(ticks); got != tt.want || ticks[0].Value > tt.low || ticks[len(ticks)-1].Value < tt.high {
			t.Errorf("%v to %v: %q", tt.low, tt.high, got)
		}
	}
}
