package lb

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// members returns one member for each weight, named a, b, c and so on.
func members(t testing.TB, weights ...int) []Member {
	t.Helper()
	r := NewRegistry()
	var m []Member
	for i, w := range weights {
		e, err := r.Endpoint("p", name1(i), func() (any, error) { return i, nil })
		if err != nil {
			t.Fatal(err)
		}
		m = append(m, Member{Endpoint: e, Weight: w})
	}
	return m
}

func name1(i int) string {
	if i < 26 {
		return string(rune('a' + i))
	}
	return fmt.Sprint("m", i)
}

func pick(t testing.TB, p Picker) string {
	t.Helper()
	var tried Tried
	e, ok := p.Pick(&tried)
	if !ok {
		t.Fatal("none left of all")
	}
	return e.Address
}

func sequence(t testing.TB, p Picker, n int) string {
	t.Helper()
	var s strings.Builder
	for range n {
		s.WriteString(pick(t, p))
	}
	return s.String()
}

// The sequences are nginx's: the first is the example of the commit that
// brought smooth weighted round robin to it.
func TestSequence(t *testing.T) {
	for _, tc := range []struct {
		weights []int
		want    string
	}{
		{[]int{5, 1, 1}, "aabacaa" + "aabacaa"},
		{[]int{1}, "aaa"},
		{[]int{7}, "aaa"},
		{[]int{1, 1, 1}, "abcabc"},
		{[]int{100, 100, 100}, "abcabc"},
		{[]int{2, 1}, "abaaba"},
		{[]int{20, 10}, "abaaba"},
		{[]int{1, 2, 3}, "cbacbc"},
		{[]int{0, -3}, "abab"},
	} {
		if got := sequence(t, NewRoundRobin(members(t, tc.weights...)), len(tc.want)); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.weights, got, tc.want)
		}
	}
}

// naive is smooth weighted round robin as nginx does it: at each request.
type naive struct{ weight, current []int }

func (n *naive) next() int {
	best, total := -1, 0
	for i := range n.weight {
		n.current[i] += n.weight[i]
		total += n.weight[i]
		if best < 0 || n.current[i] > n.current[best] {
			best = i
		}
	}
	n.current[best] -= total
	return best
}

func TestSharesAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		weights := make([]int, 1+rng.IntN(12))
		for i := range weights {
			weights[i] = 1 + rng.IntN(20)
		}
		m := members(t, weights...)
		p := NewRoundRobin(m)
		model := &naive{weights, make([]int, len(weights))}
		for step := range 500 {
			if got, want := pick(t, p), m[model.next()].Endpoint.Address; got != want {
				t.Fatalf("weights %v, step %d: %s, want %s", weights, step, got, want)
			}
		}
	}
}

func TestSharesOfHugeWeights(t *testing.T) {
	for _, weights := range [][]int{
		{1_000_000, 999_999, 1},
		{math.MaxInt64, math.MaxInt64 - 1, 1},
		{1 << 40, 3},
	} {
		p := NewRoundRobin(members(t, weights...)).(*roundRobin)
		if len(p.turn) > maxTurn+len(weights) {
			t.Fatalf("%v: a turn of %d", weights, len(p.turn))
		}
		got := make([]int, len(weights))
		for _, i := range p.turn {
			got[i]++
		}
		var total float64
		for _, w := range weights {
			total += float64(w)
		}
		for i, w := range weights {
			want := float64(w) / total * float64(len(p.turn))
			if got[i] < 1 || math.Abs(float64(got[i])-want) > float64(len(weights)) {
				t.Errorf("%v: member %d has %d slots of %d, want %.1f", weights, i, got[i], len(p.turn), want)
			}
		}
	}
}

