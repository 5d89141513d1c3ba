package load

import "github.com/HdrHistogram/hdrhistogram-go"

// idle holds its connections, with a trickle of messages where one is asked
// for; in the end each connection has to answer one message more.
type idle struct {
	echoing
	pace
	trickle *hdrhistogram.Histogram // nil without one
}

func newIdle(base echoing) *idle {
	rate := base.l.cfg.Trickle
	d := &idle{echoing: base, pace: base.l.newPace(rate)}
	if rate > 0 {
		d.trickle = newHistogram()
	}
	return d
}

func (*idle) unit() string      { return "connection" }
func (*idle) latencyOf() string { return "the message after the hold to its echo" }

func (d *idle) stop(c *conn) { d.emit(c, d.l.now()) }

func (d *idle) tick(now int64) (next int64) {
	if d.trickle == nil {
		return never
	}
	return d.fall(now, d.sendNth)
}

func (d *idle) data(c *conn, chunk []byte, end bool) {
	seq, ok := d.receive(c, chunk, end)
	if !ok {
		return
	}
	l := d.l
	took := l.now() - c.dueAt(seq)
	if !l.stopping || c.outstanding() > 0 {
		record(d.trickle, took)
		return
	}
	record(l.latency, took)
	l.unit(c.id, seq)
	l.sendClose(c)
}

func (d *idle) report(r *Report, loops []*loop) {
	if d.trickle == nil {
		return
	}
	h := newHistogram()
	for _, l := range loops {
		h.Merge(l.driver.(*idle).trickle)
	}
	s := summarize(h)
	r.Held = &s
}
