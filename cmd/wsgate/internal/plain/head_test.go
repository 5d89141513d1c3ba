package plain

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"

	"wsgate/handshake"
)

// FuzzHead: whatever the parser accepts becomes a head that net/http accepts
// and frames in the same way.
func FuzzHead(f *testing.F) {
	for _, s := range badStreams {
		f.Add([]byte(s.bytes))
	}
	for _, s := range []string{
		"GET / HTTP/1.1\r\n" + host + "\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		"M-SEARCH /a?%zz HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n",
		"POST http://x?y HTTP/1.1\r\n" + host + "Transfer-Encoding: CHUNKED\r\nExpect: 100-continue\r\n\r\n",
		"POST //a|b HTTP/1.1\r\n" + host + "Content-Length: 009\r\n\r\n123456789",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r handshake.Request
		done, bad := r.Parse(data, &handshake.Limits{Line: 4096, Head: 8192})
		if !done || bad != nil || r.Upgrade {
			return
		}
		head := appendHead(nil, &r, data)
		br := bufio.NewReader(bytes.NewReader(head))
		q, err := http.ReadRequest(br)
		if err != nil {
			t.Fatalf("net/http: %v of %q", err, head)
		}
		if br.Buffered() != 0 {
			t.Errorf("net/http leaves %d bytes of %q", br.Buffered(), head)
		}
		if q.Method != string(r.Method.Of(data)) || q.ProtoMinor != int(r.Minor) {
			t.Errorf("net/http reads %s HTTP/1.%d of %q", q.Method, q.ProtoMinor, head)
		}
		keep := !q.Close && (q.ProtoMinor == 1 || q.Header.Get("Connection") == "keep-alive")
		if keep != r.KeepAlive {
			t.Errorf("net/http keeps %v: %q", keep, head)
		}
		length := map[handshake.FramingKind]int64{handshake.NoBody: 0, handshake.Chunked: -1, handshake.Length: r.Body.Length}[r.Body.Kind]
		if q.ContentLength != length {
			t.Errorf("net/http frames %d: %q", q.ContentLength, head)
		}
		if u := targetURL(string(r.AppendTarget(nil, data))); u.RequestURI() == "" || u.RequestURI()[0] != '/' && u.RequestURI() != "*" {
			t.Errorf("target becomes %q", u.RequestURI())
		}
	})
}
