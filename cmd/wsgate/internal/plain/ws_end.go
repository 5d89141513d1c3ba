package plain

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"wsgate/eventloop/record"
	sm "wsgate/eventloop/session"
)

// startTimer sets the relay's timer. The half-close timer leaves room for the
// grace that follows it.
func (t *tunnel) startTimer(k sm.Timer) {
	set := t.x.set
	switch k {
	case sm.HalfCloseTimer:
		t.expires = time.Now().Add(max(set.HalfClose-grace, set.HalfClose/2))
	case sm.CloseTimer:
		t.expires = time.Now().Add(set.Close)
	case sm.GraceTimer:
		t.expires = time.Now().Add(grace)
	default:
		t.expires = time.Time{}
	}
}

// idle returns the idle timeout: the route's own, or the general one.
func (t *tunnel) idle() time.Duration {
	if d := t.x.route.IdleTimeout; d > 0 {
		return d
	}
	return t.x.set.Idle
}

// arm sets the timer to the earliest deadline that the session runs under.
func (t *tunnel) arm() {
	at := t.expires
	earlier := func(o time.Time) {
		if at.IsZero() || o.Before(at) {
			at = o
		}
	}
	if d := t.idle(); d > 0 && !t.relay.Closing() {
		earlier(t.active.Add(d))
	}
	for i := range t.half {
		if h := &t.half[i]; t.x.set.Send > 0 && (h.writing || h.sending) && !h.lost {
			earlier(h.since.Add(t.x.set.Send))
		}
	}
	if at.IsZero() {
		t.timer.Stop()
		return
	}
	t.timer.Reset(max(time.Until(at), 0))
}

// expired finds out which of the deadlines has come.
func (t *tunnel) expired() {
	now := time.Now()
	if !t.expires.IsZero() && !now.Before(t.expires) {
		t.expires = time.Time{}
		t.step(sm.Event{Kind: sm.Expired})
		return
	}
	for i := range t.half {
		h := &t.half[i]
		if t.x.set.Send > 0 && (h.writing || h.sending) && !h.lost && now.Sub(h.since) >= t.x.set.Send {
			t.step(sm.Event{Kind: sm.Stalled, Dir: h.dir})
			return
		}
	}
	if d := t.idle(); d > 0 && !t.relay.Closing() && now.Sub(t.active) >= d {
		t.step(sm.Event{Kind: sm.Shut, Code: 1001, Who: record.Gateway, Why: "idle_timeout"})
	}
}

// finish wakes the workers, waits for them and writes the record. The stream
// ends with END_STREAM, or with RST_STREAM where the relay has broken off.
func (t *tunnel) finish() {
	fault := recover()
	t.timer.Stop()
	t.st.c.removeTunnel(t)
	if fault != nil {
		t.relay.Kill(record.Internal, "panic")
		t.abort = true
	}
	down := &t.half[sm.Down]
	if t.abort || down.writing || down.sending {
		t.st.reset()
	}
	if up := &t.half[sm.Up]; !up.finSent {
		resetConn(t.conn)
	}
	t.conn.Close()
	t.body.Close()
	for _, c := range t.cmd {
		close(c)
	}
	t.work.Wait()
	t.logClose()
	switch {
	case fault != nil:
		panic(fault)
	case t.abort:
		panic(http.ErrAbortHandler)
	}
}

// logOpen writes the line of an opened session.
func (t *tunnel) logOpen(o *opening) {
	x := t.x
	x.srv.opt.Log.Open(&record.Open{
		ID: t.id, Time: t.opened, Client: x.client, Peer: x.info.Peer, Listener: x.info.Listener,
		Host: x.span(x.req.Host), Target: x.span(x.req.Target), Origin: x.span(x.req.Origin),
		UserAgent: x.span(x.req.UserAgent), Proto: "HTTP/2",
		Route: t.key.Route, Pool: t.key.Pool, Endpoint: t.key.Endpoint,
		Tries: x.tries, UpgradeTime: t.opened.Sub(x.began),
		Subprotocol: o.resp.Subprotocol(o.in), Extensions: o.resp.Extensions(o.in),
	})
}

// logClose writes the line of a session that has ended, and counts its end.
func (t *tunnel) logClose() {
	end := t.relay.End
	up, down := &t.half[sm.Up], &t.half[sm.Down]
	c := record.Close{
		ID: t.id, Time: time.Now(), Opened: t.opened, Client: t.x.client,
		Route: t.key.Route, Pool: t.key.Pool, Endpoint: t.key.Endpoint,
		Up:   record.Direction{Bytes: up.bytes, Messages: up.scan.Messages()},
		Down: record.Direction{Bytes: down.bytes, Messages: down.scan.Messages()},
		Code: end.Code, Who: end.Who, Phase: end.Phase, Why: end.Why,
		Discarded: up.discarded + down.discarded,
		Truncated: up.truncated() || down.truncated(),
	}
	if end.Why == "close" {
		from := up
		if end.Who == record.Upstream {
			from = down
		}
		c.Code, c.Reason, _ = from.scan.Closed()
	}
	if v := up.scan.Violation(); v != "" {
		c.Violation, c.Violator = v, record.Client
	} else if v := down.scan.Violation(); v != "" {
		c.Violation, c.Violator = v, record.Upstream
	}
	t.x.srv.tally.closed(t.key, record.EndKey{Who: end.Who, Phase: end.Phase, Why: end.Why}, c.Discarded)
	t.x.srv.opt.Log.Close(&c)
}

// newID returns the log id of a session: the clock in nanoseconds, as the ids
// of the loops began with, and never the same twice.
func (s *Server) newID() record.ID {
	for {
		last := s.lastID.Load()
		id := max(last+1, uint64(time.Now().UnixNano()))
		if s.lastID.CompareAndSwap(last, id) {
			return record.ID(id)
		}
	}
}

// bare returns the connection below the gateway's own wrapping.
func bare(c net.Conn) net.Conn {
	if e, ok := c.(*endpointConn); ok {
		return e.Conn
	}
	return c
}

// closeWrite passes the end of a stream on to an endpoint.
func closeWrite(c net.Conn) error {
	if w, ok := bare(c).(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// resetConn closes the connection to an endpoint with a RST.
func resetConn(c net.Conn) {
	inner := bare(c)
	if t, ok := inner.(*tls.Conn); ok {
		inner = t.NetConn()
	}
	if t, ok := inner.(*net.TCPConn); ok {
		t.SetLinger(0)
		t.Close()
	}
	c.Close()
}
