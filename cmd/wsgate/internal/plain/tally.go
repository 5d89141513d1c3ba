package plain

import (
	"sync"
	"time"

	"wsgate/eventloop/record"
)

// tally counts what the Server has to say to the metrics. It is safe for
// concurrent use.
type tally struct {
	mu       sync.Mutex
	counters *record.Counters
}

func (t *tally) init() { t.counters = record.NewCounters() }

// count lets f change the counters.
func (t *tally) count(f func(c *record.Counters)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(t.counters)
}

func (t *tally) refused(reason string) {
	t.count(func(c *record.Counters) { c.Refusals[reason]++ })
}

func (t *tally) retried(reason string) {
	t.count(func(c *record.Counters) { c.Retries[reason]++ })
}

func (t *tally) panicked() {
	t.count(func(c *record.Counters) { c.Panics++ })
}

// h2Error counts what a client did against the rules of HTTP/2. kind is one of
// net/http's few words, or a flood.
func (t *tally) h2Error(kind string) {
	t.count(func(c *record.Counters) { c.HTTP2Errors[kind]++ })
}

func (t *tally) upgrade(outcome string) {
	t.count(func(c *record.Counters) { c.Upgrades[outcome]++ })
}

// opened counts a session over HTTP/2 that begins to relay.
func (t *tally) opened(k record.SessionKey, took time.Duration) {
	t.count(func(c *record.Counters) {
		c.Relays++
		c.Open[k]++
		c.Upgrades["101"]++
		c.UpgradeTime.Observe(took)
	})
}

// closed counts the end of one.
func (t *tally) closed(k record.SessionKey, e record.EndKey, discarded uint64) {
	t.count(func(c *record.Counters) {
		c.Relays--
		if c.Open[k]--; c.Open[k] == 0 {
			delete(c.Open, k)
		}
		c.Ends[e]++
		c.Discarded += discarded
	})
}

// Counters adds what the Server has counted to c: Plain and Panics, Refusals
// and Retries, HTTP2Errors, and for WebSockets over HTTP/2 what a loop counts.
func (s *Server) Counters(c *record.Counters) {
	s.mu.Lock()
	c.Plain += int64(len(s.conns))
	s.mu.Unlock()
	s.tally.count(func(own *record.Counters) { c.Add(own) })
}
