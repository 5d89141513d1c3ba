package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"wsgate/bench/account"
	"wsgate/bench/chart"
	"wsgate/bench/load"
	"wsgate/bench/stats"
)

// Scale is a run of many idle sessions through one gateway, as scale.json
// holds it: what the report needs of it.
type Scale struct {
	Time    time.Time       `json:"time"`
	Machine account.Machine `json:"machine"`
	VM      *struct {
		QEMU string `json:"qemu"`
	} `json:"virtual_machine"` // nil: measured on the machine itself
	Stages []Stage `json:"stages"`
	End    struct {
		Answered int64 `json:"answered"` // sessions that still echoed
	} `json:"end"`
}

// Stage is one number of sessions, all held at a time.
type Stage struct {
	Pairs  int          `json:"pairs"`
	Open   float64      `json:"open_seconds"` // those that the stage before had not
	User   float64      `json:"user_bytes_pair"`
	Kernel float64      `json:"kernel_bytes_pair"` // 0: it could not be read
	Echo   load.Summary `json:"echo"`              // while they are open
	GC     struct {
		Seconds float64    `json:"seconds"`
		Pauses  [2]float64 `json:"pauses_us"`
	} `json:"collection"`
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
		Note:  "A level line is memory that grows with the sessions and no faster.",
		X:     chart.Axis{Title: "sessions", Ticks: []chart.Tick{{Value: 0, Label: "0"}}},
		Y:     chart.Axis{Title: "bytes a session"},
	}
	if r.Scale == nil || len(r.Scale.Stages) < 2 {
		return l
	}
	l.Note += " " + r.Scale.place() + "."
	one := func(v float64) stats.Sample {
		if v <= 0 {
			return stats.Sample{} // not read, or as with bars
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

// place is when and on what s was measured.
func (s *Scale) place() string {
	where := "kernel " + s.Machine.Kernel
	if s.VM != nil {
		where += " in a virtual machine of QEMU"
	}
	return s.Time.Format(time.DateOnly) + ", " + where
}

// table writes a row for each stage, and how it ended.
func (s *Scale) table(line func(string, ...any)) {
	last := s.Stages[len(s.Stages)-1]
	line("Idle sessions by the ten thousand through one wsgate process (%s). %s of %s answered at the end.", s.place(), count(int(s.End.Answered)), count(last.Pairs))
	line("")
	line("| sessions | user memory a session | kernel memory a session | opened those added | echo p50 | echo p99 | garbage collection | its pauses |")
	line("|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, st := range s.Stages {
		kernel := ""
		if st.Kernel != 0 {
			kernel = amount("", st.Kernel)
		}
		line("| %s | %s | %s | %s | %s | %s | %s | %s, %s |", count(st.Pairs), amount("", st.User), kernel, amount("open_seconds", st.Open),
			amount("p50_us", st.Echo.P50), amount("p99_us", st.Echo.P99), amount("gc_us", st.GC.Seconds*1e6), amount("gc_us", st.GC.Pauses[0]), amount("gc_us", st.GC.Pauses[1]))
	}
}
