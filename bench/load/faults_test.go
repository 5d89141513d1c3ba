package load

import (
	"bytes"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// once makes a change at data frame number at of connection 1.
func once(at int, change func(f ws.Frame) []ws.Frame) func(conn, n int, f ws.Frame) []ws.Frame {
	return func(conn, n int, f ws.Frame) []ws.Frame {
		if conn == 1 && n == at {
			return change(f)
		}
		return []ws.Frame{f}
	}
}

func drop(ws.Frame) []ws.Frame     { return nil }
func invent(f ws.Frame) []ws.Frame { return []ws.Frame{f, ws.NewBinaryFrame(make([]byte, 64))} }
func double(f ws.Frame) []ws.Frame { return []ws.Frame{f, f} }
func reset(ws.Frame) []ws.Frame    { return []ws.Frame{cutHere} }
func byeFirst(f ws.Frame) []ws.Frame {
	return []ws.Frame{ws.NewCloseFrame(ws.NewCloseFrameBody(1001, "later")), f}
}
func maskIt(f ws.Frame) []ws.Frame { return []ws.Frame{ws.MaskFrame(f)} }
func flagIt(f ws.Frame) []ws.Frame { f.Header.Rsv = 4; return []ws.Frame{f} }
func shortenIt(f ws.Frame) []ws.Frame {
	f.Header.Length--
	f.Payload = f.Payload[1:]
	return []ws.Frame{f}
}

// flip changes one bit in the middle of a frame.
func flip(f ws.Frame) []ws.Frame {
	f.Payload[len(f.Payload)/2] ^= 1
	return []ws.Frame{f}
}

// swap lets frame at of connection 1 and the one after it change places.
func swap(g *faulty, at int) func(conn, n int, f ws.Frame) []ws.Frame {
	return func(conn, n int, f ws.Frame) []ws.Frame {
		switch {
		case conn == 1 && n == at:
			g.held = []ws.Frame{f}
			return nil
		case conn == 1 && n == at+1:
			return append([]ws.Frame{f}, g.held...)
		}
		return []ws.Frame{f}
	}
}

// cross sends frame at of connection 0 to connection 1 instead of its own.
func cross(g *faulty, at int) func(conn, n int, f ws.Frame) []ws.Frame {
	return func(conn, n int, f ws.Frame) []ws.Frame {
		switch {
		case conn == 0 && n == at:
			g.held = []ws.Frame{f}
			return nil
		case conn == 1 && len(g.held) > 0:
			out := append(g.held, f)
			g.held = nil
			return out
		}
		return []ws.Frame{f}
	}
}

// again sends frame at of connection 1 once more behind the next.
func again(g *faulty, at int) func(conn, n int, f ws.Frame) []ws.Frame {
	return func(conn, n int, f ws.Frame) []ws.Frame {
		switch {
		case conn == 1 && n == at:
			g.held = []ws.Frame{f}
		case conn == 1 && n == at+1:
			return append([]ws.Frame{f}, g.held...)
		}
		return []ws.Frame{f}
	}
}

// TestFaultsAreFound makes each fault at a message that comes in every run,
// however little of its time the machine gives it.
func TestFaultsAreFound(t *testing.T) {
	echo := Config{Mode: Echo, Conns: 3, InFlight: 4}
	down := Config{Mode: Down, Conns: 3, Size: 20_000}
	up := Config{Mode: Up, Conns: 3, Size: 20_000, InFlight: 3}
	room := Config{Mode: Fanout, Conns: 3}
	rooms := Config{Mode: Fanout, Conns: 6, Room: 1} // connections 0 and 1 are in different ones
	type change = func(conn, n int, f ws.Frame) []ws.Frame
	tests := []struct {
		name     string
		cfg      Config
		down, up func(g *faulty) change
		want     string
	}{
		{"echo dropped", echo, func(*faulty) change { return once(1, drop) }, nil, "lost"},
		{"request dropped", echo, nil, func(*faulty) change { return once(1, drop) }, "lost"},
		{"only echo dropped", Config{Mode: Echo, Conns: 3}, func(*faulty) change { return once(0, drop) }, nil, "lost"},
		{"echo doubled", echo, func(*faulty) change { return once(1, double) }, nil, "duplicate"},
		{"request doubled", echo, nil, func(*faulty) change { return once(1, double) }, "duplicate"},
		{"echo corrupt", echo, func(*faulty) change { return once(1, flip) }, nil, "corrupt"},
		{"request corrupt", echo, nil, func(*faulty) change { return once(1, flip) }, "corrupt"},
		{"echo shortened", echo, func(*faulty) change { return once(1, shortenIt) }, nil, "corrupt"},
		{"echoes swapped", echo, func(g *faulty) change { return swap(g, 1) }, nil, "reordered"},
		{"requests swapped", echo, nil, func(g *faulty) change { return swap(g, 1) }, "reordered"},
		{"echo to another", echo, func(g *faulty) change { return cross(g, 0) }, nil, "foreign"},
		{"request to another", echo, nil, func(g *faulty) change { return cross(g, 0) }, "foreign"},
		{"connection reset", echo, func(*faulty) change { return once(1, reset) }, nil, "cut"},
		{"closed by the gateway", echo, func(*faulty) change { return once(1, byeFirst) }, nil, "closed early"},
		{"masked echo", echo, func(*faulty) change { return once(1, maskIt) }, nil, "protocol"},
		{"reserved bit", echo, func(*faulty) change { return once(1, flagIt) }, nil, "protocol"},
		{"rate: dropped", Config{Mode: Rate, Conns: 3, Rate: 3000}, func(*faulty) change { return once(5, drop) }, nil, "lost"},
		{"idle: dropped", Config{Mode: Idle, Conns: 3}, func(*faulty) change { return once(0, drop) }, nil, "lost"},
		{"idle: something comes", Config{Mode: Idle, Conns: 3}, func(*faulty) change { return once(0, double) }, nil, "duplicate"},
		{"idle: never sent", Config{Mode: Idle, Conns: 3}, func(*faulty) change { return once(0, invent) }, nil, "unasked"},
		{"churn: corrupt", Config{Mode: Churn, Conns: 3}, func(*faulty) change { return once(0, flip) }, nil, "corrupt"},
		{"down: dropped", down, func(*faulty) change { return once(1, drop) }, nil, "lost"},
		{"down: doubled", down, func(*faulty) change { return once(1, double) }, nil, "duplicate"},
		{"down: swapped", down, func(g *faulty) change { return swap(g, 1) }, nil, "reordered"},
		{"down: corrupt", down, func(*faulty) change { return once(1, flip) }, nil, "corrupt"},
		{"down: to another", down, func(g *faulty) change { return cross(g, 0) }, nil, "foreign"},
		{"up: dropped", up, nil, func(*faulty) change { return once(1, drop) }, "lost"},
		{"up: doubled", up, nil, func(*faulty) change { return once(1, double) }, "duplicate"},
		{"up: corrupt", up, nil, func(*faulty) change { return once(1, flip) }, "corrupt"},
		{"up: swapped", up, nil, func(g *faulty) change { return swap(g, 1) }, "reordered"},
		{"fanout: dropped", room, func(*faulty) change { return once(1, drop) }, nil, "lost"},
		{"fanout: message dropped", room, nil, func(*faulty) change { return once(0, drop) }, "lost"},
		{"fanout: doubled", room, func(*faulty) change { return once(1, double) }, nil, "duplicate"},
		{"fanout: message doubled", room, nil, func(*faulty) change { return once(0, double) }, "duplicate"},
		{"fanout: an old one again", room, func(g *faulty) change { return again(g, 1) }, nil, "duplicate"},
		{"fanout: corrupt", room, func(*faulty) change { return once(1, flip) }, nil, "corrupt"},
		{"fanout: shortened", room, func(*faulty) change { return once(1, shortenIt) }, nil, "corrupt"},
		{"fanout: to another room", rooms, func(g *faulty) change { return cross(g, 0) }, nil, "foreign"},
		{"fanout: never sent", Config{Mode: Fanout, Conns: 3, Rate: 20}, func(*faulty) change { return once(0, invent) }, nil, "unasked"},
		{"fanout: a member is cut off", room, func(*faulty) change { return once(1, reset) }, nil, "cut"},
		{"fanout: at a rate, dropped", Config{Mode: Fanout, Conns: 3, Rate: 1000}, func(*faulty) change { return once(5, drop) }, nil, "lost"},
		{"idle: trickle dropped", Config{Mode: Idle, Conns: 3, Trickle: 1000}, func(*faulty) change { return once(2, drop) }, nil, "lost"},
		{"idle: trickle corrupt", Config{Mode: Idle, Conns: 3, Trickle: 1000}, func(*faulty) change { return once(2, flip) }, nil, "corrupt"},
		{"up: acknowledgement dropped", up, func(*faulty) change { return once(1, drop) }, nil, "lost"},
	}
	leaks(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := &faulty{}
			if tt.down != nil {
				g.down = tt.down(g)
			}
			if tt.up != nil {
				g.up = tt.up(g)
			}
			c := quickly(g.listen(t), tt.cfg)
			if c.Mode == Churn {
				c.Duration = 300 * time.Millisecond // or the end may come before the first message
			}
			c.Timeout = time.Second / 2 // what a lost reply is waited for
			r := mustRun(t, c)
			if r.Faults[tt.want] == 0 {
				t.Fatalf("want %q, got %v %q", tt.want, r.Faults, r.Examples)
			}
		})
	}
}

