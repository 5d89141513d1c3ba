package load

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func TestStormBringsAllBack(t *testing.T) {
	for name, c := range map[string]Config{
		"one loop":  {Conns: 40},
		"two loops": {Conns: 41, Loops: 2, Storms: 2, Warmup: 20 * time.Millisecond},
		"many":      {Conns: 500, Storms: 1},
	} {
		t.Run(name, func(t *testing.T) {
			leaks(t)
			c.Mode, c.Sources = Storm, sources(t)
			begins, ends := 0, 0
			c.Begin, c.End = func() { begins++ }, func() { ends++ }
			r := mustRun(t, quickly("ws://"+serve(t), c))
			if err := r.Err(); err != nil {
				t.Fatalf("%v %q", err, r.Examples)
			}
			storms := c.Storms
			if storms == 0 {
				storms = 3
			}
			n := int64(c.Conns * storms)
			s := r.Storm
			if len(s.Seconds) != storms || s.Reconnect.Count != n || r.Units != n || r.Answered != n || s.Attempts != n || len(s.Errors) > 0 {
				t.Errorf("%+v of %+v", s, r)
			}
			if r.Opened != n+int64(c.Conns) || r.Closed != int64(c.Conns) || begins != 1 || ends != 1 {
				t.Errorf("%d opened, %d closed, measured time began %d and ended %d times", r.Opened, r.Closed, begins, ends)
			}
			sum := 0.0
			for _, seconds := range s.Seconds {
				sum += seconds
			}
			if last := s.Seconds[storms-1]; last <= 0 || sum > r.Seconds+0.001 || s.Reconnect.Max > 1e6*sum+1000 {
				t.Errorf("storms of %v s in %v s, the slowest reconnect took %v us", s.Seconds, r.Seconds, s.Reconnect.Max)
			}
		})
	}
}

// TestStormErrorsOnTheWay: what fails before a place is back is no fault, but
// counted by name.
func TestStormErrorsOnTheWay(t *testing.T) {
	const conns = 5
	status := func(conn int, head []byte) []byte {
		if conn >= conns && conn < 2*conns {
			return []byte("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		}
		return head
	}
	ending := func(how ws.Frame) func(conn, n int, f ws.Frame) []ws.Frame {
		return func(conn, n int, f ws.Frame) []ws.Frame {
			if conn >= conns && conn < 2*conns {
				return []ws.Frame{how}
			}
			return []ws.Frame{f}
		}
	}
	bye := ws.NewCloseFrame(ws.NewCloseFrameBody(1013, "try again later"))
	for want, g := range map[string]*faulty{
		"status 503": {head: status},
		"reset":      {down: ending(cutHere)},
		"closed":     {down: ending(bye)},
	} {
		t.Run(want, func(t *testing.T) {
			leaks(t)
			r := mustRun(t, quickly(g.listen(t), Config{Mode: Storm, Conns: conns, Storms: 2}))
			if err := r.Err(); err != nil {
				t.Fatalf("%v %q", err, r.Examples)
			}
			if s := r.Storm; len(s.Seconds) != 2 || s.Attempts != 3*conns || len(s.Errors) != 1 || s.Errors[want] != conns {
				t.Fatalf("%+v", s)
			}
		})
	}
}

// TestStormNobodyLetsThemIn: places that never come back are faults, and the
// last storm is the one that they were lost in.
func TestStormNobodyLetsThemIn(t *testing.T) {
	const conns = 4
	for name, want := range map[string]string{"refused": "refused", "silent": "timeout", "status": "status 503"} {
		t.Run(name, func(t *testing.T) {
			leaks(t)
			g := &faulty{}
			var dead atomic.Bool
			if name == "status" {
				g.head = func(conn int, head []byte) []byte {
					if conn >= conns {
						return []byte("HTTP/1.1 503 Service Unavailable\r\n\r\n")
					}
					return head
				}
			} else {
				g.accepted = func(l net.Listener, c net.Conn) bool {
					if !dead.Load() {
						return true
					}
					if name == "refused" {
						l.Close()
					}
					return false
				}
			}
			c := quickly(g.listen(t), Config{Mode: Storm, Conns: conns})
			c.Timeout = 300 * time.Millisecond
			c.Begin = func() { dead.Store(true) }
			r := mustRun(t, c)
			if r.Faults["not back"] != conns || r.FaultCount() != conns || len(r.Storm.Seconds) != 0 || r.Units != 0 {
				t.Fatalf("%v %q, %+v", r.Faults, r.Examples, r.Storm)
			}
			if r.Storm.Errors[want] == 0 || r.Storm.Attempts < conns {
				t.Fatalf("%+v", r.Storm)
			}
		})
	}
}

// TestStormWrongAnswers: what follows no protocol is a fault on the way back too.
func TestStormWrongAnswers(t *testing.T) {
	const conns = 3
	later := func(change func(ws.Frame) []ws.Frame) func(conn, n int, f ws.Frame) []ws.Frame {
		return func(conn, n int, f ws.Frame) []ws.Frame {
			if conn == conns {
				return change(f)
			}
			return []ws.Frame{f}
		}
	}
	for want, g := range map[string]*faulty{
		"upgrade": {head: func(conn int, head []byte) []byte {
			if conn == conns {
				return []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
			}
			return head
		}},
		"corrupt":   {down: later(flip)},
		"duplicate": {down: later(double)},
		"protocol":  {down: later(flagIt)},
	} {
		t.Run(want, func(t *testing.T) {
			leaks(t)
			r := mustRun(t, quickly(g.listen(t), Config{Mode: Storm, Conns: conns, Storms: 1}))
			if r.Faults[want] != 1 || r.FaultCount() != 1 || len(r.Storm.Seconds) != 1 {
				t.Fatalf("%v %q, %+v", r.Faults, r.Examples, r.Storm)
			}
		})
	}
}

// TestStormInterrupted: in the middle, with places that wait for their turn.
func TestStormInterrupted(t *testing.T) {
	leaks(t)
	const conns = 6
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	g := &faulty{head: func(conn int, head []byte) []byte {
		if conn == 3*conns {
			cancel()
		}
		if conn >= conns {
			return []byte("HTTP/1.1 503 Service Unavailable\r\n\r\n")
		}
		return head
	}}
	r, err := Run(ctx, quickly(g.listen(t), Config{Mode: Storm, Conns: conns}))
	if err != nil || !r.Interrupted || r.FaultCount() != 0 || r.Storm.Errors["status 503"] == 0 {
		t.Fatalf("%+v, %+v, %v", r, r.Storm, err)
	}
}
