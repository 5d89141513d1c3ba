package lb

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// Errors of NewPool.
var (
	ErrPolicy = errors.New("unknown policy")
	ErrEmpty  = errors.New("no endpoint")
	ErrWeight = errors.New("weight is below 1")
)

// Member is an endpoint's place in a pool.
type Member struct {
	Endpoint *Endpoint
	// Weight is its share of the pool's requests against the other members'.
	Weight int
}

// Picker chooses among the members of one pool.
type Picker interface {
	// Pick returns a member that is not in t and adds it to t; false means that
	// none is left. It is safe for concurrent use (each caller with its own t),
	// takes no lock and allocates nothing, but see Tried.
	Pick(t *Tried) (*Endpoint, bool)
}

// Pool is the members of an upstream and the way to choose among them. It is
// immutable.
type Pool struct {
	// Name is the upstream's name in the configuration.
	Name string
	// Members are in the order of the configuration. They are not to be changed.
	Members []Member
	// TLS returns the configuration of connections to the endpoint with an
	// address; nil: they are plain. It is set before the pool is used, may be
	// called on any goroutine, and what it returns is not changed.
	TLS func(address string) *tls.Config

	picker Picker
}

// NewPool builds a pool. policy is "round_robin", which is also what "" means.
// An endpoint named twice is one member with the sum of the weights.
func NewPool(name, policy string, members []Member) (*Pool, error) {
	if len(members) == 0 {
		return nil, ErrEmpty
	}
	p := &Pool{Name: name, Members: make([]Member, 0, len(members))}
	at := make(map[*Endpoint]int, len(members))
	for _, m := range members {
		if m.Weight < 1 {
			return nil, fmt.Errorf("endpoint %s: %w", m.Endpoint.Address, ErrWeight)
		}
		if i, ok := at[m.Endpoint]; ok {
			p.Members[i].Weight += m.Weight
			continue
		}
		at[m.Endpoint] = len(p.Members)
		p.Members = append(p.Members, m)
	}
	switch policy {
	case "", "round_robin":
		p.picker = NewRoundRobin(p.Members)
	default:
		return nil, fmt.Errorf("%w: %s", ErrPolicy, policy)
	}
	return p, nil
}

// Pick chooses by the pool's policy: see Picker.
func (p *Pool) Pick(t *Tried) (*Endpoint, bool) { return p.picker.Pick(t) }

// Tried is the set of a pool's members that one request has been given
// already. The zero value is empty. It is a value of one request and one pool:
// members are known by their places in it. The first 64 members cost no
// allocation; a picked member beyond them costs one for the request.
type Tried struct {
	low  uint64
	high []uint64 // bit i is member 64+i
	n    int
}

// Count returns how many members are in the set.
func (t *Tried) Count() int { return t.n }

// Reset empties the set and keeps its memory.
func (t *Tried) Reset() {
	clear(t.high)
	t.low, t.n = 0, 0
}

func (t *Tried) has(i int) bool {
	if i < 64 {
		return t.low>>i&1 != 0
	}
	i -= 64
	return i>>6 < len(t.high) && t.high[i>>6]>>(i&63)&1 != 0
}

// add puts member i, which is not in the set, of a pool of size members into it.
func (t *Tried) add(i, size int) {
	t.n++
	if i < 64 {
		t.low |= 1 << i
		return
	}
	if t.high == nil {
		t.high = make([]uint64, (size-1)>>6)
	}
	i -= 64
	t.high[i>>6] |= 1 << (i & 63)
}
