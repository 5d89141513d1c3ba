package eventloop

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestWheel compares the wheel with a table of deadlines under random moves:
// nobody expires early, nobody more than two ticks late.
func TestWheel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var w wheel
	const sessions = 300
	all := make([]*session, sessions)
	due := make(map[*session]int64)
	for i := range all {
		all[i] = new(session)
	}
	now := int64(0)
	expired := 0
	horizons := []time.Duration{time.Second, 20 * time.Second, 26 * time.Second, time.Hour, 5 * time.Hour}
	for range 40_000 {
		for range rnd.IntN(4) {
			s := all[rnd.IntN(sessions)]
			if rnd.IntN(5) == 0 {
				w.remove(s)
				delete(due, s)
				continue
			}
			at := now + rnd.Int64N(int64(horizons[rnd.IntN(len(horizons))]))
			w.set(s, at)
			due[s] = at
		}
		now += rnd.Int64N(int64(3 * time.Second))
		w.advance(now, func(s *session) {
			at, ok := due[s]
			if !ok || at > now {
				t.Fatalf("expired at %v, due at %v, %v", now, at, ok)
			}
			delete(due, s)
			expired++
		})
		for s, at := range due {
			if at < now-2*int64(tick) {
				t.Fatalf("due at %v, not expired at %v (bucket %d, tick %d)", at, now, s.bucket, w.now)
			}
		}
		if w.nNear+w.nFar != len(due) {
			t.Fatalf("%d in the wheel, want %d", w.nNear+w.nFar, len(due))
		}
		if at := w.wake(now); (at == 0) != (len(due) == 0) || at != 0 && at <= now {
			t.Fatalf("wake %v at %v with %d waiting", at, now, len(due))
		}
	}
	if expired < 10_000 {
		t.Errorf("only %d expired", expired)
	}
}

// TestWheelLazy: traffic that keeps moving a deadline does not move the
// session in the wheel.
func TestWheelLazy(t *testing.T) {
	var w wheel
	s := new(session)
	w.set(s, int64(time.Second))
	first := s.bucket
	for i := range 100 {
		w.set(s, int64(time.Second)*int64(i+2))
	}
	if s.bucket != first {
		t.Errorf("moved from bucket %d to %d", first, s.bucket)
	}
	fired := false
	w.advance(int64(50*time.Second), func(*session) { fired = true })
	if fired || s.bucket == 0 {
		t.Errorf("fired %v in bucket %d, due in 101 s", fired, s.bucket)
	}
	w.advance(int64(102*time.Second), func(*session) { fired = true })
	if !fired {
		t.Error("never fired")
	}
}

// TestSlots: an event of a session that has ended finds nothing, also when its
// slot has a new owner.
func TestSlots(t *testing.T) {
	var table slots
	a, b := new(session), new(session)
	table.put(a)
	k := table.key(a, upstream)
	if got := table.get(int32(k), uint32(k>>32)>>1); got != a || side(k>>32&1) != upstream {
		t.Fatalf("got %p, want %p", got, a)
	}
	table.drop(a)
	table.put(b)
	if b.slot != a.slot {
		t.Fatalf("slot %d was not reused", a.slot)
	}
	if got := table.get(int32(k), uint32(k>>32)>>1); got != nil {
		t.Error("a stale event found another session")
	}
	if k2 := table.key(b, client); table.get(int32(k2), uint32(k2>>32)>>1) != b {
		t.Error("the new owner is not found")
	}
}

// TestFarDeadlinesNeedOneTimer: a session that is not due for long must not
// have the timer set in every turn.
func TestFarDeadlinesNeedOneTimer(t *testing.T) {
	var w wheel
	w.set(new(session), int64(time.Hour))
	first := w.wake(0)
	for now := int64(0); now < first-int64(tick); now += int64(time.Millisecond) {
		if at := w.wake(now); at != first {
			t.Fatalf("wake %v at %v, and before %v", at, now, first)
		}
	}
	w.set(new(session), int64(time.Second))
	if at := w.wake(0); at != int64(tick) {
		t.Fatalf("wake %v with a near deadline", at)
	}
}
