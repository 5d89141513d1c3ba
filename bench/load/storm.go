package load

import (
	"errors"
	"syscall"
	"time"

	"wsgate/bench/wire"
)

// storm drops all connections at once, by closing their sockets without a
// Close, as peers do that fail, and has every place connect again until it is
// back: upgraded, and one echo right. An attempt that fails is an error on the
// way; the next one follows after retryPause, without any backoff. A place that
// is not back within Config.Timeout is a fault, and no other storm follows.
type storm struct {
	echoing
	number   int32 // of the storm under way, from 1; 0 before the first
	dropped  int64 // when its connections were dropped
	swept    int64
	back     []bool // by slot
	away     int    // places that are not back
	dials    fifo[redial]
	attempts int64
	errors   map[string]int64
}

// redial is a place to be dialed, and when.
type redial struct {
	c  *conn
	at int64
}

// retryPause is how long a place waits after an attempt that failed.
const retryPause = int64(20 * time.Millisecond)

// dialBudget is how many places are dialed before events are looked at again.
const dialBudget = 64

// patience is how many attempts that get no answer Config.Timeout has time for.
const patience = 3

// The ends of an attempt that are no system call's error.
var (
	errNoAnswer = errors.New("no 101 and echo in time")
	errClose    = errors.New("a Close came")
)

func newStorm(base echoing) *storm {
	return &storm{echoing: base, back: make([]bool, len(base.l.conns)), errors: map[string]int64{}}
}

func (*storm) unit() string      { return "reconnect" }
func (*storm) latencyOf() string { return "drop to echo after reconnecting" }

// start has a connection that is open again prove it.
func (d *storm) start(c *conn) {
	if d.number > 0 {
		d.emit(c, d.l.now())
	}
}

func (d *storm) data(c *conn, chunk []byte, end bool) {
	seq, ok := d.receive(c, chunk, end)
	if !ok {
		return
	}
	l := d.l
	if !d.back[c.slot] {
		d.back[c.slot] = true
		d.away--
		record(l.latency, l.now()-d.dropped)
		l.unit(c.id, seq)
		l.storms.returned(l.run)
	}
	if l.stopping {
		d.stop(c)
	}
}

func (d *storm) tick(now int64) (next int64) {
	l := d.l
	if !l.measuring {
		return never
	}
	switch n := l.storms.current(l.run); {
	case n != d.number:
		d.number = n
		if n == stormsOver {
			d.finish(now)
			return now
		}
		d.drop(now)
	case n == stormsOver:
		return never
	case d.away > 0 && now-d.dropped >= int64(l.cfg.Timeout):
		l.storms.over(l.run)
		return now
	}
	if now-d.swept >= sweepEvery {
		d.swept = now
		d.sweep(now)
	}
	return d.dialDue(now)
}

// drop begins a storm.
func (d *storm) drop(now int64) {
	d.dropped, d.away = now, len(d.back)
	clear(d.back)
	for _, c := range d.l.conns {
		if c.fd >= 0 {
			d.l.release(c)
		}
		d.dials.push(redial{c, now})
	}
}

// finish ends the last storm: nobody comes back any more.
func (d *storm) finish(now int64) {
	l := d.l
	for i, c := range l.conns {
		if d.back[i] {
			continue
		}
		l.faultN("not back", 1, "connection %d was not back within %v", c.id, l.cfg.Timeout)
		if c.fd >= 0 {
			l.release(c)
		}
	}
	d.dials.clear()
	l.end = now
}

func (d *storm) dialDue(now int64) (next int64) {
	for range dialBudget {
		if d.dials.len() == 0 {
			return never
		}
		if at := d.dials.first().at; at > now {
			return at
		}
		d.attempts++
		d.l.reopen(d.dials.pop().c)
	}
	return now
}

// sweep ends the attempts that got no answer.
func (d *storm) sweep(now int64) {
	for i, c := range d.l.conns {
		if !d.back[i] && c.fd >= 0 && now-c.dialed > int64(d.l.cfg.Timeout)/patience {
			d.l.borne(c, errNoAnswer)
		}
	}
}

// bears takes what goes wrong on the way back, but for an answer that no
// server gives that follows the protocol.
func (d *storm) bears(c *conn, err error) bool {
	if d.number <= 0 || d.back[c.slot] {
		return false
	}
	name := setback(err)
	if name != "" && !d.l.stopping {
		d.errors[name]++
	}
	return name != ""
}

func (d *storm) ended(c *conn, _ bool) {
	if d.number > 0 && !d.back[c.slot] && !d.l.stopping {
		d.dials.push(redial{c, d.l.now() + retryPause})
	}
}

// setback names the end of an attempt; it is empty for a fault.
func setback(err error) string {
	var refusal *wire.Refusal
	var errno syscall.Errno
	switch {
	case errors.As(err, &refusal) && refusal.Status != "":
		return "status " + refusal.Status
	case errors.Is(err, errNoAnswer):
		return "timeout"
	case errors.Is(err, errClose):
		return "closed"
	case errors.Is(err, errEndOfStream):
		return errEndOfStream.Error()
	case !errors.As(err, &errno):
		return ""
	}
	switch errno {
	case syscall.ECONNREFUSED:
		return "refused"
	case syscall.ECONNRESET, syscall.EPIPE:
		return "reset"
	case syscall.ETIMEDOUT:
		return "timeout"
	}
	return errno.Error()
}

// StormReport is how long it took until all connections that had dropped at
// once were back, and what they met with on the way.
type StormReport struct {
	Seconds   []float64        `json:"seconds_until_all_back"` // of each storm that all came back from
	Reconnect Summary          `json:"reconnect"`              // of each connection: drop to echo
	Attempts  int64            `json:"attempts"`               // to connect, those that failed included
	Errors    map[string]int64 `json:"errors,omitempty"`       // attempts that failed: "refused", "reset", "timeout", "status 503"
}

func (d *storm) report(rep *Report, loops []*loop) {
	s := &StormReport{Seconds: append([]float64{}, d.l.storms.seconds...), Reconnect: rep.Latency}
	began, ended := d.l.began, d.l.ended
	for _, l := range loops {
		d := l.driver.(*storm)
		began, ended = min(began, l.began), max(ended, l.ended)
		s.Attempts += d.attempts
		for name, n := range d.errors {
			if s.Errors == nil {
				s.Errors = map[string]int64{}
			}
			s.Errors[name] += n
		}
	}
	rep.Storm = s
	// The loops do not measure for a time of their own, but the same storms.
	if rep.Seconds = float64(ended-began) / 1e9; ended > began {
		rep.PerSecond = float64(rep.Units) / rep.Seconds
	}
}
