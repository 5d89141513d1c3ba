package handshake

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/textproto"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
)

// values are the fields of a head as net/http names them, with the last
// collected values of each name in order.
func values(b []byte, fields []Field) http.Header {
	h := http.Header{}
	for _, f := range fields {
		k := textproto.CanonicalMIMEHeaderKey(string(f.Name.Of(b)))
		h[k] = append(h[k], string(f.Value.Of(b)))
	}
	return h
}

// sameFields tells whether net/http, which takes some fields out, read the same.
func sameFields(t *testing.T, ours, theirs http.Header, gone ...string) {
	t.Helper()
	for _, name := range gone {
		delete(ours, name)
	}
	if _, ok := ours["Pragma"]; ok {
		delete(theirs, "Cache-Control") // net/http makes one up
		delete(ours, "Cache-Control")
	}
	for name, v := range ours {
		if !slices.Equal(v, theirs[name]) {
			t.Errorf("%s: %q, net/http has %q", name, v, theirs[name])
		}
	}
	if len(ours) != len(theirs) {
		t.Errorf("fields %q, net/http has %q", ours, theirs)
	}
}

func sameBody(t *testing.T, ours Framing, length int64, coding []string) {
	t.Helper()
	want := Framing{}
	switch {
	case slices.Equal(coding, []string{"chunked"}):
		want.Kind = Chunked
	case length > 0:
		want = Framing{Length, length}
	case length < 0:
		want.Kind = UntilClose
	}
	if ours != want {
		t.Errorf("body %v, net/http has %v", ours, want)
	}
}

// FuzzRequest: what Parse accepts net/http accepts, too, and reads as the same
// request; and what goes to the endpoint is an upgrade with nothing but the
// gateway's word on who the client is.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(browserHead))
	f.Add([]byte(upgradeWith("X-Forwarded-For: 1.1.1.1", "X_Real-IP: 2", "Connection: x, Cookie")))
	f.Add([]byte(crlfs("POST http://B.example:81?x HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "Trailer: Digest", "Expect: 100-continue")))
	f.Add([]byte(crlfs("GET wss://[::1]//x/%41 HTTP/1.0", "Connection: keep-alive", "Content-Length: 07", "Pragma: no-cache", "X-Obs:\t\xff ")))
	f.Add([]byte(crlfs("OPTIONS * HTTP/1.1", "Host: a:", "X_Y: z", "Connection: ,close")))
	for _, tt := range badRequests {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Request
		done, perr := r.Parse(b, nil)
		if !done || perr != nil {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:r.HeadLen])))
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", b[:r.HeadLen], err)
		}
		if req.Method != string(r.Method.Of(b)) || req.Host != string(r.Host.Of(b)) || req.ProtoMinor != int(r.Minor) {
			t.Errorf("%s %q 1.%d, net/http has %s %q 1.%d", r.Method.Of(b), r.Host.Of(b), r.Minor, req.Method, req.Host, req.ProtoMinor)
		}
		target := string(r.AppendTarget(nil, b))
		if u, err := url.ParseRequestURI(target); err != nil || u.RawQuery != req.URL.RawQuery || u.Path != req.URL.Path && req.URL.Path != "" {
			t.Errorf("target %q, net/http has %v, %v", target, req.URL, err)
		}
		if target[0] == '/' && req.URL.Host == "" && target != req.RequestURI {
			t.Errorf("target %q, net/http has %q", target, req.RequestURI)
		}
		sameBody(t, r.Body, req.ContentLength, req.TransferEncoding)
		if r.KeepAlive == req.Close && r.Minor == 1 {
			t.Errorf("keep-alive %v, net/http has close %v", r.KeepAlive, req.Close)
		}
		gone := []string{"Host", "Transfer-Encoding"}
		if r.Body.Kind == Chunked {
			gone = append(gone, "Trailer")
		}
		sameFields(t, values(b, r.Fields), req.Header, gone...)
		if r.Upgrade {
			checkRewritten(t, &r, b)
		}
	})
}

