package metrics

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"wsgate/cmd/wsgate/internal/certs"
	"wsgate/eventloop/record"
)

const (
	// snapshotTimeout is how long the loops have to answer. A healthy one does
	// so within a turn.
	snapshotTimeout = 2 * time.Second
	// maxScrapes bounds the scrapes that run at a time; others get 503.
	maxScrapes = 4
)

// Source is what the metrics are about. Its methods are called on the
// goroutines of the scrapes, several at a time.
type Source interface {
	// Snapshot returns the counters of the whole gateway, which become the
	// caller's, or fails when ctx is done before a loop has answered.
	Snapshot(ctx context.Context) (*record.Counters, error)
	// Loops returns the number of event loops.
	Loops() int
	// LogWriteErrors returns how many writes of the access log have failed.
	LogWriteErrors() uint64
}

// Options of Metrics.
type Options struct {
	Source  Source // must be set
	Version string // of wsgate, for wsgate_build_info
	// Certificates returns what is known of the listeners' certificates; nil
	// without any. It is called as the methods of Source are.
	Certificates func() certs.Status
	// Logf writes one line to the operator's log when a scrape failed; nil
	// writes none. It must be safe for concurrent use.
	Logf func(format string, args ...any)
}

// Metrics is a registry and what collects for it. It holds no goroutine and
// nothing to close, and is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	logf     func(format string, args ...any)
}

// New returns the metrics of a gateway. It panics when a metric is malformed,
// which does not depend on o.
func New(o Options) *Metrics {
	return newMetrics(o, snapshotTimeout)
}

func newMetrics(o Options, timeout time.Duration) *Metrics {
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "wsgate_build_info",
		Help:        "The value is 1; the labels name the version of wsgate and of Go.",
		ConstLabels: prometheus.Labels{"version": valid(o.Version), "goversion": runtime.Version()},
	})
	info.Set(1)
	m := &Metrics{registry: prometheus.NewRegistry(), logf: o.Logf}
	if o.Certificates != nil {
		m.registry.MustRegister(newCertificates(o.Certificates))
	}
	m.registry.MustRegister(
		newCollector(o.Source, timeout, o.Logf),
		info,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Handler answers GET with all metrics in the format that the request asks
// for. Collectors that fail are left out, and 500 is the answer when all did.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            errorLog(m.logf),
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            m.registry,
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
	})
}

// errorLog is an operator's log as promhttp takes it.
type errorLog func(format string, args ...any)

// Println implements promhttp.Logger.
func (l errorLog) Println(v ...any) { l("metrics: %s", fmt.Sprint(v...)) }
