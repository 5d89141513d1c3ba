package e2e

import (
	"fmt"
	"sync/atomic"
	"time"
)

// A pair is a session whose two ends a test holds: the client's connection and
// the backend's, both upgraded.
type pair struct {
	client, backend *wire
}

// An arrival is an upgraded connection at a backend, and the mark that its
// client's request carried.
type arrival struct {
	*wire
	mark string
}

// markField tells the sessions of a test apart, and from those of whoever else
// on the machine finds a port that used to be somebody else's.
const markField = "X-E2e-Mark"

var marks atomic.Int64

// handBackend is a backend that upgrades and hands its connections to the
// test.
func (w *world) handBackend() (addr string, accepted chan arrival) {
	accepted = make(chan arrival, 1024)
	over := make(chan struct{})
	addr = w.rawBackend(func(c *wire) {
		head, err := accept101(c)
		if err != nil {
			return
		}
		if mark := field(string(head), markField); len(mark) == 1 {
			accepted <- arrival{c, mark[0]}
			<-over
		}
	})
	w.atEnd(func() { close(over) })
	return addr, accepted
}

// pair opens a session to path and takes its backend's end.
func (g *gateway) pair(path string, accepted chan arrival) pair {
	g.w.t.Helper()
	mark := fmt.Sprintf("%p-%d", g, marks.Add(1))
	client := g.open(path, markField+": "+mark)
	limit := time.After(wireLimit)
	for {
		select {
		case backend := <-accepted:
			if backend.mark != mark {
				continue // not one of this test's
			}
			backend.extend()
			return pair{client, backend.wire}
		case <-limit:
			g.w.t.Fatalf("session %s never arrived at the backend", mark)
		}
	}
}
