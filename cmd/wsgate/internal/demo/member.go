package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

const reasonStopping = "the chat is stopping"

// member is one connection to the room. Three goroutines serve it: read, write
// and ping.
type member struct {
	conn    *websocket.Conn
	backend string

	// Set by room.join.
	room    *room
	id      uint64
	name    string        // under room.mu
	welcome []byte        // what write sends first
	queue   chan []byte   // and then
	people  chan struct{} // the count has changed

	ended  chan struct{} // closed by end
	code   websocket.StatusCode
	reason string // code and reason are valid after ended

	// Of the read goroutine.
	bucket  bucket
	refused int // messages over the rate, in a row
}

// end tells the goroutines to finish, and write to close with code unless it is
// 0. The room calls it once, when it lets the member go.
func (m *member) end(code websocket.StatusCode, reason string) {
	m.code, m.reason = code, reason
	close(m.ended)
}

// serve returns when the connection is closed and nobody uses m any longer. m
// has joined the room. When ctx ends, the connection is cut.
func (m *member) serve(ctx context.Context) {
	var others sync.WaitGroup
	others.Go(func() { m.write(ctx) })
	others.Go(func() { m.ping(ctx) })
	m.read(ctx)
	m.room.remove(m, 0, "")
	_ = m.conn.CloseNow()
	others.Wait()
}

// read handles what comes in until the connection ends. After the member's end
// it goes on reading, so that the answer to our Close is seen.
func (m *member) read(ctx context.Context) {
	limit := m.room.limits.message
	for {
		kind, r, err := m.conn.Reader(ctx)
		if err != nil {
			return
		}
		body, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
		if err != nil {
			return
		}
		switch {
		case len(body) > limit:
			m.room.remove(m, websocket.StatusMessageTooBig, fmt.Sprintf("a message has at most %d bytes", limit))
			if _, err := io.Copy(io.Discard, r); err != nil {
				return
			}
		case kind != websocket.MessageText:
			m.room.remove(m, websocket.StatusUnsupportedData, "text only")
		case !utf8.Valid(body):
			m.room.remove(m, websocket.StatusInvalidFramePayloadData, "text that is not utf-8")
		default:
			m.handle(body, time.Now())
		}
	}
}

// handle acts on one text message.
func (m *member) handle(body []byte, now time.Time) {
	if !m.bucket.take(now) {
		m.refused++
		switch {
		case m.refused == 1:
			m.room.refuse(m, "too many messages: wait a moment")
		case m.refused >= m.room.limits.refusals:
			m.room.remove(m, websocket.StatusPolicyViolation, "too many messages")
		}
		return
	}
	m.refused = 0
	var in inbound
	if err := json.Unmarshal(body, &in); err != nil {
		m.room.remove(m, websocket.StatusPolicyViolation, "not a chat message")
		return
	}
	switch in.Type {
	case "say":
		text, ok := cleanText(in.Text)
		if !ok {
			m.room.refuse(m, "an empty message")
			return
		}
		m.room.say(m, text, now)
	case "name":
		name, ok := cleanName(in.Name, m.room.limits.name)
		if !ok {
			m.room.refuse(m, "an empty name")
			return
		}
		m.room.rename(m, name)
	default:
		m.room.remove(m, websocket.StatusPolicyViolation, "not a chat message")
	}
}

// write sends the welcome, then what is queued, until the member's end.
func (m *member) write(ctx context.Context) {
	b := m.welcome
	m.welcome = nil
	for {
		if b != nil && !m.writeOne(ctx, b) {
			return
		}
		select {
		case <-m.ended:
			m.finish(ctx)
			return
		case b = <-m.queue:
		case <-m.people:
			b = m.room.count()
		}
	}
}

// finish closes the connection with the member's code, after what was queued for
// it, unless that is too much. Nothing is queued any longer.
func (m *member) finish(ctx context.Context) {
	if m.code == 0 {
		return
	}
	if m.code != websocket.StatusTryAgainLater {
		limited, cancel := context.WithTimeout(ctx, m.room.limits.write)
		defer cancel()
		for len(m.queue) > 0 {
			if !m.writeOne(limited, <-m.queue) {
				return
			}
		}
	}
	_ = m.conn.Close(m.code, m.reason) // waits for the answer, at most 5 s
}

// writeOne sends one message. False means that the connection has ended, and
// with it the read goroutine.
func (m *member) writeOne(ctx context.Context, b []byte) bool {
	limited, cancel := context.WithTimeout(ctx, m.room.limits.write)
	defer cancel()
	if err := m.conn.Write(limited, websocket.MessageText, b); err != nil {
		_ = m.conn.CloseNow()
		return false
	}
	return true
}

// ping finds out when the peer has gone without a word, and keeps what stands
// in between from taking the connection for an idle one.
func (m *member) ping(ctx context.Context) {
	t := time.NewTicker(m.room.limits.ping)
	defer t.Stop()
	for {
		select {
		case <-m.ended:
			return
		case <-t.C:
		}
		limited, cancel := context.WithTimeout(ctx, m.room.limits.pong)
		err := m.conn.Ping(limited)
		cancel()
		if err != nil {
			_ = m.conn.CloseNow()
			return
		}
	}
}
