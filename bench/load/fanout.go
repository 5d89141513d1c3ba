package load

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"wsgate/bench/wire"
)

// fanout sends one message into a room and waits until every member has it.
// At any time one message is under way in a room, so that all members get all
// messages in one order; the members send in turn. In an open loop a message
// that falls due meanwhile waits, and its latency counts from when it was due.
type fanout struct {
	echoing
	pace
	masked
	rooms               []room
	first, median, last *hdrhistogram.Histogram
}

// room is one room of this loop. Its members are Config.Room connections in a
// row. Its messages have the room's number in the place of a connection's.
type room struct {
	id      uint32
	members []*conn
	sent    uint32      // messages begun; the next one's number
	waiting fifo[int64] // when the messages that wait were due
	sender  *conn       // still has to send the one under way
	sentBy  *conn       // has begun to send it
	turn    int         // the member that sends next

	due       int64 // when the message under way was due
	owed, got int   // members that were to get it; that have got it, or ended
	firstAt   int64 // when the first and the median member got it
	medianAt  int64
}

func newFanout(base echoing) *fanout {
	l := base.l
	d := &fanout{
		echoing: base, pace: l.newPace(l.cfg.Rate), masked: newMasked(l),
		first: newHistogram(), median: newHistogram(), last: newHistogram(),
	}
	for at := 0; at < len(l.conns); at += l.cfg.Room {
		id := uint32(len(d.rooms)*l.cfg.Loops + l.index)
		d.rooms = append(d.rooms, room{id: id, members: l.conns[at : at+l.cfg.Room]})
	}
	return d
}

func (*fanout) unit() string { return "delivery" }

func (d *fanout) latencyOf() string {
	if d.open() {
		return "message due to each receiver"
	}
	return "message begun to each receiver"
}

// open reports whether messages fall due at fixed times.
func (d *fanout) open() bool { return d.l.cfg.Rate > 0 }

func (d *fanout) room(c *conn) *room { return &d.rooms[int(c.slot)/d.l.cfg.Room] }

func (d *fanout) order(c *conn) wire.Order {
	return wire.Order{Path: wire.PathRoom, Seed: d.l.seed, Room: d.room(c).id}
}

func (d *fanout) expect(c *conn) { d.follow(c, d.room(c).id) }

// start begins a closed loop with the first member of the room.
func (d *fanout) start(c *conn) {
	if r := d.room(c); !d.open() && r.sent == 0 {
		d.send(r, d.l.now())
	}
}

func (d *fanout) tick(now int64) (next int64) {
	if !d.open() {
		return never
	}
	return d.fall(now, d.ask)
}

// ask has the nth message of all sent: the rooms have their turns.
func (d *fanout) ask(n, at int64) {
	r := &d.rooms[n%int64(len(d.rooms))]
	switch {
	case r.got == r.owed:
		d.send(r, at)
	case r.waiting.len() >= backlog:
		d.l.faultN("overload", 1, "room %d: %d messages wait", r.id, backlog)
	default:
		r.waiting.push(at)
	}
}

// send begins the next message of r. It holds that none is under way. Without
// a member that is open it does nothing: that they ended is a fault already.
func (d *fanout) send(r *room, due int64) {
	r.owed, r.got, r.due, r.sentBy = 0, 0, due, nil
	for _, c := range r.members {
		if c.state == open {
			c.sent++
			r.owed++
		}
	}
	if r.owed > 0 {
		r.sent++
		d.pass(r)
	}
}

// pass makes the next open member the sender of the message under way.
func (d *fanout) pass(r *room) {
	r.sender = nil
	for range r.members {
		c := r.members[r.turn]
		if r.turn++; r.turn == len(r.members) {
			r.turn = 0
		}
		if c.state == open {
			r.sender = c
			d.l.again(c)
			return
		}
	}
}

func (d *fanout) more(c *conn) bool {
	r := d.room(c)
	if r.sender != c {
		return false
	}
	r.sender, r.sentBy = nil, c
	d.begin(c, r.id, r.sent-1, d.l.sizeOf(r.id, r.sent-1))
	return true
}

func (d *fanout) data(c *conn, chunk []byte, end bool) {
	seq, ok := d.receive(c, chunk, end)
	if !ok {
		return
	}
	l, r := d.l, d.room(c)
	now := l.now()
	if d.counts(r) {
		record(l.latency, now-r.due)
	}
	if l.measuring {
		l.unit(r.id, seq)
	}
	if seq == r.sent-1 && r.got < r.owed { // nobody waits for one whose sender has ended
		d.arrived(r, now)
	}
	if l.stopping {
		d.stop(c)
	}
}

// counts reports whether the message under way in r belongs to the measured
// time: at fixed times, when it was due within.
func (d *fanout) counts(r *room) bool {
	if d.open() {
		return r.due >= d.l.begin && r.due < d.l.end
	}
	return d.l.measuring
}

// arrived notes that one more member has the message under way.
func (d *fanout) arrived(r *room, now int64) {
	switch r.got++; r.got {
	case 1:
		r.firstAt = now
	case (r.owed + 1) / 2:
		r.medianAt = now
	}
	if r.got < r.owed {
		return
	}
	if d.counts(r) {
		record(d.first, r.firstAt-r.due)
		record(d.median, max(r.medianAt, r.firstAt)-r.due)
		record(d.last, now-r.due)
	}
	d.goOn(r, now)
}

// goOn begins the next message of r, if there is one.
func (d *fanout) goOn(r *room, now int64) {
	switch {
	case r.waiting.len() > 0:
		d.send(r, r.waiting.pop())
	case !d.open() && !d.l.stopping:
		d.send(r, now)
	}
}

// stop closes c once it has every message of its room.
func (d *fanout) stop(c *conn) {
	if d.room(c).waiting.len() == 0 {
		d.quiet.stop(c)
	}
}

// ended takes c out of its room: the others go on without it, and, when it was
// cut off, without the message that it had begun to send.
func (d *fanout) ended(c *conn, clean bool) {
	r := d.room(c)
	if r.sender == c {
		d.pass(r)
	}
	switch {
	case r.got == r.owed: // none is under way
		return
	case r.sentBy == c && !clean:
		r.owed = r.got
	case c.outstanding() > 0:
		r.owed--
	}
	if r.got == r.owed {
		d.goOn(r, d.l.now())
	}
}

// FanoutReport is how long messages took to get round: from when one was begun,
// or due at a fixed rate, to the first, the median and the last of its receivers.
type FanoutReport struct {
	Rooms   int     `json:"rooms"`
	Members int     `json:"members"` // of each
	First   Summary `json:"first"`   // its Count is how many messages got round
	Median  Summary `json:"median"`
	Last    Summary `json:"last"`
}

func (d *fanout) report(rep *Report, loops []*loop) {
	first, median, last := newHistogram(), newHistogram(), newHistogram()
	rooms := 0
	for _, l := range loops {
		d := l.driver.(*fanout)
		rooms += len(d.rooms)
		first.Merge(d.first)
		median.Merge(d.median)
		last.Merge(d.last)
	}
	rep.Fanout = &FanoutReport{
		Rooms: rooms, Members: d.l.cfg.Room,
		First: summarize(first), Median: summarize(median), Last: summarize(last),
	}
}
