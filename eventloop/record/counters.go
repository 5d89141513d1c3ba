package record

import "time"

// LatencyBounds are the upper bounds of the buckets of Histogram, in seconds.
var LatencyBounds = [...]float64{
	0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
}

// Histogram counts durations in the buckets of LatencyBounds; the last bucket
// is the overflow. The zero value is empty. It is not safe for concurrent use.
type Histogram struct {
	Buckets [len(LatencyBounds) + 1]uint64 // not cumulative
	Sum     time.Duration
	Count   uint64
}

// Observe counts d. It allocates nothing.
func (h *Histogram) Observe(d time.Duration) {
	s := d.Seconds()
	i := 0
	for i < len(LatencyBounds) && s > LatencyBounds[i] {
		i++
	}
	h.Buckets[i]++
	h.Sum += d
	h.Count++
}

// Add adds the counts of o.
func (h *Histogram) Add(o *Histogram) {
	for i, n := range o.Buckets {
		h.Buckets[i] += n
	}
	h.Sum += o.Sum
	h.Count += o.Count
}

// SessionKey names where a session went. All three are labels of metrics.
type SessionKey struct {
	Route, Pool, Endpoint string
}

// EndKey is one end state.
type EndKey struct {
	Who   Who
	Phase Phase
	Why   string
}

// TLSKey names what came of TLS handshakes: Result is "full" or "resumed", or
// why one failed, and Version is then empty.
type TLSKey struct {
	Side, Version, Result string
}

// TLSFailure names why an established TLS connection could not go on.
type TLSFailure struct {
	Side, Reason string
}

// Counters are the counts of one loop, or the sum over several. A loop adds to
// its own without a lock; others get a copy made on the loop's goroutine.
type Counters struct {
	Accepted      uint64 // client connections accepted
	AcceptPauses  uint64 // times accepting paused for want of descriptors
	Connections   int64  // client connections now held by the loop, in any phase
	Plain         int64  // client connections now handed over to the plain HTTP server
	Relays        int64  // sessions now relaying
	Buffered      int64  // bytes now in pending buffers
	Buffers       int64  // pending buffers now in use
	Pipes         int64  // pipes now holding bytes or lent to a half
	PipesIdle     int64  // pipes kept for the next half
	PipesMissed   uint64 // times a half copied because no pipe was to be had
	BytesUp       uint64 // read from clients in relays
	BytesDown     uint64 // read from endpoints in relays
	MessagesUp    uint64
	MessagesDown  uint64
	SplicedUp     uint64 // part of BytesUp that went through a pipe
	SplicedDown   uint64
	Discarded     uint64 // read after the gateway's own Close and not passed on
	BufferedSheds uint64 // sessions ended with 1013 because limits.buffered was reached
	Panics        uint64 // recovered panics, each of which ended one session
	LogDropped    uint64 // log records dropped; filled in by the log's owner

	UpgradeTime Histogram // whole request head to passed-on 101
	TurnTime    Histogram // duration of a turn that had work to do

	Upgrades    map[string]uint64    // by outcome: "101", "4xx", "5xx", "refused"
	Refusals    map[string]uint64    // by reason of the gateway's own answers
	Retries     map[string]uint64    // endpoints given up before a response byte, by reason
	Violations  map[string]uint64    // frame violations by kind
	HTTP2Errors map[string]uint64    // faults and floods of HTTP/2 clients by kind
	Ends        map[EndKey]uint64    // ended sessions by end state
	Open        map[SessionKey]int64 // relaying sessions

	Handshakes  map[TLSKey]uint64     // TLS handshakes that have ended
	TLSFailures map[TLSFailure]uint64 // broken TLS connections
	Shaking     int64                 // TLS handshakes in progress
	AEADsBuilt  uint64                // of TLS connections whose ciphers were not at hand
}

// NewCounters returns empty counters.
func NewCounters() *Counters {
	return &Counters{
		Upgrades:    make(map[string]uint64),
		Refusals:    make(map[string]uint64),
		Retries:     make(map[string]uint64),
		Violations:  make(map[string]uint64),
		HTTP2Errors: make(map[string]uint64),
		Ends:        make(map[EndKey]uint64),
		Open:        make(map[SessionKey]int64),

		Handshakes:  make(map[TLSKey]uint64),
		TLSFailures: make(map[TLSFailure]uint64),
	}
}

// Add adds the counts of o to c.
func (c *Counters) Add(o *Counters) {
	c.Accepted += o.Accepted
	c.AcceptPauses += o.AcceptPauses
	c.Connections += o.Connections
	c.Plain += o.Plain
	c.Relays += o.Relays
	c.Buffered += o.Buffered
	c.Buffers += o.Buffers
	c.Pipes += o.Pipes
	c.PipesIdle += o.PipesIdle
	c.PipesMissed += o.PipesMissed
	c.BytesUp += o.BytesUp
	c.BytesDown += o.BytesDown
	c.MessagesUp += o.MessagesUp
	c.MessagesDown += o.MessagesDown
	c.SplicedUp += o.SplicedUp
	c.SplicedDown += o.SplicedDown
	c.Discarded += o.Discarded
	c.BufferedSheds += o.BufferedSheds
	c.Panics += o.Panics
	c.LogDropped += o.LogDropped
	c.UpgradeTime.Add(&o.UpgradeTime)
	c.TurnTime.Add(&o.TurnTime)
	addAll(c.Upgrades, o.Upgrades)
	addAll(c.Refusals, o.Refusals)
	addAll(c.Retries, o.Retries)
	addAll(c.Violations, o.Violations)
	addAll(c.HTTP2Errors, o.HTTP2Errors)
	addAll(c.Ends, o.Ends)
	addAll(c.Open, o.Open)
	addAll(c.Handshakes, o.Handshakes)
	addAll(c.TLSFailures, o.TLSFailures)
	c.Shaking += o.Shaking
	c.AEADsBuilt += o.AEADsBuilt
}

func addAll[K comparable, V uint64 | int64](to, from map[K]V) {
	for k, n := range from {
		to[k] += n
	}
}
