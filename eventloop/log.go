package eventloop

import (
	"time"

	"wsgate/eventloop/record"
	sm "wsgate/eventloop/session"
	"wsgate/handshake"
)

// logOpen writes the line of an opened session.
func (s *session) logOpen(l *Loop) {
	t := s.att
	in := t.in.B
	l.lines.open = record.Open{
		ID:          s.id,
		Time:        l.wall(l.now),
		Client:      s.client,
		Peer:        t.peer,
		Listener:    s.listener,
		Host:        t.req.Host.Of(in),
		Target:      t.req.Target.Of(in),
		Origin:      t.req.Origin.Of(in),
		UserAgent:   t.req.UserAgent.Of(in),
		Proto:       proto(&t.req),
		Route:       s.route.Name,
		Pool:        s.route.Pool.Name,
		Endpoint:    s.endpoint.Address,
		Tries:       int(t.up.Tries),
		UpgradeTime: l.since(t.began),
		TLS:         s.info,
		Subprotocol: t.resp.Subprotocol(t.rin.B),
		Extensions:  t.resp.Extensions(t.rin.B),
	}
	l.g.opt.Log.Open(&l.lines.open)
}

// logClose writes the line of a session that has ended, and counts its end.
func (s *session) logClose(l *Loop) {
	end := s.relay.End
	up, down := &s.half[sm.Up], &s.half[sm.Down]
	l.lines.close = record.Close{
		ID:         s.id,
		Time:       l.wall(l.now),
		Opened:     l.wall(s.opened),
		Client:     s.client,
		Route:      s.route.Name,
		Pool:       s.route.Pool.Name,
		Endpoint:   s.endpoint.Address,
		Up:         record.Direction{Bytes: up.Bytes(), Messages: up.Messages()},
		Down:       record.Direction{Bytes: down.Bytes(), Messages: down.Messages()},
		Code:       end.Code,
		Who:        end.Who,
		Phase:      end.Phase,
		Why:        end.Why,
		Discarded:  up.Discarded() + down.Discarded(),
		Truncated:  up.Truncated() || down.Truncated(),
		SplicedUp:  up.Spliced(),
		SplicedDwn: down.Spliced(),
	}
	c := &l.lines.close
	if end.Why == "close" {
		from := up
		if end.Who == record.Upstream {
			from = down
		}
		c.Code, c.Reason, _ = from.Closed()
	}
	if v := up.Violation(); v != "" {
		c.Violation, c.Violator = v, record.Client
	} else if v := down.Violation(); v != "" {
		c.Violation, c.Violator = v, record.Upstream
	}
	l.counters.Ends[record.EndKey{Who: end.Who, Phase: end.Phase, Why: end.Why}]++
	l.g.opt.Log.Close(c)
}

// logRequest writes the line of an upgrade that was not answered with 101, or
// of a refusal. why is a refusal's reason, or how the answer was cut short.
func (s *session) logRequest(l *Loop, status int, who record.Who, why string) {
	t := s.att
	r := &l.lines.request
	*r = record.Request{
		ID:       s.id,
		Time:     l.wall(l.now),
		Client:   s.client,
		Peer:     t.peer,
		Listener: s.listener,
		Tries:    int(t.up.Tries),
		Upgrade:  t.req.Upgrade,
		TLS:      s.info,
		Status:   status,
		Refusal:  why,
		Sent:     t.sentBody,
		Who:      who,
		Phase:    s.phase(),
		Duration: s.requestTime(l),
	}
	if t.in != nil {
		in := t.in.B
		r.Method, r.Target, r.Host = t.req.Method.Of(in), t.req.Target.Of(in), t.req.Host.Of(in)
		r.Origin, r.UserAgent = t.req.Origin.Of(in), t.req.UserAgent.Of(in)
		r.Proto = proto(&t.req)
	}
	if s.route != nil {
		r.Route, r.Pool = s.route.Name, s.route.Pool.Name
	}
	if s.endpoint != nil {
		r.Endpoint = s.endpoint.Address
	}
	if t.refusal != nil {
		r.Detail = t.refusal.Detail
	} else {
		r.Detail = t.detail
	}
	l.g.opt.Log.Request(r)
}

func proto(r *handshake.Request) string {
	switch {
	case r.Method.Len() == 0:
		return ""
	case r.Minor == 0:
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// requestTime is the time since the request head was whole, or since the
// connection was accepted.
func (s *session) requestTime(l *Loop) time.Duration {
	if began := s.att.began; began != 0 {
		return l.since(began)
	}
	return l.since(s.opened)
}
