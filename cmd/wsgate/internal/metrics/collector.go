package metrics

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wsgate/eventloop/record"
)

// scalar is a metric with one sample, or with one for each of two fixed label
// values.
type scalar struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	label string // value of the only label, "" for none
	value func(*record.Counters) float64
}

// collector turns snapshots into samples. It is immutable but for the count of
// errors.
type collector struct {
	source  Source
	timeout time.Duration
	logf    func(format string, args ...any)
	errors  atomic.Uint64

	scalars []scalar

	open       *prometheus.Desc
	upgrades   *prometheus.Desc
	ends       *prometheus.Desc
	violations *prometheus.Desc
	http2      *prometheus.Desc
	refusals   *prometheus.Desc
	retries    *prometheus.Desc
	handshakes *prometheus.Desc
	tlsErrors  *prometheus.Desc
	upgrade    *prometheus.Desc
	turn       *prometheus.Desc

	// Known without a snapshot.
	loops          *prometheus.Desc
	logWriteErrors *prometheus.Desc
	scrapeErrors   *prometheus.Desc
}

// desc names a metric of the gateway.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("wsgate_"+name, help, labels, nil)
}

func newCollector(s Source, timeout time.Duration, logf func(string, ...any)) *collector {
	return &collector{
		source:  s,
		timeout: timeout,
		logf:    logf,
		scalars: scalars(),

		open:       desc("sessions_open", "Relaying sessions.", "route", "pool", "endpoint"),
		upgrades:   desc("upgrades_total", "Upgrade requests by outcome.", "outcome"),
		ends:       desc("session_ends_total", "Ended sessions by who ended them, in which phase and why; state is by and phase as two letters.", "by", "phase", "why", "state"),
		http2:      desc("http2_errors_total", "Faults and floods of HTTP/2 clients.", "kind"),
		violations: desc("frame_violations_total", "Violations of the WebSocket framing rules.", "kind"),
		refusals:   desc("refusals_total", "Answers of the gateway's own.", "reason"),
		retries:    desc("retries_total", "Endpoints given up before a response byte.", "reason"),
		handshakes: desc("tls_handshakes_total", "TLS handshakes that have ended, by side, version and result: full, resumed, or why one failed.", "side", "version", "result"),
		tlsErrors:  desc("tls_errors_total", "Established TLS connections whose records could not be read.", "side", "reason"),
		upgrade:    desc("upgrade_duration_seconds", "Time from the whole request head to the passed-on 101."),
		turn:       desc("loop_turn_duration_seconds", "Duration of event loop turns that had work to do."),

		loops:          desc("loops", "Event loops."),
		logWriteErrors: desc("access_log_write_errors_total", "Failed writes of the access log."),
		scrapeErrors:   desc("scrape_errors_total", "Scrapes for which a loop gave no snapshot in time."),
	}
}

