package plain

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"wsgate/eventloop/record"
	sm "wsgate/eventloop/session"
	"wsgate/handshake"
	"wsgate/lb"
)

var (
	errProtocol = &handshake.Error{Status: 501, Reason: "unknown_protocol", Detail: "the only :protocol spoken here is websocket"}
	errOwnKey   = &handshake.Error{Status: 400, Reason: "key_over_http2", Detail: "Sec-WebSocket-Key has no place in an extended CONNECT"}
	errTooLarge = &handshake.Error{Status: 502, Reason: "upstream_head_too_large", Detail: "bad answer from the endpoint: the head is too large"}
)

// opening is an extended CONNECT (RFC 8441) on its way to an endpoint, as an
// HTTP/1.1 upgrade with a key of the gateway's own.
type opening struct {
	srv *Server
	x   *exchange
	st  *stream
	rw  *responder
	ctx context.Context

	key   string
	out   []byte    // the upgrade request
	until time.Time // the 101 is due; zero is no limit
	up    sm.Upgrade

	conn    net.Conn // to the endpoint being asked
	in      []byte   // read from it
	resp    handshake.Response
	refusal *handshake.Error // what was wrong with an answer
}

// openTunnel serves an extended CONNECT from the first check to the end of its
// session. net/http says nothing of :scheme for these requests, so that it is
// not checked.
func (s *Server) openTunnel(x *exchange, st *stream, rw *responder, r *http.Request) {
	x.tunnel = true
	if p := r.Header.Get(":protocol"); p != "websocket" {
		s.refuseTunnel(rw, errProtocol)
		return
	}
	o := &opening{srv: s, x: x, st: st, rw: rw, ctx: r.Context(), key: newKey()}
	x.head = appendTunnelHead(nil, r, o.key)
	bad := x.parse(r)
	switch {
	case bad != nil:
	case r.Header.Get("Sec-WebSocket-Key") != "":
		bad = errOwnKey
	case x.req.HeadLen == 0 || !x.req.Upgrade:
		bad = errUnlike // not reached: the head asks for an upgrade
	case x.set.Tunnels > 0 && s.tunnels.Add(1) > int64(x.set.Tunnels):
		s.tunnels.Add(-1)
		bad = handshake.ErrConnectionLimit
	}
	if bad != nil {
		s.refuseTunnel(rw, bad)
		return
	}
	if x.set.Tunnels > 0 {
		defer s.tunnels.Add(-1)
	}
	rt, _, bad := x.set.Routes.Match(x.span(x.req.Host), x.req.Path(x.head), nil)
	if bad != nil {
		s.refuseTunnel(rw, bad)
		return
	}
	x.route = rt
	o.run(r.Body)
}

func (s *Server) refuseTunnel(rw *responder, e *handshake.Error) {
	s.tally.upgrade("refused")
	rw.refuse(e)
}

// newKey returns a Sec-WebSocket-Key (RFC 6455 4.1).
func newKey() string {
	var nonce [16]byte
	rand.Read(nonce[:])
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// appendTunnelHead appends the upgrade request that an extended CONNECT stands
// for (RFC 8441 5).
func appendTunnelHead(dst []byte, r *http.Request, key string) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, r.RequestURI...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	if r.Host != "" {
		dst = appendField(dst, "Host", r.Host)
	}
	dst = append(dst, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	dst = appendField(dst, "Sec-WebSocket-Key", key)
	return appendFields2(dst, r, func(name string) bool { return name == "Sec-Websocket-Key" })
}

// run tries endpoints until one has answered, and then relays.
func (o *opening) run(body io.ReadCloser) {
	x := o.x
	o.until = after(x.set.Upgrade)
	peer := x.info.Peer.Addr()
	id := handshake.Identity{
		Peer: peer, Client: x.client, Trusted: x.set.trusted(peer),
		Forwarded: x.route.Forwarded,
	}
	x.info.identify(&id)
	o.out = x.req.AppendUpgrade(make([]byte, 0, len(x.head)+512), x.head, &id, x.route.Rules)
	a := o.up.Step(sm.Routed)
	for a == sm.Pick {
		x.phase = record.PhaseConnect
		ep, ok := x.route.Pool.Pick(&x.tried)
		if !ok {
			a = o.up.Step(sm.NoneLeft)
			break
		}
		o.up.Step(sm.Connecting)
		x.tries++
		ep.Acquire()
		x.lease, x.last = ep, ep
		a = o.ask(ep)
		if a == sm.Open || a == sm.PassAnswer {
			break
		}
		o.giveUp()
	}
	defer o.giveUp()
	o.act(a, body)
}

// giveUp ends the connection to the endpoint and gives its lease back.
func (o *opening) giveUp() {
	if o.conn != nil {
		o.conn.Close()
		o.conn = nil
	}
	if o.x.lease != nil {
		o.x.lease.Release()
		o.x.lease = nil
	}
	o.in = o.in[:0]
	o.resp.Reset()
}

// act performs what the upgrade machine has come to.
func (o *opening) act(a sm.Action, body io.ReadCloser) {
	refuse := func(e *handshake.Error) { o.srv.refuseTunnel(o.rw, e) }
	switch a {
	case sm.Open:
		o.open(body)
	case sm.PassAnswer:
		o.passAnswer()
	case sm.Refuse502:
		if o.refusal != nil {
			refuse(o.refusal)
			return
		}
		refuse(handshake.ErrBadGateway)
	case sm.Refuse503:
		refuse(handshake.ErrNoEndpoint)
	case sm.Refuse503Own:
		refuse(handshake.ErrNoResource)
	case sm.Refuse504:
		refuse(handshake.ErrUpstreamTimeout)
	default:
		o.x.gone.Store(true)
		o.srv.tally.upgrade("failed")
		panic(http.ErrAbortHandler)
	}
}

// ask connects to an endpoint, sends the request and judges the answer.
func (o *opening) ask(ep *lb.Endpoint) sm.Action {
	ctx := o.ctx
	if !o.until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, o.until)
		defer cancel()
	}
	conn, err := o.srv.up.dialEndpoint(ctx, o.x, ep.Address)
	if err != nil {
		return o.dialFailed(ep, err)
	}
	o.conn = conn
	stop := context.AfterFunc(o.ctx, func() { conn.SetDeadline(past) })
	defer stop()
	conn.SetReadDeadline(o.until)
	if _, err := conn.Write(o.out); err != nil {
		return o.silent(ep) // the endpoint takes nothing, or the client has gone
	}
	o.x.phase = record.PhaseUpgrade
	o.up.Step(sm.Sent)
	return o.readAnswer(ep)
}

