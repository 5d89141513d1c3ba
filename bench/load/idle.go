package load

import "github.com/HdrHistogram/hdrhistogram-go"

// idle holds its connections, with a trickle of messages where one is asked
// for; in the end each connection has to answer one message more.
type idle struct {
	echoing
	pace
	trickle *hdrhistogram.Histogram // nil without one

	left  []*conn // still to be asked
	asked int     // that have not answered yet
}

// askAtOnce is how many connections of a loop are asked at a time: all at once
// would be a flood, and what it measures is the length of the queue.
const askAtOnce = 64

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

func (d *idle) stop(c *conn) { d.left = append(d.left, c) }

func (d *idle) wind() {
	for d.asked < askAtOnce && len(d.left) > 0 {
		c := d.left[0]
		d.left = d.left[1:]
		if c.state != open {
			continue // that it ended is a fault already
		}
		c.asked = true
		d.asked++
		d.l.out = d.l.out[:0]
		d.emit(c, d.l.now())
		d.l.finishTurn(c)
	}
}

func (d *idle) ended(c *conn, _ bool) { d.answered(c) }

// answered takes c off those that were asked.
func (d *idle) answered(c *conn) {
	if c.asked {
		c.asked = false
		d.asked--
	}
}

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
	if !c.asked || c.outstanding() > 0 {
		record(d.trickle, took)
		return
	}
	d.answered(c)
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