func checkRewritten(t *testing.T, r *Request, b []byte) {
	id := Identity{Peer: netip.MustParseAddr("192.0.2.7")}
	out := r.AppendUpgrade(nil, b, &id, nil)
	var again Request
	if done, err := again.Parse(out, &Limits{Head: len(out), Fields: len(r.Fields) + 6}); !done || err != nil || !again.Upgrade || again.HeadLen != len(out) {
		t.Fatalf("rewritten %q: %v, %v", out, done, err)
	}
	if !bytes.Equal(again.Host.Of(out), r.Host.Of(b)) || !bytes.Equal(again.Key.Of(out), r.Key.Of(b)) || !bytes.Equal(again.Target.Of(out), r.AppendTarget(nil, b)) {
		t.Errorf("rewritten %q", out)
	}
	h := values(out, again.Fields)
	want := map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "http",
		"X-Forwarded-Host": string(r.Host.Of(b)), "X-Real-Ip": "192.0.2.7"}
	for name, v := range h {
		if w, own := want[name]; own {
			if len(v) != 1 || v[0] != w {
				t.Errorf("%s: %q", name, v)
			}
			delete(want, name)
		} else if IsHopByHop(name) || IsIdentityField(name) {
			t.Errorf("%s: %q goes on", name, v)
		}
	}
	if len(want) != 0 {
		t.Errorf("%v is missing", want)
	}
	sent := values(b, r.Fields)
	for _, name := range []string{"Origin", "Cookie", "Authorization", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions"} {
		if !slices.Equal(sent[name], h[name]) {
			t.Errorf("%s: %q goes on as %q", name, sent[name], h[name])
		}
	}
}

// FuzzSplit: the verdict does not depend on how the head arrives.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(browserHead), uint16(200), uint16(900), uint8(40))
	for _, tt := range badRequests {
		f.Add([]byte(tt.in), uint16(40), uint16(100), uint8(3))
	}
	f.Add([]byte(switchHead), uint16(0), uint16(0), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, line, head uint16, fields uint8) {
		if len(b) > 512 {
			return
		}
		lim := &Limits{Line: int(line), Head: int(head), Fields: int(fields)}
		splits(t, string(b), lim)
		splitsResponse(t, string(b), lim, fields&1 == 1)
	})
}

// FuzzResponse: what Parse accepts net/http accepts, too, and reads as the same
// response; and the head for the client is framed in the same way.
func FuzzResponse(f *testing.F) {
	f.Add([]byte(switchHead), false)
	f.Add([]byte(crlfs("HTTP/1.1 200 OK", "Content-Length: 5", "Connection: x", "X: y")), true)
	f.Add([]byte(crlfs("HTTP/1.0 404", "Pragma: no-cache")), false)
	f.Add([]byte(crlfs("HTTP/1.1 200 ", "Transfer-Encoding: chunked", "Trailer: X")), false)
	f.Fuzz(func(t *testing.T, b []byte, head bool) {
		var r Response
		done, perr := r.Parse(b, nil, head)
		if !done || perr != nil {
			return
		}
		method := "GET"
		if head {
			method = "HEAD"
		}
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b[:r.HeadLen])), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", b[:r.HeadLen], err)
		}
		if res.StatusCode != r.Status || res.ProtoMinor != int(r.Minor) {
			t.Errorf("status %d 1.%d, net/http has %d 1.%d", r.Status, r.Minor, res.StatusCode, res.ProtoMinor)
		}
		if !head && r.Status >= 200 && r.Status != 204 && r.Status != 304 {
			sameBody(t, r.Body, res.ContentLength, res.TransferEncoding)
		} else if r.Body.Kind != NoBody {
			t.Errorf("body %v", r.Body)
		}
		gone := []string{"Transfer-Encoding"}
		if len(res.TransferEncoding) > 0 {
			gone = append(gone, "Trailer")
		}
		sameFields(t, values(b, r.Fields), res.Header, gone...)

		out := r.AppendHead(nil, b, r.KeepAlive, nil)
		var again Response
		if done, err := again.Parse(out, &Limits{Head: len(out)}, head); !done || err != nil || again.HeadLen != len(out) {
			t.Fatalf("rewritten %q: %v, %v", out, done, err)
		}
		if again.Body != r.Body || again.Status != r.Status || again.KeepAlive != r.KeepAlive && r.Status >= 200 {
			t.Errorf("%q\nrewritten\n%q", b[:r.HeadLen], out)
		}
	})
}

