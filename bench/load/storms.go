package load

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// storms is what the loops of a run agree on: all connections drop together,
// and the next storm begins when all are back.
type storms struct {
	number atomic.Int32 // of the storm under way, from 1; then stormsOver

	mu      sync.Mutex
	left    int   // places that are not back
	began   int64 // the storm under way
	seconds []float64
}

const stormsOver = -1

// current is the storm under way. The first loop that asks begins the first.
func (s *storms) current(r *run) int32 {
	n := s.number.Load()
	if n != 0 {
		return n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.number.Load() == 0 {
		s.begin(r, 1)
	}
	return s.number.Load()
}

// begin makes storm n the one under way. It holds that the lock is taken.
func (s *storms) begin(r *run, n int32) {
	s.left, s.began = r.cfg.Conns, r.now()
	r.phase.Store(fmt.Sprintf("storm %d of %d", n, r.cfg.Storms))
	s.number.Store(n)
	r.wake()
}

// returned counts a place that is back.
func (s *storms) returned(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.number.Load()
	if s.left--; s.left > 0 || n == stormsOver {
		return
	}
	s.seconds = append(s.seconds, float64(r.now()-s.began)/1e9)
	if int(n) < r.cfg.Storms {
		s.begin(r, n+1)
	} else {
		s.over(r)
	}
}

// over ends the storms.
func (s *storms) over(r *run) {
	s.number.Store(stormsOver)
	r.wake()
}
