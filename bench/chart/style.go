package chart

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"math"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"wsgate/bench/stats"
)

// ErrEmpty is a drawing without a single measured value.
var ErrEmpty = errors.New("nothing to draw")

// Hue is a color that the color-blind can tell from the others.
type Hue int

// The hues. Blue is for what a drawing is about, and has bold labels; Gray is
// for what is not in the contest.
const (
	Gray Hue = iota
	Blue
	Green
	Orange
	Purple
)

var hues = []color.NRGBA{
	Gray:   {0x6e, 0x77, 0x81, 0xff},
	Blue:   {0x00, 0x5f, 0xb8, 0xff},
	Green:  {0x00, 0x8a, 0x66, 0xff},
	Orange: {0xc7, 0x5b, 0x00, 0xff},
	Purple: {0x9a, 0x4d, 0x8f, 0xff},
}

// Style is how a bar or a line looks. The second of two with one hue is a
// Variant: a lighter bar, a dashed line.
type Style struct {
	Hue     Hue
	Variant bool
}

func (s Style) color() color.NRGBA { return hues[s.Hue] }

// fill is the color of a bar.
func (s Style) fill() color.NRGBA {
	c := s.color()
	if s.Variant {
		lighter := func(v uint8) uint8 { return v + (0xff-v)/2 }
		c.R, c.G, c.B = lighter(c.R), lighter(c.G), lighter(c.B)
	}
	return c
}

func (s Style) dashes() []vg.Length {
	if s.Variant {
		return []vg.Length{5, 3}
	}
	return nil
}

// Colors of what is not data.
var (
	paper  = color.NRGBA{0xff, 0xff, 0xff, 0xff}
	border = color.NRGBA{0xd0, 0xd7, 0xde, 0xff}
	grid   = color.NRGBA{0xe6, 0xea, 0xef, 0xff}
	ink    = color.NRGBA{0x1f, 0x23, 0x28, 0xff}
	faint  = color.NRGBA{0x59, 0x63, 0x6e, 0xff}
)

// Lengths in points.
const (
	width   = 600
	margin  = 16
	titleAt = 14
	labelAt = 9.5
	noteAt  = 8.5
	heading = 48 // title and note of a drawing

	centered = 1.3 // from the middle of a text's box to that of its digits
)

// words is a style of text at size points.
func words(size float64, c color.Color, bold bool) draw.TextStyle {
	f := font.Font{Typeface: plot.DefaultFont.Typeface, Variant: "Sans", Size: vg.Points(size)}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return draw.TextStyle{Color: c, Font: f, Handler: plot.DefaultTextHandler, YAlign: text.YBottom}
}

// page is a sheet with a title, and the part of it that is free below.
type page struct {
	svg  *vgsvg.Canvas
	free draw.Canvas
}

func newPage(title, note string, height vg.Length) page {
	svg := vgsvg.New(width, height)
	c := draw.New(svg)
	svg.SetColor(border)
	svg.Fill(rounded(0, 0, width, height, 8))
	svg.SetColor(paper)
	svg.Fill(rounded(0.75, 0.75, width-1.5, height-1.5, 7.25))
	c.FillText(words(titleAt, ink, true), vg.Point{X: margin, Y: height - 27}, title)
	c.FillText(words(noteAt, faint, false), vg.Point{X: margin, Y: height - 42}, note)
	return page{svg, draw.Crop(c, margin, -margin, margin-4, -heading)}
}

// rounded is a rectangle with rounded corners.
func rounded(x, y, w, h, r vg.Length) (p vg.Path) {
	p.Move(vg.Point{X: x + r, Y: y})
	p.Line(vg.Point{X: x + w - r, Y: y})
	p.Arc(vg.Point{X: x + w - r, Y: y + r}, r, -math.Pi/2, math.Pi/2)
	p.Line(vg.Point{X: x + w, Y: y + h - r})
	p.Arc(vg.Point{X: x + w - r, Y: y + h - r}, r, 0, math.Pi/2)
	p.Line(vg.Point{X: x + r, Y: y + h})
	p.Arc(vg.Point{X: x + r, Y: y + h - r}, r, math.Pi/2, math.Pi/2)
	p.Line(vg.Point{X: x, Y: y + r})
	p.Arc(vg.Point{X: x + r, Y: y + r}, r, math.Pi, math.Pi/2)
	p.Close()
	return p
}

// bytes is the finished drawing. The drawing is laid out for Liberation Sans;
// Arial and Helvetica have the same widths.
func (p page) bytes() ([]byte, error) {
	var b bytes.Buffer
	if _, err := p.svg.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("svg: %w", err)
	}
	return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), nil
}

// check refuses what cannot be drawn.
func check(what string, values ...float64) error {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s: %v cannot be drawn", what, v)
		}
	}
	return nil
}

// whisker draws the range from the smallest to the largest value of a sample
// that has more than one.
func whisker(c *draw.Canvas, s stats.Sample, clr color.Color, at func(v float64) vg.Point, across vg.Point) {
	if s.N < 2 {
		return
	}
	line := draw.LineStyle{Color: clr, Width: 0.9}
	low, high := at(s.Min), at(s.Max)
	c.StrokeLines(line, []vg.Point{low, high},
		[]vg.Point{low.Sub(across), low.Add(across)},
		[]vg.Point{high.Sub(across), high.Add(across)})
}

// styleAxis takes from a what distracts from the data.
func styleAxis(a *plot.Axis, title string) {
	a.Label.Text = title
	a.Label.TextStyle = words(noteAt, faint, false)
	a.Label.TextStyle.XAlign, a.Label.TextStyle.YAlign = text.XCenter, text.YBottom
	a.Label.Padding = 4
	a.LineStyle = draw.LineStyle{Color: border, Width: 0.75}
	a.Tick.LineStyle = draw.LineStyle{Color: border, Width: 0.75}
	a.Tick.Length = 3
	align := a.Tick.Label
	a.Tick.Label = words(labelAt, faint, false)
	a.Tick.Label.XAlign, a.Tick.Label.YAlign = align.XAlign, align.YAlign
	a.Padding = 2
}
