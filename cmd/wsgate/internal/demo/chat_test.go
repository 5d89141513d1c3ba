package demo

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func TestMembersOfBothBackendsMeet(t *testing.T) {
	w := newWorld(t, defaultLimits())
	north, south := w.join(0, nil), w.join(1, nil)
	if north.hi.Backend != "north" || south.hi.Backend != "south" {
		t.Errorf("backends %q and %q", north.hi.Backend, south.hi.Backend)
	}
	if north.hi.Room == "" || north.hi.Room != south.hi.Room || north.hi.You == south.hi.You {
		t.Errorf("rooms %q and %q, ids %d and %d", north.hi.Room, south.hi.Room, north.hi.You, south.hi.You)
	}
	for i, from := range []*client{north, south} {
		text := fmt.Sprintf("<b>message</b> %d & \"quotes\"", i)
		from.say(text)
		for _, to := range []*client{north, south} {
			m := to.next("message")
			want := anyMessage{
				Type: "message", ID: uint64(i + 1), Time: m.Time, From: from.hi.You,
				Name: from.hi.Name, Backend: from.hi.Backend, Text: text,
			}
			if m.ID != want.ID || m.From != want.From || m.Name != want.Name || m.Backend != want.Backend || m.Text != want.Text || m.Time == 0 {
				t.Errorf("got %+v, want %+v", m, want)
			}
		}
	}
}

func TestPeopleAreCounted(t *testing.T) {
	w := newWorld(t, defaultLimits())
	north := w.join(0, nil)
	until := func(count int, backends map[string]int) {
		t.Helper()
		for {
			m := north.next("people")
			sum := 0
			for _, n := range m.Backends {
				sum += n
			}
			if sum != m.Count {
				t.Fatalf("%d people, but %v", m.Count, m.Backends)
			}
			if m.Count == count && maps.Equal(m.Backends, backends) {
				return
			}
		}
	}
	until(1, map[string]int{"north": 1})
	south := w.join(1, nil)
	until(2, map[string]int{"north": 1, "south": 1})
	if err := south.conn.Close(websocket.StatusGoingAway, ""); err != nil {
		t.Fatal(err)
	}
	until(1, map[string]int{"north": 1, "south": 0})
	lost := w.join(1, nil)
	until(2, map[string]int{"north": 1, "south": 1})
	_ = lost.conn.CloseNow() // without a close frame
	until(1, map[string]int{"north": 1, "south": 0})
}

func TestNames(t *testing.T) {
	w := newWorld(t, defaultLimits())
	c := w.join(0, nil)
	if want := fmt.Sprintf("guest-%d", c.hi.You); c.hi.Name != want {
		t.Errorf("first name %q, want %q", c.hi.Name, want)
	}
	c.send(inbound{Type: "name", Name: "  Ada \n Lovelace "})
	if m := c.next("named"); m.Name != "Ada Lovelace" {
		t.Errorf("name %q", m.Name)
	}
	c.say("hello")
	if m := c.next("message"); m.Name != "Ada Lovelace" {
		t.Errorf("message from %q", m.Name)
	}
	c.send(inbound{Type: "name", Name: " \t"})
	if m := c.next("refused"); m.Text == "" {
		t.Error("refused without a reason")
	}
	c.say(" \u202e ")
	if m := c.next("refused"); m.Text == "" {
		t.Error("refused without a reason")
	}
}

func TestHistory(t *testing.T) {
	l := freeLimits()
	w := newWorld(t, l)
	c := w.join(0, nil)
	total := l.history + 7
	for i := range total {
		c.say(fmt.Sprint(i))
		c.next("message")
	}
	late := w.join(1, nil)
	if len(late.hi.History) != l.history {
		t.Fatalf("%d messages of history, want %d", len(late.hi.History), l.history)
	}
	for i, b := range late.hi.History {
		var m anyMessage
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		n := total - l.history + i
		if m.Text != fmt.Sprint(n) || m.ID != uint64(n+1) {
			t.Errorf("history %d is %q with id %d", i, m.Text, m.ID)
		}
	}
	if first := w.join(0, nil); string(first.hi.History[0]) != string(late.hi.History[0]) {
		t.Error("two members see different histories")
	}
}