func (o *opening) dialFailed(ep *lb.Endpoint, err error) sm.Action {
	o.x.detail = err.Error()
	var d *dialError
	switch {
	case o.ctx.Err() != nil:
		return o.up.Step(sm.ClientGone)
	case isNoResource(err):
		return o.up.Step(sm.NoResources)
	case o.late():
		return o.silent(ep)
	case errors.As(err, &d) && d.timeout:
		return o.failed(ep, "connect_timeout", sm.ConnectExpired)
	}
	return o.failed(ep, "connect", sm.ConnectFailed)
}

// failed counts an endpoint that is given up.
func (o *opening) failed(ep *lb.Endpoint, why string, e sm.UpgradeEvent) sm.Action {
	ep.Failed(why)
	o.srv.tally.retried(why)
	return o.up.Step(e)
}

// silent: a deadline has passed, or the client has gone and moved it.
func (o *opening) silent(ep *lb.Endpoint) sm.Action {
	if o.ctx.Err() != nil {
		return o.up.Step(sm.ClientGone)
	}
	ep.Failed("timeout")
	return o.up.Step(sm.UpgradeExpired)
}

func (o *opening) late() bool { return !o.until.IsZero() && !time.Now().Before(o.until) }

// readAnswer reads and judges the response head.
func (o *opening) readAnswer(ep *lb.Endpoint) sm.Action {
	limit := o.x.set.Limits.Head
	if limit <= 0 {
		limit = 16 << 10
	}
	for {
		if len(o.in) == cap(o.in) {
			if len(o.in) >= limit {
				o.refusal = errTooLarge
				ep.Failed("garbage")
				return o.up.Step(sm.AnswerGarbage)
			}
			o.in = append(make([]byte, 0, min(limit, max(2<<10, 2*cap(o.in)))), o.in...)
		}
		n, err := o.conn.Read(o.in[len(o.in):cap(o.in)])
		o.in = o.in[:len(o.in)+n]
		if n > 0 {
			o.up.Answered()
			if a := o.judge(ep); a != sm.Wait {
				return a
			}
			continue
		}
		var ne net.Error
		switch {
		case errors.As(err, &ne) && ne.Timeout():
			return o.silent(ep)
		case errors.Is(err, syscall.ECONNRESET):
			return o.failed(ep, "reset", sm.UpstreamEnded)
		case err != nil:
			return o.failed(ep, "eof", sm.UpstreamEnded)
		}
	}
}

// judge parses what has come of the answer. Wait: there must be more.
func (o *opening) judge(ep *lb.Endpoint) sm.Action {
	for len(o.in) > 0 {
		done, bad := o.resp.Parse(o.in, &o.x.set.Limits, false)
		if bad != nil {
			o.refusal = bad
			ep.Failed("garbage")
			return o.up.Step(sm.AnswerGarbage)
		}
		if !done {
			return sm.Wait
		}
		switch st := o.resp.Status; {
		case st == http.StatusSwitchingProtocols, st >= 200 && st < 300:
			// A 2xx would tell the client that the tunnel is open (RFC 8441 5).
			if bad := o.resp.CheckUpgrade(o.in, []byte(o.key)); bad != nil {
				o.refusal = bad
				ep.Failed("bad_101")
				return o.up.Step(sm.AnswerBad101)
			}
			return o.up.Step(sm.Answer101)
		case st == http.StatusContinue:
			o.up.Step(sm.Answer100)
		case st < 200:
			o.up.Step(sm.Answer1xx)
			o.setFields(o.resp.AppendHead(nil, o.in, true, nil))
			o.rw.WriteHeader(st)
			clear(o.rw.Header())
		default:
			return o.up.Step(sm.AnswerOther)
		}
		o.in = o.in[:copy(o.in, o.in[o.resp.HeadLen:])]
		o.resp.Reset()
	}
	return sm.Wait
}

// setFields makes the fields of head, as handshake writes it for a client of
// HTTP/1.1, those of the response: without what frames and upgrades there.
func (o *opening) setFields(head []byte) {
	h := o.rw.Header()
	_, lines, _ := strings.Cut(string(head), "\r\n")
	for line := range strings.SplitSeq(lines, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok || handshake.IsHopByHop(name) || strings.EqualFold(name, "Sec-WebSocket-Accept") {
			continue
		}
		h.Add(name, strings.TrimSpace(value))
	}
}
