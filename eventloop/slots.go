package eventloop

// slots maps what an epoll event carries to a session. A slot is reused under
// a new generation, so that an event of a session that ended earlier in the
// same batch finds nothing.
type slots struct {
	at   []*session
	gen  []uint32
	free []int32
	n    int
}

// genMask keeps a generation within the 31 bits beside the side.
const genMask = 1<<31 - 1

// put gives s a slot.
func (t *slots) put(s *session) {
	if n := len(t.free); n > 0 {
		s.slot = t.free[n-1]
		t.free = t.free[:n-1]
		t.at[s.slot] = s
	} else {
		s.slot = int32(len(t.at))
		t.at = append(t.at, s)
		t.gen = append(t.gen, 0)
	}
	t.n++
}

// key returns the epoll data for one side of s.
func (t *slots) key(s *session, sd side) uint64 {
	return key(s.slot, t.gen[s.slot]<<1|uint32(sd))
}

// get returns the session in a slot, nil if it is another one by now.
func (t *slots) get(slot int32, gen uint32) *session {
	if int(slot) >= len(t.at) || t.gen[slot] != gen {
		return nil
	}
	return t.at[slot]
}

// drop frees the slot of s.
func (t *slots) drop(s *session) {
	t.at[s.slot] = nil
	t.gen[s.slot] = (t.gen[s.slot] + 1) & genMask
	t.free = append(t.free, s.slot)
	t.n--
}

// stallQueue keeps the sessions of a loop that hold bytes for a slow peer, in
// the order in which they began to, for limits.buffered. Entries are checked
// when they are taken, so that a session costs nothing when it recovers.
type stallQueue struct {
	q []stallEntry
}

type stallEntry struct {
	s   *session
	gen uint32
}

// push adds s, which has just begun to stall.
func (q *stallQueue) push(t *slots, s *session) {
	if s.stallQueued {
		return
	}
	s.stallQueued = true
	if len(q.q) >= 64 && len(q.q) >= 2*t.n {
		q.compact(t)
	}
	q.q = append(q.q, stallEntry{s, t.gen[s.slot]})
}

// compact drops the entries of sessions that have ended or recovered.
func (q *stallQueue) compact(t *slots) {
	kept := q.q[:0]
	for _, e := range q.q {
		if e.live(t) {
			kept = append(kept, e)
		}
	}
	clear(q.q[len(kept):])
	q.q = kept
}

// live tells whether the entry's session still stalls. One that does not
// leaves the queue with this.
func (e stallEntry) live(t *slots) bool {
	if t.get(e.s.slot, e.gen) != e.s {
		return false
	}
	if !e.s.stalling() {
		e.s.stallQueued = false
		return false
	}
	return true
}

// front returns the session stalled longest, nil when none is.
func (q *stallQueue) front(t *slots) *session {
	for len(q.q) > 0 {
		if e := q.q[0]; e.live(t) {
			return e.s
		}
		q.q[0] = stallEntry{}
		q.q = q.q[1:]
	}
	q.q = nil
	return nil
}