// FuzzBody: a chunked body that ends here ends at the same byte for net/http.
func FuzzBody(f *testing.F) {
	f.Add([]byte("5;a=b\r\nhello\r\n0\r\n\r\nGET"), uint8(3))
	f.Add([]byte("1\r\nx\r\n00\r\nDigest: a\r\nX:\r\n\r\n"), uint8(1))
	f.Add([]byte("A\r\n0123456789\r\n0\r\nContent-Length: 1\r\n\r\n"), uint8(2))
	f.Add([]byte("1_0\r\nx\r\n"), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		var d, pieces Body
		d.Init(Framing{Kind: Chunked})
		n, done, err := d.Consume(b)
		pieces.Init(Framing{Kind: Chunked})
		n2, done2, err2 := consume(&pieces, string(b), int(step)+1)
		if n != n2 || done != done2 || err != err2 {
			t.Fatalf("%d, %v, %v; in pieces %d, %v, %v", n, done, err, n2, done2, err2)
		}
		if !done {
			return
		}
		in := bufio.NewReader(bytes.NewReader(b))
		if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(in)); err != nil {
			t.Fatalf("net/http refuses %q: %v", b[:n], err)
		}
		if _, err := textproto.NewReader(in).ReadMIMEHeader(); err != nil {
			t.Fatalf("net/http refuses the trailers of %q: %v", b[:n], err)
		}
		rest, _ := io.ReadAll(in)
		if len(b)-len(rest) != n {
			t.Fatalf("%q: the body has %d bytes, for net/http %d", b, n, len(b)-len(rest))
		}
	})
}

// FuzzNormalizePath: the result is a fixed point without anything that the path
// of a route could be fooled with, and names the same file as package path says.
func FuzzNormalizePath(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%2e%2e/", "/a%2f..%5c", "//a//./b/..", "/%41%c3%a4?x/..", "*", "/..", "/%"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, target []byte, encoded bool) {
		in := bytes.Clone(target)
		out, err := NormalizePath(nil, in, encoded)
		if !bytes.Equal(in, target) {
			t.Fatal("the target was changed")
		}
		if err != nil {
			if err.Status != 400 || out != nil {
				t.Fatalf("%q, %+v", out, err)
			}
			return
		}
		if string(target) == "*" {
			return
		}
		p := string(out)
		again, err := NormalizePath(nil, out, encoded)
		if err != nil || string(again) != p || &again[0] != &out[0] {
			t.Fatalf("%q becomes %q becomes %q, %v", target, p, again, err)
		}
		if p[0] != '/' || len(p) > len(target) || strings.Contains(p, "//") || strings.Contains(p+"/", "/./") || strings.Contains(p+"/", "/../") {
			t.Fatalf("%q becomes %q", target, p)
		}
		if encoded {
			return
		}
		if u := strings.ToLower(p); strings.Contains(u, "%2f") || strings.Contains(u, "%5c") || strings.Contains(u, "%00") || strings.Contains(u, "\\") {
			t.Fatalf("%q becomes %q", target, p)
		}
		whole, _, _ := strings.Cut(string(target), "?")
		want, err1 := url.PathUnescape(whole)
		got, err2 := url.PathUnescape(p)
		if err1 != nil || err2 != nil || path.Clean(want) != path.Clean(got) {
			t.Fatalf("%q becomes %q, which is not %q", target, got, path.Clean(want))
		}
	})
}
