package plain

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Frame types (RFC 9113 6).
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameGoAway       = 0x7
	frameHeader       = 9 // bytes
	flagEndStream     = 0x1
	enhanceYourCalm   = 0xb
	frameCreditChunks = 4 << 10
)

// clientPreface is what a connection begins with (RFC 9113 3.4).
const clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// The budgets of a connection. A client that works runs into none of them: a
// browser that leaves a page resets its hundred streams at once, a careful one
// grants window twice for every frame it gets.
var (
	// resetBudget is for streams that end by RST_STREAM from either side before
	// an answer: each costs a handler and a request to an endpoint
	// (CVE-2023-44487, CVE-2025-8671). Every answer earns two back:
	// its stream may end by a RST_STREAM from both sides, without harm.
	resetBudget = budget{burst: 500, rate: 50}
	// controlBudget is for frames that carry nothing: SETTINGS, PING, PRIORITY,
	// WINDOW_UPDATE, CONTINUATION, empty DATA and unknown types. Frames sent to
	// the client earn it back.
	controlBudget = budget{burst: 2000, rate: 200}
)

// budget is how many events a connection may have at once, and a second.
type budget struct{ burst, rate float64 }

// purse is what is left of a budget.
type purse struct {
	budget
	left float64
	at   time.Time
}

// spend takes one out. false: there is nothing left.
func (p *purse) spend(now time.Time) bool {
	p.left = min(p.burst, p.left+now.Sub(p.at).Seconds()*p.rate)
	p.at = now
	if p.left < 1 {
		return false
	}
	p.left--
	return true
}

func (p *purse) earn(n float64) { p.left = min(p.burst, p.left+n) }

// errFlood ends the reading of a connection whose client floods.
var errFlood = errors.New("too many frames that carry nothing")

// meter is the net.Conn that net/http serves HTTP/2 on. It looks at the frame
// headers both ways and counts what net/http does not: net/http bounds the
// streams, the handlers, the handlers that wait, the unsent control frames and
// the size of a header block, but lets a client that reads its answers send
// resets, pings, settings and empty frames as fast as it likes.
type meter struct {
	net.Conn
	c *h2conn

	in      walker // reader only
	preface int    // bytes of clientPreface that have come; reader only

	writing sync.Mutex // held during a Write
	out     walker     // guarded by writing

	mu      sync.Mutex // guards what follows
	resets  purse
	control purse
	flood   string // what the flood is made of, "" for none
}

func newMeter(nc net.Conn, c *h2conn) *meter {
	now := time.Now()
	return &meter{
		Conn: nc, c: c, in: walker{skip: len(clientPreface)},
		resets:  purse{budget: resetBudget, left: resetBudget.burst, at: now},
		control: purse{budget: controlBudget, left: controlBudget.burst, at: now},
	}
}

// walker finds the frame headers in a stream of frames.
type walker struct {
	skip   int // bytes to the next header
	n      int // bytes of head that are there
	head   [frameHeader]byte
	stream uint32 // the highest stream that a HEADERS frame has named
}

// walk calls f for every frame header in p.
func (w *walker) walk(p []byte, f func(kind, flags byte, length int)) {
	for len(p) > 0 {
		if w.skip > 0 {
			k := min(w.skip, len(p))
			w.skip -= k
			p = p[k:]
			continue
		}
		k := copy(w.head[w.n:], p)
		w.n += k
		p = p[k:]
		if w.n < frameHeader {
			return
		}
		w.n = 0
		w.skip = int(w.head[0])<<16 | int(w.head[1])<<8 | int(w.head[2])
		if w.head[3] == frameHeaders {
			w.stream = max(w.stream, binary.BigEndian.Uint32(w.head[5:])&(1<<31-1))
		}
		f(w.head[3], w.head[4], w.skip)
	}
}

// between tells whether a frame could begin here.
func (w *walker) between() bool { return w.skip == 0 && w.n == 0 }

// Read implements net.Conn.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	if n == 0 {
		return n, err
	}
	if !m.begins(p[:n]) {
		m.c.srv.tally.h2Error("bad_preface")
		m.linger()
		return 0, io.EOF
	}
	m.mu.Lock()
	now := time.Now()
	m.in.walk(p[:n], func(kind, flags byte, length int) {
		switch {
		case kind == frameHeaders, kind == frameGoAway, kind == frameData && (length > 0 || flags&flagEndStream != 0):
		case kind == frameReset:
			m.charge(&m.resets, now, "reset_flood")
		default:
			m.charge(&m.control, now, "control_flood")
		}
	})
	flood := m.flood
	m.mu.Unlock()
	if flood != "" {
		m.calm()
		m.c.srv.tally.h2Error(flood)
		return 0, errFlood
	}
	return n, err
}

// begins tells whether the connection begins as HTTP/2 does.
func (m *meter) begins(p []byte) bool {
	rest := clientPreface[m.preface:]
	k := min(len(rest), len(p))
	m.preface += k
	return string(p[:k]) == rest[:k]
}

// linger ends our direction of a connection that is not HTTP/2 and reads what
// is still sent, so that its client sees an end and no reset.
func (m *meter) linger() {
	s := m.c.srv
	w, ok := m.Conn.(interface{ CloseWrite() error })
	if s.lingering.Add(1) <= lingerMax && ok && w.CloseWrite() == nil {
		m.Conn.SetReadDeadline(time.Now().Add(lingerTime))
		io.Copy(io.Discard, m.Conn)
	}
	s.lingering.Add(-1)
}

func (m *meter) charge(p *purse, now time.Time, flood string) {
	if !p.spend(now) && m.flood == "" {
		m.flood = flood
	}
}

// Write implements net.Conn.
func (m *meter) Write(p []byte) (int, error) {
	m.writing.Lock()
	defer m.writing.Unlock()
	n, err := m.Conn.Write(p)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.out.walk(p[:n], func(kind, _ byte, length int) {
		switch kind {
		case frameReset:
			m.charge(&m.resets, time.Now(), "reset_flood")
		case frameHeaders:
			m.resets.earn(2)
			m.control.earn(4)
		case frameData:
			m.control.earn(float64(4 + 2*length/frameCreditChunks))
		}
	})
	return n, err
}

// calm tells the client why the connection ends, if that can be done between
// two frames and at once.
func (m *meter) calm() {
	if !m.writing.TryLock() {
		return
	}
	defer m.writing.Unlock()
	if !m.out.between() {
		return
	}
	var f [frameHeader + 8]byte
	f[2], f[3] = 8, frameGoAway
	binary.BigEndian.PutUint32(f[frameHeader:], m.in.stream)
	f[len(f)-1] = enhanceYourCalm
	m.Conn.SetWriteDeadline(time.Now().Add(time.Second))
	n, _ := m.Conn.Write(f[:])
	m.out.walk(f[:n], func(byte, byte, int) {})
}