// scalars lists the metrics that are one field of the counters each.
func scalars() []scalar {
	var list []scalar
	counter := func(d *prometheus.Desc, label string, value func(*record.Counters) uint64) {
		list = append(list, scalar{d, prometheus.CounterValue, label, func(c *record.Counters) float64 { return float64(value(c)) }})
	}
	gauge := func(d *prometheus.Desc, label string, value func(*record.Counters) int64) {
		list = append(list, scalar{d, prometheus.GaugeValue, label, func(c *record.Counters) float64 { return float64(value(c)) }})
	}
	gauge(desc("connections", "Client connections held by the loops, in any phase."), "", func(c *record.Counters) int64 { return c.Connections })
	gauge(desc("plain_connections", "Client connections at the plain HTTP server."), "", func(c *record.Counters) int64 { return c.Plain })
	gauge(desc("buffers", "Buffers that hold bytes for a slow peer."), "", func(c *record.Counters) int64 { return c.Buffers })
	gauge(desc("buffered_bytes", "Bytes that wait for a slow peer."), "", func(c *record.Counters) int64 { return c.Buffered })

	gauge(desc("tls_handshakes", "TLS handshakes in progress."), "", func(c *record.Counters) int64 { return c.Shaking })
	counter(desc("tls_ciphers_built_total", "Times that the ciphers of a TLS 1.3 session were not at hand."), "", func(c *record.Counters) uint64 { return c.AEADsBuilt })

	pipes := desc("pipes", "Pipes for splicing.", "state")
	gauge(pipes, "used", func(c *record.Counters) int64 { return c.Pipes })
	gauge(pipes, "idle", func(c *record.Counters) int64 { return c.PipesIdle })

	moved := desc("relay_bytes_total", "Bytes read from the senders.", "direction")
	counter(moved, "up", func(c *record.Counters) uint64 { return c.BytesUp })
	counter(moved, "down", func(c *record.Counters) uint64 { return c.BytesDown })
	messages := desc("relay_messages_total", "Whole messages relayed.", "direction")
	counter(messages, "up", func(c *record.Counters) uint64 { return c.MessagesUp })
	counter(messages, "down", func(c *record.Counters) uint64 { return c.MessagesDown })
	spliced := desc("relay_spliced_bytes_total", "Bytes that went through a pipe.", "direction")
	counter(spliced, "up", func(c *record.Counters) uint64 { return c.SplicedUp })
	counter(spliced, "down", func(c *record.Counters) uint64 { return c.SplicedDown })

	counter(desc("relay_discarded_bytes_total", "Bytes read after the gateway's own Close and not passed on."), "", func(c *record.Counters) uint64 { return c.Discarded })
	counter(desc("accepted_total", "Client connections accepted."), "", func(c *record.Counters) uint64 { return c.Accepted })
	counter(desc("accept_pauses_total", "Times that accepting paused for want of descriptors."), "", func(c *record.Counters) uint64 { return c.AcceptPauses })
	counter(desc("pipe_misses_total", "Times that a half copied because no pipe was to be had."), "", func(c *record.Counters) uint64 { return c.PipesMissed })
	counter(desc("buffered_sheds_total", "Sessions ended because limits.buffered was reached."), "", func(c *record.Counters) uint64 { return c.BufferedSheds })
	counter(desc("panics_total", "Recovered panics."), "", func(c *record.Counters) uint64 { return c.Panics })
	counter(desc("access_log_dropped_total", "Access log lines that were dropped."), "", func(c *record.Counters) uint64 { return c.LogDropped })
	return list
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, s := range c.scalars {
		out <- s.desc // twice for those with two labels, which is allowed
	}
	for _, d := range []*prometheus.Desc{
		c.open, c.upgrades, c.ends, c.violations, c.http2, c.refusals, c.retries, c.handshakes, c.tlsErrors, c.upgrade, c.turn,
		c.loops, c.logWriteErrors, c.scrapeErrors,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector: one scrape is one snapshot.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	n, err := c.source.Snapshot(ctx)
	if err != nil {
		c.errors.Add(1)
		c.logf("metrics: %v", err)
	} else {
		c.collect(out, n)
	}
	emit(out, c.loops, prometheus.GaugeValue, float64(c.source.Loops()))
	emit(out, c.logWriteErrors, prometheus.CounterValue, float64(c.source.LogWriteErrors()))
	emit(out, c.scrapeErrors, prometheus.CounterValue, float64(c.errors.Load()))
}

func (c *collector) collect(out chan<- prometheus.Metric, n *record.Counters) {
	for _, s := range c.scalars {
		if s.label == "" {
			emit(out, s.desc, s.kind, s.value(n))
		} else {
			emit(out, s.desc, s.kind, s.value(n), s.label)
		}
	}
	for k, v := range n.Open {
		emit(out, c.open, prometheus.GaugeValue, float64(v), k.Route, k.Pool, k.Endpoint)
	}
	// An outcome that has not happened is 0 and not missing, so that a rate
	// over its first occurrence is right.
	for _, outcome := range []string{"101", "4xx", "5xx", "refused", "failed"} {
		if _, ok := n.Upgrades[outcome]; !ok {
			emit(out, c.upgrades, prometheus.CounterValue, 0, outcome)
		}
	}
	emitAll(out, c.upgrades, n.Upgrades)
	emitAll(out, c.violations, n.Violations)
	emitAll(out, c.http2, n.HTTP2Errors)
	emitAll(out, c.refusals, n.Refusals)
	emitAll(out, c.retries, n.Retries)
	for k, v := range n.Handshakes {
		emit(out, c.handshakes, prometheus.CounterValue, float64(v), k.Side, k.Version, k.Result)
	}
	for k, v := range n.TLSFailures {
		emit(out, c.tlsErrors, prometheus.CounterValue, float64(v), k.Side, k.Reason)
	}
	for k, v := range n.Ends {
		emit(out, c.ends, prometheus.CounterValue, float64(v),
			k.Who.String(), k.Phase.String(), k.Why, state(k))
	}
	emitHistogram(out, c.upgrade, &n.UpgradeTime)
	emitHistogram(out, c.turn, &n.TurnTime)
}

// state is the end state as the access log writes it.
func state(k record.EndKey) string {
	s := []byte{byte(k.Who), byte(k.Phase)}
	for i, c := range s {
		if c == 0 {
			s[i] = '-'
		}
	}
	return string(s)
}

func emitAll(out chan<- prometheus.Metric, d *prometheus.Desc, counts map[string]uint64) {
	for k, v := range counts {
		emit(out, d, prometheus.CounterValue, float64(v), k)
	}
}

func emit(out chan<- prometheus.Metric, d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
	for i := range labels {
		labels[i] = valid(labels[i])
	}
	out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
}

// emitHistogram makes the buckets cumulative, as Prometheus has them.
func emitHistogram(out chan<- prometheus.Metric, d *prometheus.Desc, h *record.Histogram) {
	buckets := make(map[float64]uint64, len(record.LatencyBounds))
	var sum uint64
	for i, bound := range record.LatencyBounds {
		sum += h.Buckets[i]
		buckets[bound] = sum
	}
	out <- prometheus.MustNewConstHistogram(d, h.Count, h.Sum.Seconds(), buckets)
}

// valid makes s a label value, which must be UTF-8.
func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
