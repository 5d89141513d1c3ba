package load

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
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
	Trickle  float64 `json:"trickle_rate,omitempty"`
	Size     int     `json:"size_bytes"` // the mean, rounded, of Sizes

	Sizes *SizesReport `json:"sizes,omitempty"` // with sizes from a file

	Opened      int64   `json:"opened"`       // connections that were upgraded
	OpenSeconds float64 `json:"open_seconds"` // until all were, in modes that open first
	Closed      int64   `json:"closed"`       // connections that ended with a Close both ways
	Answered    int64   `json:"answered"`     // right messages received, all phases

	Seconds   float64 `json:"seconds"` // measured time
	Unit      string  `json:"unit"`    // what Units counts: "message", "cycle", "connection", "delivery" or "reconnect"
	Units     int64   `json:"units"`   // completed in the measured time
	PerSecond float64 `json:"units_per_second"`
	Bytes     int64   `json:"payload_bytes"` // of the units

	LatencyOf string  `json:"latency_of"`
	Latency   Summary `json:"latency"`
	Upgrade   Summary `json:"upgrade"` // from connect() to the verified 101; a TLS handshake is in it

	TLS *TLSReport `json:"tls,omitempty"` // of a wss target

	Held   *Summary      `json:"held,omitempty"` // in idle, the trickle: message due to echo received
	Fanout *FanoutReport `json:"fanout,omitempty"`
	Storm  *StormReport  `json:"storm,omitempty"`

	Faults      map[string]int64 `json:"faults,omitempty"`
	Examples    []string         `json:"fault_examples,omitempty"` // the first few, in words
	Interrupted bool             `json:"interrupted,omitempty"`

	CPUSeconds float64 `json:"kit_cpu_seconds"` // this process, user and system, in the measured time

	latency *hdrhistogram.Histogram // of Latency; nil in a report that was read
}

// WriteHistogram writes the whole distribution of Latency, in microseconds, as
// the text of HdrHistogram (.hgrm) that its plotters read. It holds that r comes
// from Run.
func (r *Report) WriteHistogram(w io.Writer) error {
	const stepsToHalf = 5 // what HdrHistogram's own tools write
	_, err := r.latency.PercentilesPrint(w, stepsToHalf, 1e3)
	return err
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
	payload := fmt.Sprintf("%d byte payload", r.Size)
	if s := r.Sizes; s != nil {
		payload = fmt.Sprintf("payloads of %d to %d bytes, %.0f in the mean, from %s", s.Shortest, s.Longest, s.Mean, s.File)
	}
	line("target", "%s, %s, %d connections, %s", r.URL, r.Mode, r.Conns, payload)
	line("opened", "%d in %.2f s, %d closed cleanly", r.Opened, r.OpenSeconds, r.Closed)
	line("measured", "%s in %.2f s: %.0f/s, %.1f MB/s", Count(r.Units, r.Unit), r.Seconds, r.PerSecond, float64(r.Bytes)/1e6/max(r.Seconds, 1e-9))
	summary := func(name string, s Summary, of string) {
		if s.Count > 0 {
			line(name, "p50 %.0f  p90 %.0f  p99 %.0f  p99.9 %.0f  max %.0f us (%s)", s.P50, s.P90, s.P99, s.P999, s.Max, of)
		}
	}
	r.writeMode(line, summary)
	summary("latency", r.Latency, r.LatencyOf)
	summary("upgrade", r.Upgrade, "connect to 101")
	if r.TLS != nil {
		line("tls", "%v", r.TLS)
		summary("handshake", r.TLS.Handshake, "ClientHello to Finished")
	}
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

// writeMode writes what one mode alone reports.
func (r *Report) writeMode(line func(name, format string, args ...any), summary func(name string, s Summary, of string)) {
	if r.Held != nil {
		summary("held", *r.Held, fmt.Sprintf("message due to echo, %g/s", r.Trickle))
	}
	if f := r.Fanout; f != nil {
		line("fan-out", "%d messages to all members, rooms: %d of %d", f.First.Count, f.Rooms, f.Members)
		summary("first", f.First, "to the first receiver")
		summary("median", f.Median, "to the median receiver")
		summary("last", f.Last, "to the last receiver")
	}
	if s := r.Storm; s != nil {
		var back []string
		for _, t := range s.Seconds {
			back = append(back, fmt.Sprintf("%.3f", t))
		}
		line("all back", "after %s s", cmp.Or(strings.Join(back, ", "), "-"))
		line("attempts", "%d to connect", s.Attempts)
		for _, name := range slices.Sorted(maps.Keys(s.Errors)) {
			line("on the way", "%s: %d", name, s.Errors[name])
		}
	}
}

// Count is n units in words, as in "3 deliveries".
func Count(n int64, unit string) string {
	if stem, ok := strings.CutSuffix(unit, "y"); ok {
		unit = stem + "ie"
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
