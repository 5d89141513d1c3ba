package lb

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Endpoint is one address of a pool. There is one Endpoint for a pool and an
// address at a time, whatever number of configurations name it.
type Endpoint struct {
	// Pool and Address name the endpoint, as configured.
	Pool, Address string
	// Target is what connecting needs, set once by the builder of the pool and
	// read only from then on.
	Target any

	open     atomic.Int64
	total    atomic.Uint64
	failures atomic.Uint64

	mu      sync.Mutex
	reasons map[string]uint64
}

// Acquire takes a lease for one session.
func (e *Endpoint) Acquire() {
	e.open.Add(1)
	e.total.Add(1)
}

// Release ends a lease. Each Acquire has exactly one Release; one too many
// panics, since every later decision by load would be wrong.
func (e *Endpoint) Release() {
	if e.open.Add(-1) < 0 {
		panic("lb: release without a lease: " + e.Pool + " " + e.Address)
	}
}

// Failed counts a try that failed. reason is one of a few fixed words.
func (e *Endpoint) Failed(reason string) {
	e.failures.Add(1)
	e.mu.Lock()
	if e.reasons == nil {
		e.reasons = make(map[string]uint64)
	}
	e.reasons[reason]++
	e.mu.Unlock()
}

// Open returns the sessions that hold a lease now.
func (e *Endpoint) Open() int64 { return e.open.Load() }

// Total returns how many leases were ever taken.
func (e *Endpoint) Total() uint64 { return e.total.Load() }

// Failures returns how many tries have failed.
func (e *Endpoint) Failures() uint64 { return e.failures.Load() }

// FailuresByReason returns a copy of the failures' counts; nil when there were
// none.
func (e *Endpoint) FailuresByReason() map[string]uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.reasons)
}

// Registry holds the endpoints of all generations. All methods may be called
// from any goroutine.
type Registry struct {
	mu        sync.Mutex
	endpoints map[name]*Endpoint
}

type name struct{ pool, address string }

// NewRegistry returns an empty Registry.
func NewRegistry() *Registry { return &Registry{endpoints: make(map[name]*Endpoint)} }

// Endpoint returns the endpoint of that pool and address. It is made if it is
// not there; target then gives its Target, and an error of target's is returned
// as it is, with nothing made.
func (r *Registry) Endpoint(pool, address string, target func() (any, error)) (*Endpoint, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := name{pool, address}
	if e := r.endpoints[k]; e != nil {
		return e, nil
	}
	t, err := target()
	if err != nil {
		return nil, err
	}
	e := &Endpoint{Pool: pool, Address: address, Target: t}
	r.endpoints[k] = e
	return e, nil
}

// Sweep forgets the endpoints that are in none of the pools and have no lease,
// and returns how many. live are the pools of every generation that may still
// pick or is being built: an endpoint of any other is never leased again.
func (r *Registry) Sweep(live []*Pool) int {
	keep := make(map[*Endpoint]bool)
	for _, p := range live {
		for _, m := range p.Members {
			keep[m.Endpoint] = true
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.endpoints)
	maps.DeleteFunc(r.endpoints, func(_ name, e *Endpoint) bool {
		return !keep[e] && e.Open() == 0
	})
	return before - len(r.endpoints)
}

// All returns the endpoints that are there, in no order.
func (r *Registry) All() []*Endpoint {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Endpoint, 0, len(r.endpoints))
	for _, e := range r.endpoints {
		all = append(all, e)
	}
	return all
}
