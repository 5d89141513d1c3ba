package backend

import (
	"time"

	"wsgate/bench/sock"
)

// pace is what a slow reader may still read: it gets rate bytes a second, and
// what it does not use is gone after two ticks.
type pace struct {
	rate  float64
	left  float64 // bytes
	since time.Time
	waits bool // for the next tick
}

// tick is how often slow readers that have read all they may are looked at again.
const tick = 10 * time.Millisecond

// slowBuffer is the receive buffer of a slow reader in bytes: its sender is to
// feel soon that it does not read. The kernel makes it twice as large.
const slowBuffer = 4 << 10

// slowDown makes c a slow reader from now on.
func (c *conn) slowDown(rate int64) {
	sock.SetReceiveBuffer(c.fd, slowBuffer)
	c.pace = &pace{rate: float64(rate), since: time.Now()}
}

// allowed is the part of in that c, a slow reader, may fill now. When that is
// nothing c waits for the next tick.
func (s *Server) allowed(c *conn, in []byte) []byte {
	p, now := c.pace, time.Now()
	p.left = min(p.left+p.rate*now.Sub(p.since).Seconds(), max(p.rate*2*tick.Seconds(), 1))
	p.since = now
	if p.left < 1 {
		if !p.waits {
			p.waits = true
			if len(s.slow) == 0 {
				s.tickAt = now.Add(tick)
			}
			s.slow = append(s.slow, c)
		}
		return nil
	}
	return in[:min(len(in), int(p.left))]
}

// untilTick is how long a turn may wait; below zero is for ever.
func (s *Server) untilTick() time.Duration {
	if len(s.slow) == 0 {
		return -1
	}
	return max(time.Until(s.tickAt), 0)
}

// tick lets the slow readers read on, when it is time.
func (s *Server) tick() {
	if len(s.slow) == 0 || time.Now().Before(s.tickAt) {
		return
	}
	due := s.slow
	s.slow = nil
	for _, c := range due {
		// Another connection may have its place by now; it comes to no harm.
		if c.pace != nil {
			c.pace.waits = false
		}
		if c.fd >= 0 {
			s.serve(c)
		}
	}
}