func TestWhatEndsAConnection(t *testing.T) {
	l := freeLimits()
	envelope := len(encode(inbound{Type: "say"}))
	text := func(v any) []byte { return encode(v) }
	for name, c := range map[string]struct {
		kind websocket.MessageType
		body []byte
		code websocket.StatusCode
	}{
		"longer than the limit":     {websocket.MessageText, text(inbound{Type: "say", Text: strings.Repeat("a", l.message-envelope+1)}), websocket.StatusMessageTooBig},
		"much longer":               {websocket.MessageText, make([]byte, 1<<20), websocket.StatusMessageTooBig},
		"binary":                    {websocket.MessageBinary, text(inbound{Type: "say", Text: "a"}), websocket.StatusUnsupportedData},
		"not utf-8":                 {websocket.MessageText, []byte("{\"type\":\"say\",\"text\":\"\xff\"}"), websocket.StatusInvalidFramePayloadData},
		"not json":                  {websocket.MessageText, []byte("hello"), websocket.StatusPolicyViolation},
		"empty":                     {websocket.MessageText, nil, websocket.StatusPolicyViolation},
		"of a type that nobody has": {websocket.MessageText, []byte(`{"type":"welcome"}`), websocket.StatusPolicyViolation},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, l)
			bad, other := w.join(0, nil), w.join(1, nil)
			bad.sendRaw(c.kind, c.body)
			if e := bad.closed(); e.Code != c.code || e.Reason == "" && c.code != websocket.StatusInternalError {
				t.Errorf("closed with %v %q, want %v", e.Code, e.Reason, c.code)
			}
			other.say("still here")
			if m := other.next("message"); m.Text != "still here" || m.ID != 1 {
				t.Errorf("got %+v", m)
			}
		})
	}
}

func TestLongestMessagePasses(t *testing.T) {
	l := defaultLimits()
	w := newWorld(t, l)
	c := w.join(0, nil)
	text := strings.Repeat("a", l.message-len(encode(inbound{Type: "say"})))
	c.say(text)
	if m := c.next("message"); m.Text != text {
		t.Errorf("%d bytes came back, %d were sent", len(m.Text), len(text))
	}
}

func TestRate(t *testing.T) {
	l := defaultLimits()
	l.burst, l.rate, l.refusals = 3, 0, 4
	w := newWorld(t, l)
	fast, other := w.join(0, nil), w.join(0, nil)
	for i := range l.burst + l.refusals {
		fast.say(fmt.Sprint(i))
	}
	for i := range l.burst {
		if m := fast.next("message"); m.Text != fmt.Sprint(i) {
			t.Errorf("message %d is %q", i, m.Text)
		}
	}
	if e := fast.closed(); e.Code != websocket.StatusPolicyViolation {
		t.Errorf("closed with %v", e.Code)
	}
	for range l.burst {
		other.next("message")
	}
	other.say("mine")
	if m := other.next("message"); m.Text != "mine" {
		t.Errorf("after the burst came %q", m.Text)
	}
}

func TestRefusedOnce(t *testing.T) {
	l := defaultLimits()
	l.burst, l.rate = 1, 0
	w := newWorld(t, l)
	c, other := w.join(0, nil), w.join(0, nil)
	for range 10 {
		c.say("x")
	}
	c.next("message")
	c.next("refused")
	// The count of people is the next thing that c hears: the other nine are
	// not refused one by one.
	_ = other.conn.CloseNow()
	for {
		_, b, err := c.conn.Read(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		var m anyMessage
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		if m.Type != "people" {
			t.Fatalf("got %s", b)
		}
		if m.Count == 1 {
			return
		}
	}
}

// A member that does not read costs the others nothing, and is told why it ends.
func TestSlowMember(t *testing.T) {
	l := freeLimits()
	l.queue = 8
	l.write = testLimit
	w := newWorld(t, l)
	slow, fast := w.join(0, nil), w.join(1, nil)
	text := strings.Repeat("x", l.message/2)
	const most = 1 << 15 // more than any socket buffers here can take
	sent := 0
	for dropped := false; !dropped; sent++ {
		if sent == most {
			t.Fatalf("a member that does not read was given %d messages", sent)
		}
		fast.say(text)
		if m := fast.next("message"); m.ID != uint64(sent+1) {
			t.Fatalf("message %d has id %d", sent, m.ID)
		}
		w.backends.room.mu.Lock()
		dropped = len(w.backends.room.members) == 1
		w.backends.room.mu.Unlock()
	}
	if e := slow.closed(); e.Code != websocket.StatusTryAgainLater {
		t.Errorf("closed with %v", e.Code)
	}
}

func TestFullRoom(t *testing.T) {
	l := defaultLimits()
	l.members = 1
	w := newWorld(t, l)
	first := w.join(0, nil)
	_, resp, err := w.dial(1, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Fatalf("second member: %v, %+v", err, resp)
	}
	if err := first.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	// The place is free when the handler has returned, a moment after the close.
	for w.ctx.Err() == nil {
		if conn, _, err := w.dial(1, nil); err == nil {
			_ = conn.CloseNow()
			return
		}
	}
	t.Error("the place was not given back")
}

func TestForeignOrigin(t *testing.T) {
	w := newWorld(t, defaultLimits())
	_, resp, err := w.dial(0, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://elsewhere.example"}}})
	if err == nil || resp == nil || resp.StatusCode != http.StatusForbidden {
		t.Fatalf("%v, %+v", err, resp)
	}
	own := http.Header{"Origin": {"http://" + w.backends.Addresses()[0]}}
	w.join(0, &websocket.DialOptions{HTTPHeader: own})
}
