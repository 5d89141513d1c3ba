package lb

import "sync/atomic"

// maxTurn bounds the length of a precomputed turn.
const maxTurn = 1 << 16

// maxWork bounds the steps spent on precomputing, turn times members.
const maxWork = 1 << 26

// roundRobin deals the slots of one turn out in order, over and over.
type roundRobin struct {
	endpoints []*Endpoint
	turn      []int32 // indexes of endpoints
	cursor    atomic.Uint64
}

// NewRoundRobin returns smooth weighted round robin: the sequence nginx has, in
// which a member of weight w has w of the slots of a turn, spread over it. The
// turn is computed once; a pick moves one atomic cursor, so that the shares of
// every whole turn are exact, whatever number of goroutines pick. A slot whose
// member was tried already goes to the next in the sequence that was not.
//
// Weights below 1 count as 1. A turn is the sum of the weights divided by their
// greatest common divisor, at most 65,536 slots (fewer for pools of more than
// 1,024 members): beyond that shares are rounded to slots.
func NewRoundRobin(members []Member) Picker {
	r := &roundRobin{endpoints: make([]*Endpoint, len(members))}
	weights := make([]int64, len(members))
	for i, m := range members {
		r.endpoints[i] = m.Endpoint
		weights[i] = int64(max(m.Weight, 1))
	}
	r.turn = smooth(fit(weights))
	return r
}

// Pick implements Picker.
func (r *roundRobin) Pick(t *Tried) (*Endpoint, bool) {
	size := len(r.endpoints)
	if t.n >= size {
		return nil, false
	}
	at := int((r.cursor.Add(1) - 1) % uint64(len(r.turn)))
	for t.has(int(r.turn[at])) {
		// Every member has a slot, and one is not in t.
		if at++; at == len(r.turn) {
			at = 0
		}
	}
	i := int(r.turn[at])
	t.add(i, size)
	return r.endpoints[i], true
}

// fit divides the weights by their greatest common divisor and, if the turn
// would be too long, scales them down, each to 1 at least.
func fit(weights []int64) []int64 {
	if len(weights) == 0 {
		return weights
	}
	divisor := weights[0]
	for _, w := range weights[1:] {
		divisor = gcd(divisor, w)
	}
	longest := max(int64(len(weights)), min(maxTurn, maxWork/int64(len(weights))))
	var total float64
	for i := range weights {
		weights[i] /= divisor
		total += float64(weights[i])
	}
	if total <= float64(longest) {
		return weights
	}
	for i, w := range weights {
		weights[i] = max(1, int64(float64(w)*float64(longest)/total))
	}
	return weights
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// smooth computes one turn: at each step every member gains its weight, and the
// one that has most, the first of equals, is picked and pays the sum.
func smooth(weights []int64) []int32 {
	var total int64
	for _, w := range weights {
		total += w
	}
	turn := make([]int32, 0, total)
	current := make([]int64, len(weights))
	for range total {
		best := 0
		for i, w := range weights {
			current[i] += w
			if current[i] > current[best] {
				best = i
			}
		}
		current[best] -= total
		turn = append(turn, int32(best))
	}
	return turn
}
