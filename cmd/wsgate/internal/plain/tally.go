package plain

import (
	"sync"

	"wsgate/eventloop/record"
)

// tally counts what the Server has to say to the metrics. It is safe for
// concurrent use.
type tally struct {
	mu       sync.Mutex
	refusals map[string]uint64
	retries  map[string]uint64
	panics   uint64
}

func (t *tally) init() {
	t.refusals = make(map[string]uint64)
	t.retries = make(map[string]uint64)
}

func (t *tally) refused(reason string) {
	t.mu.Lock()
	t.refusals[reason]++
	t.mu.Unlock()
}

func (t *tally) retried(reason string) {
	t.mu.Lock()
	t.retries[reason]++
	t.mu.Unlock()
}

func (t *tally) panicked() {
	t.mu.Lock()
	t.panics++
	t.mu.Unlock()
}

// Counters adds what the Server has counted to c: Plain, Panics, Refusals and
// Retries.
func (s *Server) Counters(c *record.Counters) {
	s.mu.Lock()
	c.Plain += int64(len(s.conns))
	s.mu.Unlock()
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	c.Panics += s.tally.panics
	for k, n := range s.tally.refusals {
		c.Refusals[k] += n
	}
	for k, n := range s.tally.retries {
		c.Retries[k] += n
	}
}
