package plain

import (
	"context"
	"io"
	"net/http"
	"testing"

	"wsgate/eventloop/record"
)

// TestDrain: idle connections close at once, requests in flight finish, what
// outlasts the deadline is cut.
func TestDrain(t *testing.T) {
	arrived, release := make(chan struct{}, 2), make(chan struct{})
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			arrived <- struct{}{}
			<-release
		case "/never":
			arrived <- struct{}{}
			<-r.Context().Done()
		}
		io.WriteString(w, "ok")
	})
	w := newWorld(t, nil, addr)
	idle, slow, never, body, late := w.dial(), w.dial(), w.dial(), w.dial(), w.dial()
	idle.do("GET / HTTP/1.1\r\n"+host+"\r\n").want(t, 200, "ok")
	// One segment: what of the second request is there has been read with the first.
	late.do("GET / HTTP/1.1\r\n"+host+"\r\nGET /late HTTP/1.1\r\n").want(t, 200, "ok")
	slow.send("GET /slow HTTP/1.1\r\n" + host + "\r\n" + upgrade)
	never.send("GET /never HTTP/1.1\r\n" + host + "\r\n")
	body.send("POST /slow HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nab")
	for range 3 {
		<-arrived
	}
	ctx, cancel := context.WithCancel(context.Background())
	drained := make(chan error, 1)
	go func() { drained <- w.srv.Drain(ctx) }()
	idle.wantEnd()
	late.send(host + "\r\n")
	a := late.read("GET")
	a.want(t, 200, "ok")
	if !a.Close {
		t.Error("the last response does not announce the close")
	}
	close(release)
	a = slow.read("GET")
	a.want(t, 200, "ok")
	if !a.Close {
		t.Error("the last response does not announce the close")
	}
	slow.wantEnd()
	select {
	case err := <-drained:
		t.Fatalf("drained with a request in flight: %v", err)
	default:
	}
	cancel()
	if err := <-drained; err != context.Canceled {
		t.Errorf("drain: %v", err)
	}
	if _, err := io.ReadAll(never); err != nil {
		t.Logf("cut: %v", err)
	}
	n := record.NewCounters()
	w.srv.Counters(n)
	if n.Plain != 0 {
		t.Errorf("%d connections left", n.Plain)
	}
	for range 7 {
		r := w.log.next()
		if string(r.Target) == "/never" {
			if r.Who != record.Operator {
				t.Errorf("record %+v", r)
			}
			return
		}
	}
	t.Error("no record of the request that was cut")
}

// TestUpgradeWhileDraining: an upgrade is the loop's business, also then.
func TestUpgradeWhileDraining(t *testing.T) {
	w := newWorld(t, nil, answering(t, nil).addr)
	c := w.dial()
	c.do("GET /a HTTP/1.1\r\n"+host+"\r\n"+upgrade[:20]).want(t, 200, "GET /a")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- w.srv.Drain(ctx) }()
	c.send(upgrade[20:])
	if b := w.back(c); string(b.Unread) != upgrade {
		t.Errorf("given back %+v", b)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
