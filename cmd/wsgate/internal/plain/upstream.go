package plain

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"

	"wsgate/eventloop/record"
	"wsgate/lb"
)

const (
	// idlePerEndpoint bounds the idle connections kept to one address.
	idlePerEndpoint = 64
	// idleUpstream is how long an idle connection to an endpoint is kept:
	// shorter than the keep-alive of common servers (Node: 5 s), so that a
	// request seldom meets a connection that is just being closed.
	idleUpstream = 4 * time.Second
	// continueTimeout is how long an endpoint may take to say 100 before the
	// body is sent anyway (RFC 9110 10.1.1).
	continueTimeout = time.Second
	// responseHead bounds the response head of an endpoint.
	responseHead = 64 << 10
)

// upstream is the http.RoundTripper of the proxy: it picks endpoints from the
// route's pool and tries them over one http.Transport.
type upstream struct {
	srv       *Server
	transport *http.Transport
}

func newUpstream(s *Server) *upstream {
	u := &upstream{srv: s}
	u.transport = &http.Transport{
		DialContext:            u.dial,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    idlePerEndpoint,
		IdleConnTimeout:        idleUpstream,
		ExpectContinueTimeout:  continueTimeout,
		MaxResponseHeaderBytes: responseHead,
		Protocols:              new(http.Protocols),
	}
	u.transport.Protocols.SetHTTP1(true)
	return u
}

// RoundTrip implements http.RoundTripper. It tries endpoints until one answers
// or trying another could do something twice.
func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	x := exchangeOf(r.Context())
	err := errNoEndpoint
	for {
		x.phase = record.PhaseConnect
		ep, ok := x.route.Pool.Pick(&x.tried)
		if !ok {
			return nil, err
		}
		x.tries++
		var res *http.Response
		var retry string
		res, retry, err = u.try(x, ep, r)
		if err == nil {
			return res, nil
		}
		if retry == "" || x.lost() || r.Context().Err() != nil {
			return nil, err
		}
		u.srv.tally.retried(retry)
	}
}

// try sends the request to one endpoint. On success the exchange holds the
// lease. On failure retry is the reason to try another one, or empty.
func (u *upstream) try(x *exchange, ep *lb.Endpoint, r *http.Request) (res *http.Response, retry string, err error) {
	ep.Acquire()
	x.lease, x.last = ep, ep
	ctx, cancel := context.WithCancelCause(r.Context())
	a := &attempt{x: x, limit: x.set.Response, cancel: cancel}
	out := r.WithContext(httptrace.WithClientTrace(ctx, a.trace()))
	out.URL = new(url.URL)
	*out.URL = *r.URL
	out.URL.Host = endpointKey(x.route.Pool, ep.Address)
	if r.Body != nil {
		a.body = r.Body
		out.Body = a
	}
	res, err = u.transport.RoundTrip(out)
	if err == nil {
		if a.settle() {
			x.cancel = func() { cancel(nil) }
			return res, "", nil
		}
		res.Body.Close()
		err = errSilent
	}
	untouched := a.stop()
	if c := context.Cause(ctx); c == errSilent {
		err = errSilent
	}
	cancel(nil)
	ep.Release()
	x.lease = nil
	if x.lost() || x.fault.Load() != nil {
		return nil, "", err // not the endpoint's doing
	}
	reason := a.reason(err)
	ep.Failed(reason)
	switch reason {
	case "connect", "connect_timeout", "tls":
		if untouched && !isNoResource(err) {
			retry = reason
		}
	case "reset":
		if untouched && idempotent(r.Method) {
			retry = reason
		}
	}
	return nil, retry, err
}

// idempotent: RFC 9110 9.2.2. A proxy must not repeat others on its own.
func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// attempt follows one request to one endpoint, and is its body.
type attempt struct {
	x      *exchange
	limit  time.Duration // from the sent request to the first response head
	cancel context.CancelCauseFunc
	body   io.Reader // nil when there is none

	mu       sync.Mutex
	timer    *time.Timer
	settled  bool // the response head is there, or nobody waits for it
	answered bool // response bytes have arrived
	over     bool // the body is not read any more
	reading  bool // a Read of the body is in progress
	touched  bool // the body has been read from
}

func (a *attempt) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			a.x.phase = record.PhaseUpgrade
			if c, ok := i.Conn.(*endpointConn); ok {
				c.user.Store(a)
			}
		},
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			if i.Err == nil {
				a.sent()
			}
		},
		GotFirstResponseByte: func() {
			a.mu.Lock()
			a.answered = true
			a.mu.Unlock()
		},
	}
}

// sent starts the time limit of the response.
func (a *attempt) sent() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.settled || a.limit <= 0 {
		return
	}
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = time.AfterFunc(a.limit, func() { a.cancel(errSilent) })
}

// settle: the response head has arrived. false when its time limit has passed.
func (a *attempt) settle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settled = true
	return a.timer == nil || a.timer.Stop()
}

// stop: the attempt has failed. It returns whether the body is as it was.
func (a *attempt) stop() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settled, a.over = true, true
	if a.timer != nil {
		a.timer.Stop()
	}
	return !a.touched
}

// connClosed: the transport has closed the connection to the endpoint. It
// waits for the end of its writing goroutine, which must not hang in a client
// that sends nothing.
func (a *attempt) connClosed() {
	a.mu.Lock()
	a.over = true
	reading := a.reading
	a.mu.Unlock()
	if reading {
		a.x.down.mute()
	}
}

// Read implements io.Reader for the transport.
func (a *attempt) Read(p []byte) (int, error) {
	a.mu.Lock()
	if a.over {
		a.mu.Unlock()
		return 0, errStopped
	}
	a.reading, a.touched = true, true
	a.mu.Unlock()
	n, err := a.body.Read(p)
	a.mu.Lock()
	a.reading = false
	a.mu.Unlock()
	return n, err
}

// Close implements io.Closer. The body belongs to the proxy: the next attempt
// may need it.
func (a *attempt) Close() error { return nil }

// reason is the word for err in counters.
func (a *attempt) reason(err error) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var d *dialError
	switch {
	case errors.As(err, &d) && d.timeout:
		return "connect_timeout"
	case errors.As(err, &d) && d.tls:
		return "tls"
	case errors.As(err, &d):
		return "connect"
	case errors.Is(err, errSilent), errors.Is(err, errStalled):
		return "timeout"
	case a.answered:
		return "garbage"
	}
	return "reset"
}
