package demo

import "time"

// limits bound what one member, and the room, can use.
type limits struct {
	members  int           // connections at a time, both backends together
	message  int           // bytes of one message from a member
	name     int           // runes of a name
	history  int           // messages kept for those who come later
	queue    int           // messages waiting for one member
	burst    int           // messages a member can send at once
	rate     float64       // and a second, in the long run
	refusals int           // messages over the rate, in a row, that end a connection
	ping     time.Duration // between two pings
	pong     time.Duration // until the answer to one
	write    time.Duration // for one message to be taken by the socket
}

func defaultLimits() limits {
	return limits{
		members:  1000,
		message:  4 << 10,
		name:     32,
		history:  50,
		queue:    64,
		burst:    20,
		rate:     5,
		refusals: 100,
		ping:     20 * time.Second,
		pong:     10 * time.Second,
		write:    5 * time.Second,
	}
}

// bucket is a token bucket: it starts full and gains rate tokens a second.
type bucket struct {
	rate, burst float64
	tokens      float64
	last        time.Time
}

func newBucket(l limits, now time.Time) bucket {
	return bucket{rate: l.rate, burst: float64(l.burst), tokens: float64(l.burst), last: now}
}

// take takes a token if there is one. A clock that steps back gains nothing.
func (b *bucket) take(now time.Time) bool {
	if d := now.Sub(b.last); d > 0 {
		b.tokens = min(b.burst, b.tokens+d.Seconds()*b.rate)
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
