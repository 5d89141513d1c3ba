package demo

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// room is the chat that both backends share. Its methods may be called from any
// goroutine, and none of them blocks: what is for a member goes to that member's
// queue, and a member whose queue is full is closed with 1013.
type room struct {
	limits limits
	id     string // tells one run of the room from the next

	guests sync.WaitGroup // everyone between enter and exit

	mu          sync.Mutex
	closed      bool
	entered     int // as guests
	members     map[*member]struct{}
	backends    map[string]int // members by backend
	history     []json.RawMessage
	lastMember  uint64
	lastMessage uint64
}

func newRoom(l limits) *room {
	return &room{
		limits:   l,
		id:       rand.Text(),
		members:  make(map[*member]struct{}),
		backends: make(map[string]int),
	}
}

// enter takes a place in the room; exit gives it back. False means that the
// room is full or closed.
func (r *room) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.entered >= r.limits.members {
		return false
	}
	r.entered++
	r.guests.Add(1)
	return true
}

func (r *room) exit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entered--
	r.guests.Done()
}

// wait returns when everyone has left; the room is closed by then.
func (r *room) wait() { r.guests.Wait() }

// join makes m, whose conn and backend are set, a member, and prepares its welcome.
// It comes before every other use of m.
func (r *room) join(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastMember++
	m.room, m.id, m.name = r, r.lastMember, fmt.Sprintf("guest-%d", r.lastMember)
	m.queue = make(chan []byte, r.limits.queue)
	m.people = make(chan struct{}, 1)
	m.ended = make(chan struct{})
	m.bucket = newBucket(r.limits, time.Now())
	if r.closed {
		m.end(websocket.StatusGoingAway, reasonStopping)
		return
	}
	m.welcome = encode(welcome{
		Type: "welcome", Room: r.id, You: m.id, Name: m.name, Backend: m.backend,
		History: append([]json.RawMessage{}, r.history...),
	})
	r.members[m] = struct{}{}
	r.backends[m.backend]++
	r.presence()
}

// say gives a message of m's to every member.
func (r *room) say(m *member, text string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.members[m]; !ok {
		return
	}
	r.lastMessage++
	b := encode(message{
		Type: "message", ID: r.lastMessage, Time: now.UnixMilli(),
		From: m.id, Name: m.name, Backend: m.backend, Text: text,
	})
	if len(r.history) >= r.limits.history {
		r.history = append(r.history[:0], r.history[1:]...)
	}
	r.history = append(r.history, b)
	for to := range r.members {
		r.deliver(to, b)
	}
}

// rename changes m's name and confirms it.
func (r *room) rename(m *member, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.name = name
	r.deliver(m, encode(named{Type: "named", Name: name}))
}

// refuse tells m why a message of its was not passed on.
func (r *room) refuse(m *member, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deliver(m, encode(refused{Type: "refused", Text: why}))
}

// remove takes m out of the room, if it is still in it. Its connection is then
// closed with code and reason, or left alone when code is 0.
func (r *room) remove(m *member, code websocket.StatusCode, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(m, code, reason)
}

// close refuses everyone from now on and closes what is there with 1001.
func (r *room) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for m := range r.members {
		r.drop(m, websocket.StatusGoingAway, reasonStopping)
	}
}

// count returns who is here, as a message.
func (r *room) count() []byte {
	r.mu.Lock()
	p := people{Type: "people", Count: len(r.members), Backends: maps.Clone(r.backends)}
	r.mu.Unlock()
	return encode(p)
}

// deliver queues b for m. The caller holds mu.
func (r *room) deliver(m *member, b []byte) {
	if _, ok := r.members[m]; !ok {
		return
	}
	select {
	case m.queue <- b:
	default:
		r.drop(m, websocket.StatusTryAgainLater, "reading too slowly")
	}
}

// drop is remove for a caller that holds mu.
func (r *room) drop(m *member, code websocket.StatusCode, reason string) {
	if _, ok := r.members[m]; !ok {
		return
	}
	delete(r.members, m)
	r.backends[m.backend]--
	m.end(code, reason)
	r.presence()
}

// presence lets every member know that the count has changed. However many
// changes there are, at most one notice waits for a member. The caller holds mu.
func (r *room) presence() {
	for m := range r.members {
		select {
		case m.people <- struct{}{}:
		default:
		}
	}
}
