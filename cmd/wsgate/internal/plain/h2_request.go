package plain

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"wsgate/eventloop/record"
	"wsgate/handshake"
)

var (
	errPathForm = &handshake.Error{Status: 400, Reason: "bad_target", Detail: "the path does not begin with a slash, or holds white space"}
	errUnlike   = &handshake.Error{Status: 400, Reason: "bad_target", Detail: "method, path or authority cannot be said in HTTP/1.1"}
	errLength   = &handshake.Error{Status: 400, Reason: "body_length", Detail: "the body is not as long as Content-Length says"}
)

// ServeHTTP implements http.Handler for the streams of the connection.
func (c *h2conn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !c.begin() {
		panic(http.ErrAbortHandler)
	}
	defer c.end()
	set := c.srv.opt.Current()
	st := newStream(c, w, r, set)
	defer st.end()
	x := &exchange{
		srv: c.srv, info: &c.info, down: st, set: set, began: time.Now(), req: new(handshake.Request),
		client: c.info.Peer.Addr(), phase: record.PhaseHead, http2: true, taken: true, in: r,
	}
	x.whole.Store(true)
	rw := &responder{ResponseWriter: st, x: x}
	defer c.srv.finish(x, rw, r)
	if r.Method == http.MethodConnect && r.Header.Get(":protocol") != "" {
		c.srv.openTunnel(x, st, rw, r)
		return
	}
	x.head = appendHead2(nil, r)
	if bad := x.parse(r); bad != nil {
		rw.refuse(bad)
		return
	}
	if n := x.req.Body.Length; x.req.Body.Kind == handshake.Length && n != r.ContentLength {
		rw.refuse(errLength) // the stream has ended with its header block
		return
	}
	if x.req.Body.Kind == handshake.Chunked {
		r.ContentLength = -1
	}
	if r.ContentLength != 0 {
		r.Body = &streamBody{ReadCloser: r.Body, st: st, x: x}
	}
	c.srv.forward(x, rw, r, nil)
}

// appendHead2 appends a request of HTTP/2 as the head of HTTP/1.1 that it
// stands for (RFC 9113 8.3.1), so that one parser judges both. net/http has
// joined the Cookie crumbs and taken Trailer out of the fields.
func appendHead2(dst []byte, r *http.Request) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, r.RequestURI...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	if r.Host != "" {
		dst = appendField(dst, "Host", r.Host)
	}
	trailer := slices.Sorted(maps.Keys(r.Trailer))
	chunked := r.ContentLength < 0 || r.ContentLength > 0 && len(trailer) > 0
	if chunked {
		dst = appendField(dst, "Transfer-Encoding", "chunked")
	}
	if len(trailer) > 0 && chunked {
		dst = appendField(dst, "Trailer", strings.Join(trailer, ", "))
	}
	return appendFields2(dst, r, func(name string) bool { return chunked && name == "Content-Length" })
}

// appendFields2 appends the fields of r but those that skip names, and the end
// of the head. A Host beside an equal :authority is no second one.
func appendFields2(dst []byte, r *http.Request, skip func(name string) bool) []byte {
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if name[0] == ':' || skip(name) {
			continue
		}
		for _, v := range r.Header[name] {
			if name == "Host" && strings.EqualFold(v, r.Host) {
				continue
			}
			dst = appendField(dst, name, v)
		}
	}
	return append(dst, "\r\n"...)
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// parse has the head judged like one that came over HTTP/1.1, and makes sure
// that the parser has seen in it what the frames said.
func (x *exchange) parse(r *http.Request) *handshake.Error {
	// An absolute form would bring an authority of its own. CONNECT has no path.
	pathless := r.Method == http.MethodConnect && !x.tunnel
	if t := r.RequestURI; !pathless && t != "*" && !strings.HasPrefix(t, "/") || strings.ContainsAny(t, " \t") {
		return errPathForm
	}
	done, bad := x.req.Parse(x.head, &x.set.Limits)
	switch {
	case bad != nil:
		return bad
	case !done, x.req.HeadLen != len(x.head):
		return errUnlike
	case !x.tunnel && !bytes.Equal(x.span(x.req.Method), []byte(r.Method)),
		!bytes.Equal(x.span(x.req.Target), []byte(r.RequestURI)),
		!bytes.Equal(x.span(x.req.Host), []byte(r.Host)):
		return errUnlike
	}
	x.client = x.req.ClientAddr(x.head, x.info.Peer.Addr(), x.set.trusted)
	return nil
}
