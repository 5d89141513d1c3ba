package eventloop

import "time"

const (
	tick      = 100 * time.Millisecond
	wheelBits = 8
	wheelSize = 1 << wheelBits
	wheelMask = wheelSize - 1
)

// wheel keeps the sessions of a loop by deadline, in two rings: 256 ticks of
// 100 ms and 256 turns of the first ring (1.8 hours). A deadline beyond that
// waits in the last bucket and is looked at again when it comes round.
//
// Deadlines are lazy: bucketOf(s) is never later than s.deadline, and a session
// found too early goes back in. So set costs two stores for a deadline that
// moves into the future.
type wheel struct {
	now   int64 // the last tick that was run
	near  [wheelSize]*session
	far   [wheelSize]*session
	nNear int
	nFar  int
}

func ticks(d int64) int64 { return d / int64(tick) }

// set moves the deadline of s to at (the loop's clock, nanoseconds).
func (w *wheel) set(s *session, at int64) {
	s.deadline = at
	due := max(ticks(at)+1, w.now+1)
	if s.bucket != 0 && s.bucket <= due {
		return
	}
	w.remove(s)
	w.insert(s, due)
}

func (w *wheel) insert(s *session, due int64) {
	var head **session
	if due-w.now < wheelSize {
		head = &w.near[due&wheelMask]
		w.nNear++
	} else {
		turn := min(due>>wheelBits, w.now>>wheelBits+wheelSize-1)
		due = turn << wheelBits
		head = &w.far[turn&wheelMask]
		w.nFar++
		s.inFar = true
	}
	s.bucket = due
	s.prev, s.next = nil, *head
	if *head != nil {
		(*head).prev = s
	}
	*head = s
}

// remove takes s out; it may be out already.
func (w *wheel) remove(s *session) {
	if s.bucket == 0 {
		return
	}
	switch {
	case s.prev != nil:
		s.prev.next = s.next
	case s.inFar:
		w.far[s.bucket>>wheelBits&wheelMask] = s.next
	default:
		w.near[s.bucket&wheelMask] = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	if s.inFar {
		w.nFar--
	} else {
		w.nNear--
	}
	s.prev, s.next, s.bucket, s.inFar = nil, nil, 0, false
}

// advance runs the ticks up to now and calls expire for each session whose
// deadline has passed. expire may set and remove any session.
func (w *wheel) advance(now int64, expire func(*session)) {
	for to := ticks(now); w.now < to; {
		if w.nNear == 0 {
			// Nothing can be due before the far ring's next bucket.
			next := (w.now>>wheelBits + 1) << wheelBits
			if w.nFar == 0 || next > to {
				w.now = to
				return
			}
			w.now = next - 1
		}
		w.now++
		if w.now&wheelMask == 0 {
			w.drain(&w.far[w.now>>wheelBits&wheelMask], now, expire)
		}
		w.drain(&w.near[w.now&wheelMask], now, expire)
	}
}

// drain empties one bucket: what is due expires, the rest goes back in.
func (w *wheel) drain(head **session, now int64, expire func(*session)) {
	for s := *head; s != nil; s = *head {
		w.remove(s)
		if s.deadline > now {
			w.insert(s, max(ticks(s.deadline)+1, w.now+1))
			continue
		}
		expire(s)
	}
}

// wake returns when the wheel wants to be advanced, on the loop's clock, 0 when
// it is empty. While only far deadlines are in it, that is the same time however
// often it is asked: no reason to set a timer anew.
func (w *wheel) wake(now int64) int64 {
	switch {
	case w.nNear > 0:
		return now + int64(tick)
	case w.nFar > 0:
		next := (w.now>>wheelBits + 1) << wheelBits
		return max(next*int64(tick), now+int64(tick))
	}
	return 0
}