// TestLastMessageLost: nothing comes after it, only the count can tell.
func TestLastMessageLost(t *testing.T) {
	leaks(t)
	g := &faulty{}
	last := map[int]ws.Frame{}
	g.down = func(conn, n int, f ws.Frame) []ws.Frame {
		before, ok := last[conn]
		last[conn] = f
		if !ok {
			return nil
		}
		return []ws.Frame{before}
	}
	r := mustRun(t, quickly(g.listen(t), Config{Mode: Down, Conns: 2, Size: 5000}))
	if r.Faults["lost"] != 2 {
		t.Fatalf("%v %q", r.Faults, r.Examples)
	}
}

func TestOneInALongRun(t *testing.T) {
	leaks(t)
	total := 0
	g := &faulty{}
	g.down = func(conn, n int, f ws.Frame) []ws.Frame {
		if total++; total == 1500 {
			return nil
		}
		return []ws.Frame{f}
	}
	c := quickly(g.listen(t), Config{Mode: Rate, Conns: 10, Rate: 10_000})
	c.Duration, c.Timeout = 200*time.Millisecond, 2*time.Second
	r := mustRun(t, c)
	if r.Faults["lost"] != 1 || r.Answered != 1999 {
		t.Fatalf("%d answers, %v %q", r.Answered, r.Faults, r.Examples)
	}
}

func TestUpgradesThatFail(t *testing.T) {
	refuse := func(conn int, head []byte) []byte {
		if conn == 0 {
			return []byte("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		}
		return head
	}
	wrong := func(conn int, head []byte) []byte {
		if conn == 0 {
			return bytes.Replace(head, []byte("Accept: "), []byte("Accept: x"), 1)
		}
		return head
	}
	for name, head := range map[string]func(int, []byte) []byte{"refused": refuse, "wrong accept": wrong} {
		t.Run(name, func(t *testing.T) {
			leaks(t)
			g := &faulty{head: head}
			r := mustRun(t, quickly(g.listen(t), Config{Conns: 4}))
			if r.Faults["upgrade"] != 1 || r.FaultCount() != 1 || r.Opened != 3 || r.Closed != 3 {
				t.Fatalf("%+v", r)
			}
		})
	}
}