// Whole turns are dealt out exactly, whoever picks.
func TestExactWhenConcurrent(t *testing.T) {
	weights := []int{5, 1, 3, 7}
	const goroutines, turns = 8, 400
	pool, err := NewPool("p", "round_robin", members(t, weights...))
	if err != nil {
		t.Fatal(err)
	}
	const slots = 16 // the sum of the weights
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range turns * slots / goroutines {
				var tried Tried
				e, ok := pool.Pick(&tried)
				if !ok {
					t.Error("none left")
					return
				}
				e.Acquire()
			}
		})
	}
	wg.Wait()
	for i, m := range pool.Members {
		if got := m.Endpoint.Open(); got != int64(weights[i]*turns) {
			t.Errorf("weight %d: %d of %d", weights[i], got, weights[i]*turns)
		}
	}
}

func TestTriedMembersAreNotPickedAgain(t *testing.T) {
	for _, size := range []int{1, 2, 3, 63, 64, 65, 129, 300} {
		weights := make([]int, size)
		for i := range weights {
			weights[i] = 1 + i%4
		}
		p := NewRoundRobin(members(t, weights...))
		var tried Tried
		for round := range 3 {
			seen := map[*Endpoint]bool{}
			for range size {
				e, ok := p.Pick(&tried)
				if !ok || seen[e] {
					t.Fatalf("size %d, round %d: %d picked, then %v %v", size, round, len(seen), ok, e)
				}
				seen[e] = true
			}
			if e, ok := p.Pick(&tried); ok || e != nil || tried.Count() != size {
				t.Fatalf("size %d: picked %v when none was left, %d tried", size, e, tried.Count())
			}
			tried.Reset()
		}
	}
}

// A request that comes back for another endpoint does not disturb the order of
// the slots that others get.
func TestRetryTakesNextUntried(t *testing.T) {
	p := NewRoundRobin(members(t, 5, 1, 1)) // aabacaa
	var tried Tried
	for _, want := range []string{"a", "b", "c"} {
		e, ok := p.Pick(&tried)
		if !ok || e.Address != want {
			t.Fatalf("got %v, want %s", e, want)
		}
	}
	if got := sequence(t, p, 4); got != "acaa" {
		t.Errorf("the rest of the turn is %s", got)
	}
}

func TestPickAllocates(t *testing.T) {
	for size, want := range map[int]float64{3: 0, 64: 0, 65: 1} {
		weights := make([]int, size)
		for i := range weights {
			weights[i] = 1
		}
		pool, err := NewPool("p", "", members(t, weights...))
		if err != nil {
			t.Fatal(err)
		}
		var tried Tried
		if n := testing.AllocsPerRun(100, func() {
			tried = Tried{}
			for range size {
				e, _ := pool.Pick(&tried)
				e.Acquire()
				e.Release()
			}
		}); n != want {
			t.Errorf("%d members: %v allocations, want %v", size, n, want)
		}
	}
}

func TestNewPool(t *testing.T) {
	m := members(t, 1, 2)
	for _, tc := range []struct {
		policy  string
		members []Member
		want    error
	}{
		{"least_connections", m, ErrPolicy},
		{"round_robin", nil, ErrEmpty},
		{"round_robin", []Member{{m[0].Endpoint, 0}}, ErrWeight},
		{"round_robin", []Member{m[0], {m[1].Endpoint, -1}}, ErrWeight},
	} {
		if p, err := NewPool("p", tc.policy, tc.members); !errors.Is(err, tc.want) || p != nil {
			t.Errorf("%s %v: %v, want %v", tc.policy, tc.members, err, tc.want)
		}
	}
	p, err := NewPool("p", "", []Member{m[1], m[0], m[1]})
	if err != nil || len(p.Members) != 2 || p.Members[0] != (Member{m[1].Endpoint, 4}) || p.Members[1] != m[0] {
		t.Errorf("an endpoint named twice: %+v, %v", p, err)
	}
	if m[1].Weight != 2 {
		t.Error("the caller's members have been changed")
	}
}

func BenchmarkPick(b *testing.B) {
	pool, err := NewPool("p", "", members(b, 5, 1, 3, 7))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var tried Tried
		for pb.Next() {
			tried.Reset()
			e, _ := pool.Pick(&tried)
			e.Acquire()
			e.Release()
		}
	})
}
