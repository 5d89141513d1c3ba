package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Summary is a histogram in a few numbers: microseconds, but for Count.
type Summary struct {
	Count int64   `json:"count"`
	Min   float64 `json:"min_us"`
	Mean  float64 `json:"mean_us"`
	P50   float64 `json:"p50_us"`
	P90   float64 `json:"p90_us"`
	P99   float64 `json:"p99_us"`
	P999  float64 `json:"p999_us"`
	Max   float64 `json:"max_us"`
}

// highest is the longest latency a histogram holds; longer ones count as it.
const highest = int64(time.Minute)

// newHistogram holds nanoseconds with three significant digits: 200 KiB.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, highest, 3) }

func record(h *hdrhistogram.Histogram, ns int64) {
	_ = h.RecordValue(min(max(ns, 1), highest))
}

func summarize(h *hdrhistogram.Histogram) Summary {
	if h.TotalCount() == 0 {
		return Summary{}
	}
	q := h.ValueAtPercentilesSlice([]float64{50, 90, 99, 99.9})
	us := func(ns int64) float64 { return float64(ns) / 1e3 }
	return Summary{
		Count: h.TotalCount(), Min: us(h.Min()), Mean: h.Mean() / 1e3,
		P50: us(q[0]), P90: us(q[1]), P99: us(q[2]), P999: us(q[3]), Max: us(h.Max()),
	}
}

// Report is what a run found.
type Report struct {
	Mode     Mode    `json:"mode"`
	URL      string  `json:"url"`
	Conns    int     `json:"connections"`
	InFlight int     `json:"in_flight,omitempty"`
	Rate     float64 `json:"rate,omitempty"`
	Size     int     `json:"size_bytes"`

	Opened      int64   `json:"opened"`       // connections that were upgraded
	OpenSeconds float64 `json:"open_seconds"` // until all were, in modes that open first
	Closed      int64   `json:"closed"`       // connections that ended with a Close both ways
	Answered    int64   `json:"answered"`     // right messages received, all phases

	Seconds   float64 `json:"seconds"` // measured time
	Unit      string  `json:"unit"`    // what Units counts: "message", "cycle" or "connection"
	Units     int64   `json:"units"`   // completed in the measured time
	PerSecond float64 `json:"units_per_second"`
	Bytes     int64   `json:"payload_bytes"` // of the units

	LatencyOf string  `json:"latency_of"`
	Latency   Summary `json:"latency"`
	Upgrade   Summary `json:"upgrade"` // from connect() to the verified 101

	Faults      map[string]int64 `json:"faults,omitempty"`
	Examples    []string         `json:"fault_examples,omitempty"` // the first few, in words
	Interrupted bool             `json:"interrupted,omitempty"`

	CPUSeconds float64 `json:"kit_cpu_seconds"` // this process, user and system, in the measured time
}

// FaultCount is the number of faults of all kinds.
func (r *Report) FaultCount() (n int64) {
	for _, v := range r.Faults {
		n += v
	}
	return n
}

// Err is nil for a run without faults.
func (r *Report) Err() error {
	if r.FaultCount() == 0 {
		return nil
	}
	return fmt.Errorf("%d faults: %v", r.FaultCount(), r.Faults)
}

// WriteText writes r for people.
func (r *Report) WriteText(w io.Writer) error {
	var err error
	line := func(name, format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
		}
	}
	line("target", "%s, %s, %d connections, %d byte payload", r.URL, r.Mode, r.Conns, r.Size)
	line("opened", "%d in %.2f s, %d closed cleanly", r.Opened, r.OpenSeconds, r.Closed)
	line("measured", "%d %ss in %.2f s: %.0f/s, %.1f MB/s", r.Units, r.Unit, r.Seconds, r.PerSecond, float64(r.Bytes)/1e6/max(r.Seconds, 1e-9))
	summary := func(name string, s Summary, of string) {
		if s.Count > 0 {
			line(name, "p50 %.0f  p90 %.0f  p99 %.0f  p99.9 %.0f  max %.0f us (%s)", s.P50, s.P90, s.P99, s.P999, s.Max, of)
		}
	}
	summary("latency", r.Latency, r.LatencyOf)
	summary("upgrade", r.Upgrade, "connect to 101")
	if r.Units > 0 {
		line("kit CPU", "%.2f us a %s", r.CPUSeconds*1e6/float64(r.Units), r.Unit)
	}
	if r.Interrupted {
		line("interrupted", "before its time was over")
	}
	if len(r.Faults) == 0 {
		line("faults", "none")
	}
	for _, k := range slices.Sorted(maps.Keys(r.Faults)) {
		line("FAULT", "%s: %d", k, r.Faults[k])
	}
	for _, e := range r.Examples {
		line("", "%s", e)
	}
	return err
}
