package chart

import (
	"cmp"
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"wsgate/bench/stats"
)

// Lines are series over one quantity, each with its name at its end.
type Lines struct {
	Title  string
	Note   string // below the title: how it was measured
	X, Y   Axis
	Series []Series
}

// Axis is what an axis shows.
type Axis struct {
	Title string // with the unit; a logarithmic axis adds that it is one
	Log   bool   // otherwise linear, Y from zero
	Ticks []Tick // of X, which reaches to the outermost; of Y they follow from the values
}

// Tick is a labelled value of an axis.
type Tick struct {
	Value float64
	Label string
}

// Series is one line. Points without a value are left out.
type Series struct {
	Name   string
	Style  Style
	Points []Point
}

// Point is a measurement at X.
type Point struct {
	X float64
	Y stats.Sample
}

const (
	linesHeight = 320
	endLabels   = 104 // beside the plot, for names
	dodge       = 2.4 // between series at the same X, so that whiskers do not hide each other
)

// SVG draws l.
func (l Lines) SVG() ([]byte, error) {
	series, err := l.measured()
	if err != nil {
		return nil, err
	}
	pl := plot.New()
	pl.BackgroundColor = color.Transparent
	styleAxis(&pl.X, l.X.title())
	styleAxis(&pl.Y, "") // its title stands above it, level
	points := func(yield func(Point) bool) {
		for _, s := range series {
			for _, p := range s.Points {
				if !yield(p) {
					return
				}
			}
		}
	}
	var xs, lows, highs []float64
	for p := range points {
		xs, lows, highs = append(xs, p.X), append(lows, p.Y.Min), append(highs, p.Y.Max)
	}
	if slices.Min(xs) == slices.Max(xs) {
		return nil, fmt.Errorf("%s: a line through one value of X: %w", l.Title, ErrEmpty)
	}
	var xticks []plot.Tick
	for _, t := range l.X.Ticks {
		xticks, xs = append(xticks, plot.Tick(t)), append(xs, t.Value)
	}
	pl.X.Min, pl.X.Max = slices.Min(xs), slices.Max(xs)
	pl.X.Tick.Marker = plot.ConstantTicks(xticks)
	if l.X.Log {
		pl.X.Scale = plot.LogScale{}
	}
	yticks := linear(slices.Max(highs), 5)
	if l.Y.Log {
		pl.Y.Scale = plot.LogScale{}
		yticks = logarithmic(slices.Min(lows), slices.Max(highs))
	}
	pl.Y.Min, pl.Y.Max = yticks[0].Value, yticks[len(yticks)-1].Value
	pl.Y.Tick.Marker = plot.ConstantTicks(yticks)
	pl.X.Padding, pl.Y.Padding = 4, 10
	pl.Add(linePlotter{series, yticks})

	sheet := newPage(l.Title, l.Note, linesHeight)
	sheet.free.FillText(words(noteAt, faint, false), vg.Point{X: sheet.free.Min.X, Y: sheet.free.Max.Y - 12}, l.Y.title())
	pl.Draw(draw.Crop(sheet.free, 0, -endLabels, 0, -20))
	return sheet.bytes()
}

func (a Axis) title() string {
	if a.Log {
		return a.Title + " (log scale)"
	}
	return a.Title
}

// measured returns the series with what was measured, in the order of X.
func (l Lines) measured() (series []Series, err error) {
	for _, s := range l.Series {
		var kept []Point
		for _, p := range s.Points {
			if p.Y.N == 0 {
				continue
			}
			if err := check(s.Name, p.X, p.Y.Min, p.Y.Median, p.Y.Max); err != nil {
				return nil, err
			}
			if p.Y.Min < 0 || l.Y.Log && p.Y.Min == 0 || l.X.Log && p.X <= 0 {
				return nil, fmt.Errorf("%s: a point at %v, %v cannot be drawn", s.Name, p.X, p.Y.Min)
			}
			kept = append(kept, p)
		}
		if len(kept) == 0 {
			continue
		}
		slices.SortStableFunc(kept, func(a, b Point) int { return cmp.Compare(a.X, b.X) })
		s.Points = kept
		series = append(series, s)
	}
	if len(series) == 0 {
		return nil, fmt.Errorf("%s: %w", l.Title, ErrEmpty)
	}
	return series, nil
}

// linePlotter draws series over a grid at ticks, the first series on top.
type linePlotter struct {
	series []Series
	ticks  []plot.Tick
}

// Plot implements plot.Plotter.
func (lp linePlotter) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, t := range lp.ticks {
		c.StrokeLine2(draw.LineStyle{Color: grid, Width: 0.75}, c.Min.X, y(t.Value), c.Max.X, y(t.Value))
	}
	var ends []vg.Point
	for i, s := range slices.Backward(lp.series) {
		shift := vg.Length(dodge * (float64(i) - float64(len(lp.series)-1)/2))
		at := func(px, v float64) vg.Point { return vg.Point{X: x(px) + shift, Y: y(v)} }
		var line []vg.Point
		for _, pt := range s.Points {
			line = append(line, at(pt.X, pt.Y.Median))
		}
		width := vg.Length(1.6)
		if s.Style.Hue == Blue {
			width = 2.4
		}
		c.StrokeLines(draw.LineStyle{Color: s.Style.color(), Width: width, Dashes: s.Style.dashes()}, line)
		for j, pt := range s.Points {
			whisker(&c, pt.Y, s.Style.color(), func(v float64) vg.Point { return at(pt.X, v) }, vg.Point{X: 2})
			c.DrawGlyphNoClip(draw.GlyphStyle{Color: s.Style.color(), Radius: 2.6, Shape: draw.CircleGlyph{}}, line[j])
		}
		ends = append(ends, line[len(line)-1])
	}
	slices.Reverse(ends)
	lp.names(c, ends)
}

// names writes every series' name beside its end, moved up or down where two
// would cover each other.
func (lp linePlotter) names(c draw.Canvas, ends []vg.Point) {
	const apart = 12.5
	order := make([]int, len(ends))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ends[a].Y, ends[b].Y) })
	ys := spaced(ends, order, apart, c.Min.Y, c.Max.Y)
	left := c.Max.X + dodge*vg.Length(len(ends))/2 + 14
	for k, i := range order {
		s := lp.series[i]
		c.StrokeLines(draw.LineStyle{Color: s.Style.color(), Width: 0.6}, []vg.Point{{X: ends[i].X + 3, Y: ends[i].Y}, {X: left - 2, Y: ys[k]}})
		label := words(labelAt, s.Style.color(), s.Style.Hue == Blue)
		label.YAlign = text.YCenter
		last := s.Points[len(s.Points)-1].Y
		c.FillText(label, vg.Point{X: left, Y: ys[k] + centered}, s.Name+" "+stats.Format(last.Median))
	}
}

// spaced places the ends, from below in order, at least apart from each other
// and within bottom and top as far as they fit.
func spaced(ends []vg.Point, order []int, apart, bottom, top vg.Length) []vg.Length {
	ys := make([]vg.Length, len(order))
	for k, i := range order {
		ys[k] = max(ends[i].Y, bottom+4)
		if k > 0 {
			ys[k] = max(ys[k], ys[k-1]+apart)
		}
	}
	for k := len(ys) - 1; k >= 0; k-- {
		limit := top
		if k+1 < len(ys) {
			limit = ys[k+1] - apart
		}
		ys[k] = min(ys[k], limit)
	}
	return ys
}
