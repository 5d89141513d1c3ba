package eventloop

import "math"

// shed ends the session that has stalled longest, over all loops, because the
// pending buffers together are over limits.buffered. Each loop publishes since
// when its longest one stalls.
func (g *Gateway) shed() {
	if !g.shedding.CompareAndSwap(false, true) {
		return
	}
	for _, l := range g.loops {
		if !l.post(func() { l.oldestStall.Store(l.oldest()) }) {
			continue
		}
	}
	// The posts of one loop run in order, so by the time that the last loop
	// has run its part the earlier ones may still be publishing; a stale value
	// picks another stalled session, which is as good for memory.
	last := g.loops[len(g.loops)-1]
	if !last.post(g.shedOne) {
		g.shedding.Store(false)
	}
}

// shedOne picks the loop with the oldest stall and has it end that session.
func (g *Gateway) shedOne() {
	var pick *Loop
	since := int64(math.MaxInt64)
	for _, l := range g.loops {
		if at := l.oldestStall.Load(); at < since {
			since, pick = at, l
		}
	}
	if pick == nil || !pick.post(func() { pick.shedFront() }) {
		g.shedding.Store(false)
	}
}

// shedFront ends this loop's longest stalled session, and goes on while the
// budget is exceeded.
func (l *Loop) shedFront() {
	l.g.shedding.Store(false)
	if !l.g.budget.Over() {
		return
	}
	if s := l.stallq.front(&l.slots); s != nil {
		l.current = s
		s.shedStalled(l)
		l.current = nil
	}
	if l.g.budget.Over() {
		l.g.shed()
	}
}

// oldest returns since when the front of the stall queue has stalled.
func (l *Loop) oldest() int64 {
	s := l.stallq.front(&l.slots)
	if s == nil {
		return math.MaxInt64
	}
	at := int64(math.MaxInt64)
	for d := range s.half {
		if t := s.half[d].Stalled(); t != 0 {
			at = min(at, t)
		}
	}
	return at
}
