package plain

import (
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
	"wsgate/handshake"
	"wsgate/lb"
)

// retryAfter is what a refusal for want of something asks for, in seconds.
const retryAfter = 5

// exchange is one request and its response. It is made by the filter when a
// head has been accepted, and used by the handler, the proxy and the upstream
// transport. Goroutines of the transport may outlive the handler and touch
// the atomic fields only.
type exchange struct {
	srv   *Server
	info  *Conn
	down  downstream
	conn  *conn // nil for HTTP/2
	set   *Settings
	began time.Time
	head  []byte             // the accepted head; the spans of req point into it
	req   *handshake.Request // valid until the response is finished

	taken  bool          // a handler has begun
	in     *http.Request // as net/http has made it; trailers appear in it
	client netip.Addr    // who the request is for
	route  *route.Route
	tried  lb.Tried
	tries  int
	lease  *lb.Endpoint // acquired
	last   *lb.Endpoint // the one tried last, for the log
	phase  record.Phase
	http2  bool
	tunnel bool   // an extended CONNECT
	opened bool   // its session has been logged as open
	cancel func() // ends the attempt that gave the response

	refusal *handshake.Error // the gateway's own answer
	detail  string

	whole    atomic.Bool                     // the request has been passed on whole
	gone     atomic.Bool                     // the client's stream has ended or broken
	fault    atomic.Pointer[handshake.Error] // what was wrong with the body
	received atomic.Uint64                   // body bytes taken
}

// downstream is the client's side of an exchange: an HTTP/1 connection or an
// HTTP/2 stream.
type downstream interface {
	lost() bool     // nobody is there to read an answer
	isKilled() bool // the gateway has ended the connection
	mute()          // the request's body is not read any further
}

// lost implements downstream.
func (c *conn) lost() bool { return c.unwritable.Load() || c.isKilled() }

// identify says what is known about the client from its TLS connection.
func (c *Conn) identify(id *handshake.Identity) {
	if c.Info != nil {
		id.TLS = true
		id.CertSubject, id.CertFingerprint = c.Info.Subject, c.Info.Fingerprint
	}
}

func (c *conn) blankExchange(set *Settings, began time.Time) *exchange {
	return &exchange{
		srv: c.srv, info: &c.info, down: c, conn: c, set: set, began: began,
		req: &c.req, client: c.info.Peer.Addr(), phase: record.PhaseHead,
	}
}

// newExchange copies head, which is memory of the connection's buffer.
func newExchange(c *conn, set *Settings, began time.Time, head []byte) *exchange {
	x := c.blankExchange(set, began)
	x.head = append(x.head, head...)
	x.client = c.req.ClientAddr(x.head, c.info.Peer.Addr(), set.trusted)
	return x
}

func (s *Settings) trusted(a netip.Addr) bool { return s.Trusted != nil && s.Trusted(a) }

// lost tells that nobody is there to read an answer.
func (x *exchange) lost() bool {
	return x.gone.Load() || x.down.lost()
}

// appendHead appends what net/http is told about an accepted request: how it
// is framed and whether the connection persists. Everything else it would only
// carry around, or judge in its own way; the proxy takes it from the head
// itself.
func appendHead(dst []byte, r *handshake.Request, head []byte) []byte {
	dst = append(dst, r.Method.Of(head)...)
	dst = append(dst, " / HTTP/1."...)
	dst = append(dst, '0'+r.Minor)
	dst = append(dst, "\r\nHost: gateway\r\n"...)
	switch {
	case r.Minor == 0 && r.KeepAlive:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	case !r.KeepAlive:
		dst = append(dst, "Connection: close\r\n"...)
	}
	switch r.Body.Kind {
	case handshake.Length:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, r.Body.Length, 10)
		dst = append(dst, "\r\n"...)
	case handshake.Chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	if r.ExpectContinue {
		dst = append(dst, "Expect: 100-continue\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// isHead tells whether the request's method is HEAD.
func (x *exchange) isHead() bool { return string(x.span(x.req.Method)) == "HEAD" }

// refuseHead answers a request whose head was not accepted. net/http is idle
// and is told that the stream has ended.
func (c *conn) refuseHead(set *Settings, began time.Time, e *handshake.Error) {
	c.x = c.blankExchange(set, began)
	c.x.head = c.pending()
	c.refuse(e)
	c.off = len(c.buf)
}

// refuse sends the gateway's own answer past net/http, which is idle, and ends
// the connection.
func (c *conn) refuse(e *handshake.Error) {
	c.state = ended
	if c.x == nil || c.x.taken {
		c.x = c.blankExchange(c.srv.opt.Current(), time.Now())
		c.x.head = c.pending()
	}
	c.x.refusal = e
	c.srv.tally.refused(e.Reason)
	status := e.Status
	if _, err := c.Write(handshake.AppendError(nil, e, waitFor(e), true)); err != nil {
		status = 0
	}
	c.x.log(status, 0, refusedBy(e))
}

// waitFor returns the Retry-After of a refusal in seconds, 0 for none.
func waitFor(e *handshake.Error) int {
	if e.Status == 503 || e.Status == 429 {
		return retryAfter
	}
	return 0
}

// refusedBy names whose fault a refusal is.
func refusedBy(e *handshake.Error) record.Who {
	switch e.Status {
	case 502, 504:
		return record.Upstream
	case 429, 503:
		return record.Gateway
	}
	return record.Client
}

// log writes the record of the request. who is 0 when it ended well.
func (x *exchange) log(status int, sent uint64, who record.Who) {
	r := record.Request{
		ID:       x.info.ID,
		Time:     time.Now(),
		Client:   x.client,
		Peer:     x.info.Peer,
		Listener: x.info.Listener,
		Method:   x.span(x.req.Method),
		Host:     x.span(x.req.Host),
		Target:   x.span(x.req.Target),
		TLS:      x.info.Info,
		Origin:   x.span(x.req.Origin),
		Upgrade:  x.req.Upgrade,
		Tries:    x.tries,
		Status:   status,
		Detail:   x.detail,
		Sent:     sent,
		Received: x.received.Load(),
		Duration: time.Since(x.began),
		Who:      who,
	}
	r.UserAgent = x.span(x.req.UserAgent)
	if who != 0 {
		r.Phase = x.phase
	}
	if x.http2 {
		r.Proto = "HTTP/2"
	} else if x.req.HeadLen > 0 {
		r.Proto = "HTTP/1.1"
		if x.req.Minor == 0 {
			r.Proto = "HTTP/1.0"
		}
	}
	if x.tunnel {
		r.Method, r.Upgrade = []byte("CONNECT"), true
	}
	if x.req.RootTarget {
		r.Target = x.req.AppendTarget(nil, x.head)
	}
	if x.route != nil {
		r.Route, r.Pool = x.route.Name, x.route.Pool.Name
	}
	if x.last != nil {
		r.Endpoint = x.last.Address
	}
	if e := x.refusal; e != nil {
		r.Refusal = e.Reason
		if r.Detail == "" {
			r.Detail = e.Detail
		}
	}
	x.srv.opt.Log.Request(&r)
}

// span returns the bytes of s. A head that was refused may have fewer bytes
// than its parser has looked for.
func (x *exchange) span(s handshake.Span) []byte {
	if s.Off >= s.End || int(s.End) > len(x.head) {
		return nil
	}
	return s.Of(x.head)
}
