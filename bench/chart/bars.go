package chart

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"wsgate/bench/stats"
)

// Bars are panels of horizontal bars, two beside each other.
type Bars struct {
	Title  string
	Note   string // below the title: how it was measured
	Same   bool   // one scale for all panels
	Panels []Panel
}

// Panel is one quantity.
type Panel struct {
	Title string
	Note  string // below the title
	Axis  string // what the axis counts, with its unit
	Bars  []Bar
}

// Bar is one value, its median labelled. The zero Value is left out.
type Bar struct {
	Name  string
	Style Style
	Value stats.Sample
}

// Heights in points.
const (
	barRow     = 21
	panelTitle = 34
	panelAxis  = 32
	panelGap   = 14
)

// SVG draws b. Panels without a value are left out.
func (b Bars) SVG() ([]byte, error) {
	panels, err := b.measured()
	if err != nil {
		return nil, err
	}
	var rows []vg.Length // heights
	for i, p := range panels {
		if i%2 == 0 {
			rows = append(rows, 0)
		}
		h := vg.Length(panelTitle + panelAxis + barRow*len(p.Bars))
		rows[i/2] = max(rows[i/2], h)
	}
	height := vg.Length(heading + margin - 4 + panelGap*(len(rows)-1))
	for _, h := range rows {
		height += h
	}
	var high float64
	for _, p := range panels {
		high = max(high, p.high())
	}
	sheet := newPage(b.Title, b.Note, height)
	top := sheet.free.Max.Y
	half := (sheet.free.Max.X - sheet.free.Min.X - 2*panelGap) / 2
	for i, p := range panels {
		c := sheet.free
		if i%2 == 0 && len(panels) > 1 {
			c.Max.X = c.Min.X + half
		} else if len(panels) > 1 {
			c.Min.X = c.Max.X - half
		}
		c.Max.Y, c.Min.Y = top, top-vg.Length(panelTitle+panelAxis+barRow*len(p.Bars))
		if i%2 == 1 {
			top -= rows[i/2] + panelGap
		}
		scale := high
		if !b.Same {
			scale = p.high()
		}
		p.draw(c, scale)
	}
	return sheet.bytes()
}

// measured returns the panels with what was measured.
func (b Bars) measured() (panels []Panel, err error) {
	for _, p := range b.Panels {
		var kept []Bar
		for _, bar := range p.Bars {
			if bar.Value.N == 0 {
				continue
			}
			if err := check(bar.Name, bar.Value.Min, bar.Value.Median, bar.Value.Max); err != nil {
				return nil, err
			}
			if bar.Value.Min < 0 {
				return nil, fmt.Errorf("%s: a bar of %v cannot be drawn", bar.Name, bar.Value.Min)
			}
			kept = append(kept, bar)
		}
		if p.Bars = kept; len(kept) > 0 {
			panels = append(panels, p)
		}
	}
	if len(panels) == 0 {
		return nil, fmt.Errorf("%s: %w", b.Title, ErrEmpty)
	}
	return panels, nil
}

func (p Panel) high() (high float64) {
	for _, b := range p.Bars {
		high = max(high, b.Value.Max)
	}
	return high
}

// draw draws p on c with a scale from zero to high and more.
func (p Panel) draw(c draw.Canvas, high float64) {
	c.FillText(words(labelAt, ink, true), vg.Point{X: c.Min.X, Y: c.Max.Y - 14}, p.Title)
	c.FillText(words(noteAt-0.5, faint, false), vg.Point{X: c.Min.X, Y: c.Max.Y - 26}, p.Note)
	pl := plot.New()
	pl.BackgroundColor = color.Transparent
	styleAxis(&pl.X, p.Axis)
	styleAxis(&pl.Y, "")
	ticks := linear(high, 4)
	pl.X.Min, pl.X.Max = 0, ticks[len(ticks)-1].Value
	pl.X.Tick.Marker = plot.ConstantTicks(ticks)
	var names []plot.Tick
	for i, b := range p.Bars {
		names = append(names, plot.Tick{Value: float64(len(p.Bars) - 1 - i), Label: b.Name})
	}
	pl.Y.Min, pl.Y.Max = -0.5, float64(len(p.Bars))-0.5
	pl.Y.Tick.Marker = plot.ConstantTicks(names)
	pl.Y.Tick.Length, pl.Y.Padding, pl.X.Padding = 0, 0, 0
	pl.Y.Tick.Label.Color = ink
	pl.Add(barPlotter{p.Bars, ticks})
	const labels = 40 // beside the longest bar
	pl.Draw(draw.Crop(c, 0, -labels, 0, -panelTitle))
}

// barPlotter draws bars over a grid at ticks.
type barPlotter struct {
	bars  []Bar
	ticks []plot.Tick
}

// Plot implements plot.Plotter.
func (bp barPlotter) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, t := range bp.ticks[1:] {
		c.StrokeLine2(draw.LineStyle{Color: grid, Width: 0.75}, x(t.Value), c.Min.Y, x(t.Value), c.Max.Y)
	}
	for i, b := range bp.bars {
		mid := y(float64(len(bp.bars) - 1 - i))
		const half = 6.5
		c.FillPolygon(b.Style.fill(), []vg.Point{{X: x(0), Y: mid - half}, {X: x(b.Value.Median), Y: mid - half}, {X: x(b.Value.Median), Y: mid + half}, {X: x(0), Y: mid + half}})
		whisker(&c, b.Value, ink, func(v float64) vg.Point { return vg.Point{X: x(v), Y: mid} }, vg.Point{Y: 3})
		label := words(labelAt, ink, b.Style.Hue == Blue)
		label.YAlign = text.YCenter
		c.FillText(label, vg.Point{X: x(b.Value.Max) + 5, Y: mid + centered}, stats.Format(b.Value.Median))
	}
}
