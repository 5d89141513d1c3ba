package plain

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"wsgate/handshake"
)

// rewrite makes the request for the endpoint out of the accepted head: target
// as it was sent, fields as an upgrade would carry them.
func rewrite(pr *httputil.ProxyRequest) {
	x := exchangeOf(pr.In.Context())
	out := pr.Out
	out.URL = targetURL(string(x.req.AppendTarget(nil, x.head)))
	out.Host, out.Header = x.fields()
	if out.Body != nil {
		out.Trailer = x.trailers()
		out.Body = &clientBody{ReadCloser: out.Body, x: x, trailer: out.Trailer}
	}
}

// targetURL returns a URL whose RequestURI is target, byte for byte. Only a
// target that starts with "//" cannot be opaque to net/url; there characters
// that RFC 3986 does not allow in a path are escaped.
func targetURL(target string) *url.URL {
	if !strings.HasPrefix(target, "//") {
		return &url.URL{Scheme: "http", Opaque: target}
	}
	path, query, has := strings.Cut(target, "?")
	var b strings.Builder
	for i := range len(path) {
		if strings.IndexByte("\"<>\\^`{|}", path[i]) >= 0 {
			b.WriteByte('%')
			b.WriteByte("0123456789ABCDEF"[path[i]>>4])
			b.WriteByte("0123456789ABCDEF"[path[i]&15])
			continue
		}
		b.WriteByte(path[i])
	}
	raw := b.String()
	plain, err := url.PathUnescape(raw)
	if err != nil {
		plain = raw // not reached: a route has matched, so every escape is well-formed
	}
	return &url.URL{Scheme: "http", Path: plain, RawPath: raw, RawQuery: query, ForceQuery: has}
}

// fields returns Host and fields for the endpoint. They are taken from what
// handshake writes for an upgrade, so that both kinds of requests say the same
// about the client and are under the same rules; what belongs to the upgrade
// itself and to the framing, which the transport writes, is left out.
func (x *exchange) fields() (host string, h http.Header) {
	peer := x.info.Peer.Addr()
	id := handshake.Identity{
		Peer:      peer,
		Client:    x.client,
		Trusted:   x.set.trusted(peer),
		Forwarded: x.route.Forwarded,
	}
	x.info.identify(&id)
	head := x.req.AppendUpgrade(make([]byte, 0, len(x.head)+512), x.head, &id, x.route.Rules)
	host = string(x.span(x.req.Host))
	if rules := x.route.Rules; rules != nil && rules.Host != "" {
		host = rules.Host
	}
	h = make(http.Header, len(x.req.Fields)+4)
	_, lines, _ := strings.Cut(string(head), "\r\n")
	for line := range strings.SplitSeq(lines, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case !ok, handshake.IsHopByHop(name), strings.EqualFold(name, "Content-Length"), strings.EqualFold(name, "Host"):
		case strings.EqualFold(name, "Expect") && !x.req.ExpectContinue:
		default:
			h.Add(name, value)
		}
	}
	// Trailers of the response can be passed on to a client that takes them.
	for _, f := range x.req.Fields {
		if f.Kind == handshake.KindTE && hasToken(f.Value.Of(x.head), "trailers") {
			h.Set("Te", "trailers")
		}
	}
	return host, h
}

func hasToken(value []byte, token string) bool {
	for t := range bytes.SplitSeq(value, []byte(",")) {
		t, _, _ = bytes.Cut(t, []byte(";"))
		if strings.EqualFold(string(bytes.Trim(t, " \t")), token) {
			return true
		}
	}
	return false
}

// trailers returns the trailer fields that the client has announced and may
// send, without values yet. Others are discarded (RFC 9110 6.5.1).
func (x *exchange) trailers() http.Header {
	if x.req.Body.Kind != handshake.Chunked {
		return nil
	}
	var h http.Header
	for _, f := range x.req.Fields {
		if f.Kind != handshake.KindTrailer {
			continue
		}
		for t := range bytes.SplitSeq(x.span(f.Value), []byte(",")) {
			name := http.CanonicalHeaderKey(string(bytes.Trim(t, " \t")))
			if name == "" || handshake.Reserved(name) || handshake.IsIdentityField(name) {
				continue
			}
			if h == nil {
				h = make(http.Header)
			}
			h[name] = nil
		}
	}
	return h
}

// clientBody is the request body on its way to the transport.
type clientBody struct {
	io.ReadCloser
	x       *exchange
	trailer http.Header // announced, filled in at the end
}

func (b *clientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.x.received.Add(uint64(n))
	if err == io.EOF {
		for name := range b.trailer {
			b.trailer[name] = b.x.in.Trailer[name]
		}
	}
	return n, err
}
