package plain

import (
	"context"
	"errors"
	"io"
	"net/http"

	"wsgate/eventloop/record"
	"wsgate/handshake"
)

var (
	// errNoEndpoint: the pool had nothing to offer.
	errNoEndpoint = errors.New("no endpoint available")
	// errSilent: the endpoint has not answered within Settings.Response.
	errSilent = errors.New("no response in time")
	// errSwitched: the endpoint answered 101 to a request that asked for nothing of the kind.
	errSwitched = errors.New("unasked protocol switch")
)

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// ServeHTTP implements http.Handler for the filter's connections. r says
// nothing but how the request is framed; the exchange has the rest.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(connKey{}).(*conn)
	x := c.x
	if x == nil || x.taken {
		// What net/http has read is no request that the filter has passed on.
		panic(http.ErrAbortHandler)
	}
	x.taken, x.in = true, r
	rw := &responder{ResponseWriter: w, x: x}
	defer s.finish(x, rw, r)
	if r.ContentLength != 0 {
		// Request and response may flow at the same time. net/http would
		// otherwise hold back the response until it has read the body itself.
		http.NewResponseController(w).EnableFullDuplex()
	}
	c.path = s.forward(x, rw, r, c.path)
}

// forward routes a request and has it proxied. It returns scratch, which may
// have grown.
func (s *Server) forward(x *exchange, rw *responder, r *http.Request, scratch []byte) []byte {
	target := x.req.AppendTarget(nil, x.head)
	if len(target) == 1 && target[0] == '*' {
		target = []byte("/") // OPTIONS *, the host as a whole
	}
	rt, scratch, bad := x.set.Routes.Match(x.span(x.req.Host), target, scratch)
	if bad != nil {
		rw.refuse(bad)
		return scratch
	}
	x.route = rt
	s.proxy.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
	return scratch
}

// finish ends an exchange, whether its handler returned or panicked: the lease
// goes back, the rest of the body is dealt with, the record is written.
func (s *Server) finish(x *exchange, rw *responder, r *http.Request) {
	fault := recover()
	if x.cancel != nil {
		x.cancel()
	}
	if x.lease != nil {
		x.lease.Release()
		x.lease = nil
	}
	who := record.Who(0)
	switch {
	case fault != nil && fault != http.ErrAbortHandler:
		s.tally.panicked()
		who = record.Internal
	case fault != nil:
		who = x.blame()
	case x.refusal != nil:
		who = refusedBy(x.refusal)
	}
	if fault == nil && !x.settleBody(r) {
		fault = http.ErrAbortHandler
	}
	if fault != nil && rw.status != 0 && x.conn != nil && !rw.delimited() {
		x.conn.cut.Store(true)
	}
	if !x.opened {
		x.log(rw.status, rw.sent, who)
	}
	if fault != nil {
		panic(fault)
	}
}

// settleBody makes sure that nothing of a request body is left in net/http's
// buffer when it looks for the next request. A body that has not been passed
// on whole is not read further: the response has said that the connection
// closes. false: net/http could not read to the end of what it was given.
func (x *exchange) settleBody(r *http.Request) bool {
	if x.conn == nil {
		return true // a stream's body is nobody else's
	}
	if !x.whole.Load() {
		x.down.mute()
		return true
	}
	if r.ContentLength == 0 || x.req.ExpectContinue {
		return true // net/http closes by itself when a body was waited for and not read
	}
	_, err := io.Copy(io.Discard, r.Body)
	return err == nil || errors.Is(err, http.ErrBodyReadAfterClose)
}

// blame names who made a handler abort.
func (x *exchange) blame() record.Who {
	switch {
	case x.down.isKilled():
		return record.Operator
	case x.fault.Load() != nil, x.lost():
		return record.Client
	}
	return record.Upstream
}

// proxyFailed answers for a request that got no response from an endpoint.
func (s *Server) proxyFailed(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r.Context())
	rw := w.(*responder)
	if f := x.fault.Load(); f != nil {
		rw.refuse(f)
		return
	}
	if x.lost() || rw.status != 0 {
		x.detail = err.Error()
		panic(http.ErrAbortHandler)
	}
	x.detail = err.Error()
	rw.refuse(verdictOf(err))
}

// verdictOf is the answer to a failed round trip.
func verdictOf(err error) *handshake.Error {
	switch {
	case errors.Is(err, errNoEndpoint):
		return handshake.ErrNoEndpoint
	case isNoResource(err):
		return handshake.ErrNoResource
	case errors.Is(err, errSilent), errors.Is(err, errStalled):
		return handshake.ErrUpstreamTimeout
	}
	return handshake.ErrBadGateway
}

// modifyResponse applies the route's rules to the response of an endpoint.
func modifyResponse(res *http.Response) error {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return errSwitched
	}
	x := exchangeOf(res.Request.Context())
	x.phase = record.PhaseAnswer
	rules := x.route.Rules
	if rules == nil {
		return nil
	}
	for _, name := range rules.ResponseRemove {
		if !handshake.Reserved(name) {
			res.Header.Del(name)
		}
	}
	for _, f := range rules.ResponseSet {
		if !handshake.Reserved(f.Name) {
			res.Header.Set(f.Name, f.Value)
		}
	}
	return nil
}
