package lb

import (
	"errors"
	"sync"
	"testing"
)

func TestLeasesAreExact(t *testing.T) {
	e := members(t, 1)[0].Endpoint
	const goroutines, rounds = 8, 1000
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range rounds {
				e.Acquire()
				if e.Open() < 1 {
					t.Error("a lease is not counted")
				}
				e.Release()
				e.Failed("connect")
			}
			e.Acquire()
			e.Failed("timeout")
		})
	}
	wg.Wait()
	if e.Open() != goroutines || e.Total() != goroutines*(rounds+1) || e.Failures() != goroutines*(rounds+1) {
		t.Errorf("open %d, total %d, failures %d", e.Open(), e.Total(), e.Failures())
	}
	if m := e.FailuresByReason(); len(m) != 2 || m["connect"] != goroutines*rounds || m["timeout"] != goroutines {
		t.Errorf("failures %v", m)
	}
}

func TestReleaseWithoutLease(t *testing.T) {
	e := members(t, 1)[0].Endpoint
	defer func() {
		if recover() == nil {
			t.Error("released what nobody held")
		}
	}()
	e.Release()
}

func TestRegistryKeepsEndpointsByPoolAndAddress(t *testing.T) {
	r := NewRegistry()
	calls := 0
	get := func(pool, address string) *Endpoint {
		t.Helper()
		e, err := r.Endpoint(pool, address, func() (any, error) { calls++; return calls, nil })
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	a := get("p", "1:1")
	if again := get("p", "1:1"); again != a || calls != 1 || a.Target != 1 {
		t.Errorf("the second is %p with target %v after %d calls, the first %p", again, again.Target, calls, a)
	}
	if other := get("q", "1:1"); other == a || other.Pool != "q" || other.Address != "1:1" {
		t.Errorf("two pools share %+v", other)
	}
	bad := errors.New("bad address")
	if e, err := r.Endpoint("p", "x", func() (any, error) { return nil, bad }); e != nil || err != bad {
		t.Errorf("%v %v", e, err)
	}
	if all := r.All(); len(all) != 2 {
		t.Errorf("%d endpoints", len(all))
	}
	if m := a.FailuresByReason(); m != nil {
		t.Errorf("failures %v", m)
	}
}

func TestSweep(t *testing.T) {
	r := NewRegistry()
	get := func(address string) *Endpoint {
		t.Helper()
		e, err := r.Endpoint("p", address, func() (any, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	named, leased, idle := get("named"), get("leased"), get("idle")
	leased.Acquire()
	pool, err := NewPool("p", "", []Member{{named, 1}})
	if err != nil {
		t.Fatal(err)
	}
	if n := r.Sweep([]*Pool{pool}); n != 1 {
		t.Errorf("%d swept", n)
	}
	if get("named") != named || get("leased") != leased {
		t.Error("an endpoint that is needed was swept")
	}
	if get("idle") == idle {
		t.Error("an endpoint that nobody needs was kept")
	}
	leased.Release()
	if n := r.Sweep(nil); n != 3 || len(r.All()) != 0 {
		t.Errorf("%d swept, %d left", n, len(r.All()))
	}
}
