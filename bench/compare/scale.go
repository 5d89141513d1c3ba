package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"wsgate/bench/chart"
	"wsgate/bench/stats"
)

// Scale is a run of many idle sessions through one gateway, as scale.json
// holds it: what the report needs of it.
type Scale struct {
	Stages []Stage `json:"stages"`
}

// Stage is one number of sessions, all held at a time.
type Stage struct {
	Pairs  int     `json:"pairs"`
	User   float64 `json:"user_bytes_pair"`
	Kernel float64 `json:"kernel_bytes_pair"`
	Open   float64 `json:"open_seconds"` // since the stage before
}

// readScale reads scale.json. Without the file there is no Scale.
func readScale(path string) (*Scale, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var s Scale
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &s, nil
}

func scaleChart(r *Results) drawing {
	l := chart.Lines{
		Title: "Memory of an idle session, by the number of sessions",
		Note:  "One wsgate process. A level line is memory that grows with the sessions and no faster.",
		X:     chart.Axis{Title: "sessions", Ticks: []chart.Tick{{Value: 0, Label: "0"}}},
		Y:     chart.Axis{Title: "bytes a session"},
	}
	if r.Scale == nil || len(r.Scale.Stages) < 2 {
		return l
	}
	one := func(v float64) stats.Sample {
		if v < 0 {
			return stats.Sample{} // as with bars
		}
		return stats.Summarize([]float64{v})
	}
	user := chart.Series{Name: "user", Style: chart.Style{Hue: chart.Blue}}
	kernel := chart.Series{Name: "kernel", Style: chart.Style{Hue: chart.Gray}}
	for _, s := range r.Scale.Stages {
		x := float64(s.Pairs)
		l.X.Ticks = append(l.X.Ticks, chart.Tick{Value: x, Label: count(s.Pairs)})
		user.Points = append(user.Points, chart.Point{X: x, Y: one(s.User)})
		kernel.Points = append(kernel.Points, chart.Point{X: x, Y: one(s.Kernel)})
	}
	l.Series = []chart.Series{user, kernel}
	return l
}

// scaleTable writes a row for each stage.
func (s *Scale) table(line func(string, ...any)) {
	line("| sessions | user memory a session, bytes | kernel memory a session, bytes | s to open |")
	line("|---:|---:|---:|---:|")
	for _, st := range s.Stages {
		line("| %s | %s | %s | %s |", count(st.Pairs), stats.Format(st.User), stats.Format(st.Kernel), stats.Format(st.Open))
	}
}
