package handshake

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

const switchHead = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

func parseResponse(t testing.TB, in string, lim *Limits, head bool) (*Response, *Error) {
	t.Helper()
	r := new(Response)
	done, err := r.Parse([]byte(in), lim, head)
	if done && err != nil || !done && err == nil {
		t.Fatalf("Parse(%q) = %v, %v; want a verdict", in, done, err)
	}
	return r, err
}

func describeResponse(r *Response, b []byte) string {
	var s strings.Builder
	fmt.Fprintf(&s, "1.%d %d %q len=%d ka=%v body=%v\n", r.Minor, r.Status, r.Reason.Of(b), r.HeadLen, r.KeepAlive, r.Body)
	for _, f := range r.Fields {
		fmt.Fprintf(&s, "%d %v %q=%q\n", f.Kind, f.hop, f.Name.Of(b), f.Value.Of(b))
	}
	return s.String()
}

// splitsResponse is splits for responses.
func splitsResponse(t testing.TB, in string, lim *Limits, head bool) {
	t.Helper()
	want := new(Response)
	_, wantErr := want.Parse([]byte(in), lim, head)
	check := func(how string, r *Response, err *Error) {
		t.Helper()
		if err != wantErr {
			t.Fatalf("%s: %v, in one piece %v", how, err, wantErr)
		}
		if err == nil && describeResponse(r, []byte(in)) != describeResponse(want, []byte(in)) {
			t.Fatalf("%s:\n%sin one piece\n%s", how, describeResponse(r, []byte(in)), describeResponse(want, []byte(in)))
		}
	}
	for i := range len(in) {
		var r Response
		done, err := r.Parse([]byte(in[:i]), lim, head)
		if !done && err == nil {
			_, err = r.Parse([]byte(in), lim, head)
		}
		check(fmt.Sprintf("cut at %d", i), &r, err)
	}
	var r Response
	for i := range len(in) {
		done, err := r.Parse(bytes.Clone([]byte(in[:i+1])), lim, head)
		if done || err != nil {
			check(fmt.Sprintf("byte by byte, at %d", i), &r, err)
			return
		}
		if int(r.scan.pos) != i+1 {
			t.Fatalf("%d bytes in, %d read", i+1, r.scan.pos)
		}
	}
	if wantErr != nil {
		t.Fatalf("byte by byte: no error, in one piece %v", wantErr)
	}
}

func TestResponseAccepted(t *testing.T) {
	tests := []struct {
		name, in string
		head     bool
		status   int
		body     Framing
		keep     bool
		reason   string
	}{
		{"101", switchHead, false, 101, Framing{}, true, "Switching Protocols"},
		{"length", crlfs("HTTP/1.1 200 OK", "Content-Length: 5"), false, 200, Framing{Length, 5}, true, "OK"},
		{"length of a HEAD", crlfs("HTTP/1.1 200 OK", "Content-Length: 5"), true, 200, Framing{}, true, "OK"},
		{"chunked", crlfs("HTTP/1.1 404 Not \t Found", "transfer-encoding: Chunked"), false, 404, Framing{Kind: Chunked}, true, "Not \t Found"},
		{"until close", crlfs("HTTP/1.1 200 \xe4\xf6"), false, 200, Framing{Kind: UntilClose}, false, "\xe4\xf6"},
		{"no reason", crlfs("HTTP/1.1 200 ", "Content-Length: 0"), false, 200, Framing{}, true, ""},
		{"no reason, no space", crlfs("HTTP/1.1 200", "Content-Length: 0"), false, 200, Framing{}, true, ""},
		{"close", crlfs("HTTP/1.1 200 OK", "Connection: close", "Content-Length: 0"), false, 200, Framing{}, false, "OK"},
		{"1.0", crlfs("HTTP/1.0 200 OK", "Content-Length: 1"), false, 200, Framing{Length, 1}, false, "OK"},
		{"1.0 keep-alive", crlfs("HTTP/1.0 200 OK", "Connection: keep-alive", "Content-Length: 1"), false, 200, Framing{Length, 1}, true, "OK"},
		{"1.0 keep-alive until close", crlfs("HTTP/1.0 200 OK", "Connection: keep-alive"), false, 200, Framing{Kind: UntilClose}, false, "OK"},
		{"100", crlfs("HTTP/1.1 100 Continue"), false, 100, Framing{}, true, "Continue"},
		{"103", crlfs("HTTP/1.1 103 Early Hints", "Link: x"), false, 103, Framing{}, true, "Early Hints"},
		{"204", crlfs("HTTP/1.1 204 No Content", "Content-Length: 3"), false, 204, Framing{}, true, "No Content"},
		{"304", crlfs("HTTP/1.1 304 Not Modified", "Content-Length: 3"), false, 304, Framing{}, true, "Not Modified"},
		{"999", crlfs("HTTP/1.1 999 Denied"), false, 999, Framing{Kind: UntilClose}, false, "Denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parseResponse(t, tt.in, nil, tt.head)
			if err != nil {
				t.Fatal(err.Reason)
			}
			b := []byte(tt.in)
			if r.Status != tt.status || r.Body != tt.body || r.KeepAlive != tt.keep || string(r.Reason.Of(b)) != tt.reason || r.HeadLen != len(b) {
				t.Errorf("got %s", describeResponse(r, b))
			}
			splitsResponse(t, tt.in, nil, tt.head)
		})
	}
}

func TestResponseRefused(t *testing.T) {
	ok := func(lines ...string) string { return crlfs(append([]string{"HTTP/1.1 200 OK"}, lines...)...) }
	tests := []struct{ name, in, reason string }{
		{"garbage", "S", "not_http"},
		{"lower case", "http", "not_http"},
		{"empty line", "\r\nHTTP", "not_http"},
		{"ssh", "SSH-2.0", "not_http"},
		{"icy", "ICY 200 OK\r\n", "not_http"},
		{"http 2", "HTTP/2.0 200 OK\r\n", "http_version"},
		{"http 1.2", "HTTP/1.2 200 OK\r\n", "http_version"},
		{"http 1.10", "HTTP/1.10 200 OK\r\n", "bad_start_line"},
		{"two spaces", "HTTP/1.1  200 OK\r\n", "bad_start_line"},
		{"two digits", "HTTP/1.1 20 OK\r\n", "bad_start_line"},
		{"four digits", "HTTP/1.1 2000 OK\r\n", "bad_start_line"},
		{"zero", "HTTP/1.1 099 OK\r\n", "bad_start_line"},
		{"sign", "HTTP/1.1 +20 OK\r\n", "bad_start_line"},
		{"no status", "HTTP/1.1 \r\n", "bad_start_line"},
		{"bare lf", "HTTP/1.1 200 OK\n", "bare_lf"},
		{"bare lf behind the status", "HTTP/1.1 200\n", "bare_lf"},
		{"bare cr", "HTTP/1.1 200 O\rK", "bare_cr"},
		{"nul in the reason", "HTTP/1.1 200 O\x00", "control_byte"},
		{"obs-fold", ok("A: b", " c"), "obs_fold"},
		{"space before colon", ok("A : b"), "space_before_colon"},
		{"two lengths", ok("Content-Length: 1", "Content-Length: 1"), "two_content_lengths"},
		{"cl.te", ok("Content-Length: 1", "Transfer-Encoding: chunked"), "length_with_coding"},
		{"te.cl", ok("Transfer-Encoding: chunked", "Content-Length: 1"), "length_with_coding"},
		{"bad length", ok("Content-Length: 1x"), "bad_content_length"},
		{"gzip", ok("Transfer-Encoding: gzip, chunked"), "unknown_coding"},
		{"identity", ok("Transfer-Encoding: identity"), "bad_transfer_encoding"},
		{"coding in 1.0", crlfs("HTTP/1.0 200 OK", "Transfer-Encoding: chunked"), "coding_in_http10"},
		{"connection names length", ok("Connection: content-length"), "framing_in_connection"},
		{"alias", ok("Content_Length: 1"), "field_alias"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseResponse(t, tt.in, nil, false)
			if err == nil || err.Reason != "upstream_"+tt.reason || err.Status != 502 {
				t.Fatalf("got %+v, want %s", err, tt.reason)
			}
			splitsResponse(t, tt.in, nil, false)
		})
	}
	for _, tt := range []struct {
		lim    Limits
		reason string
	}{
		{Limits{Line: 16}, "start_line_too_long"},
		{Limits{Line: 20}, "field_too_long"},
		{Limits{Head: 50}, "head_too_large"},
		{Limits{Fields: 1}, "too_many_fields"},
	} {
		in := ok("Content-Length: 123456789", "A: b")
		if _, err := parseResponse(t, in, &tt.lim, false); err == nil || err.Reason != "upstream_"+tt.reason {
			t.Errorf("%+v: %+v", tt.lim, err)
		}
		splitsResponse(t, in, &tt.lim, false)
	}
}

func TestCheckUpgrade(t *testing.T) {
	line := func(name, lines string) string {
		from := strings.Index(switchHead, "\r\n"+name+":") + 2
		to := from + strings.Index(switchHead[from:], "\r\n") + 2
		return switchHead[:from] + lines + switchHead[to:]
	}
	tests := []struct{ name, in, reason string }{
		{"good", switchHead, ""},
		{"other case", line("Upgrade", "upgrade: WebSocket\r\n"), ""},
		{"more options", line("Connection", "Connection: keep-alive\r\nconnection: upgrade, x\r\n"), ""},
		{"length 0", line("Connection", "Connection: upgrade\r\nContent-Length: 0\r\n"), ""},
		{"200", strings.Replace(switchHead, "101", "200", 1), "not_switching"},
		{"1.0", strings.Replace(switchHead, "HTTP/1.1", "HTTP/1.0", 1), "switching_in_http10"},
		{"length", line("Connection", "Connection: upgrade\r\nContent-Length: 1\r\n"), "switching_with_body"},
		{"chunked", line("Connection", "Connection: upgrade\r\nTransfer-Encoding: chunked\r\n"), "switching_with_body"},
		{"no upgrade", line("Upgrade", ""), "switching_without_upgrade"},
		{"other upgrade", line("Upgrade", "Upgrade: h2c\r\n"), "switching_without_upgrade"},
		{"two upgrades", line("Upgrade", "Upgrade: websocket, h2c\r\n"), "switching_without_upgrade"},
		{"no connection", line("Connection", ""), "switching_without_connection"},
		{"other connection", line("Connection", "Connection: close\r\n"), "switching_without_connection"},
		{"no accept", line("Sec-WebSocket-Accept", ""), "no_accept"},
		{"two accepts", line("Upgrade", "Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "two_accepts"},
		{"wrong accept", line("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOp=\r\n"), "bad_accept"},
		{"short accept", line("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo\r\n"), "bad_accept"},
		{"accept in other case", line("Sec-WebSocket-Accept", "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=\r\n"), "bad_accept"},
		{"empty accept", line("Sec-WebSocket-Accept", "Sec-WebSocket-Accept:\r\n"), "bad_accept"},
	}
	for _, tt := range tests {
		r, err := parseResponse(t, tt.in, nil, false)
		if err != nil {
			t.Errorf("%s: %s", tt.name, err.Reason)
			continue
		}
		err = r.CheckUpgrade([]byte(tt.in), []byte(sampleKey))
		if tt.reason == "" && err != nil || tt.reason != "" && (err == nil || err.Reason != "upstream_"+tt.reason || err.Status != 502) {
			t.Errorf("%s: %+v, want %q", tt.name, err, tt.reason)
		}
	}
	if got := string(AppendAccept([]byte("x"), []byte(sampleKey))); got != "xs3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("AppendAccept: %s", got) // the example of RFC 6455 section 1.3
	}
}

func TestReservedBits(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		want  uint8
	}{
		{nil, 0},
		{[]string{"Sec-WebSocket-Extensions:"}, 0},
		{[]string{"Sec-WebSocket-Extensions: permessage-deflate"}, 4},
		{[]string{"Sec-WebSocket-Extensions: , Permessage-Deflate ; server_max_window_bits=\"10\","}, 4},
		{[]string{"Sec-WebSocket-Extensions: x-webkit-deflate-frame"}, 7},
		{[]string{"Sec-WebSocket-Extensions: permessage-deflate, foo"}, 7},
		{[]string{"Sec-WebSocket-Extensions: permessage-deflate; a=\"b\\\", foo\""}, 4},
		{[]string{"Sec-WebSocket-Extensions: permessage-deflate; a=\"b, foo"}, 4},
		{[]string{"Sec-WebSocket-Extensions: permessage-deflate", "sec-websocket-extensions: foo"}, 7},
		{[]string{"Sec-WebSocket-Extensions: ; permessage-deflate"}, 7},
	} {
		in := crlfs(append([]string{"HTTP/1.1 101 x"}, tt.lines...)...)
		r, err := parseResponse(t, in, nil, false)
		if err != nil {
			t.Fatal(err.Reason)
		}
		if got := r.ReservedBits([]byte(in)); got != tt.want {
			t.Errorf("%q: %d, want %d", tt.lines, got, tt.want)
		}
	}
}

func TestResponseAppend(t *testing.T) {
	rules := &Rules{
		ResponseSet:    []Header{{"X-Set", "1"}, {"Server", "gate"}, {"Content-Length", "9"}},
		ResponseRemove: []string{"x-powered-by", "Content-Length", "Sec-WebSocket-Accept"},
	}
	accept := "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	in101 := crlfs("HTTP/1.1 101", "Upgrade: WebSocket", "A:  1 ", accept, "Connection: upgrade, B, Sec-WebSocket-Protocol, Set-Cookie", "B: 2",
		"Sec-WebSocket-Protocol: p", "Keep-Alive: 1", "Content-Length: 0", "Server: x", "Set-Cookie: a", "Set-Cookie: b", "Sec-WebSocket-Extensions: e")
	head := []string{"Upgrade: h2c", "Content-Length: 5", "A:1", "Connection: keep-alive, B", "B: 2", "Keep-Alive: 1", "Trailer: X", "X-Powered-By: y", "Server: x"}
	status := func(first string, lines ...string) string { return crlfs(append([]string{first}, lines...)...) }
	tests := []struct {
		name, in  string
		head      bool
		keepAlive bool
		rules     *Rules
		want      string
	}{
		{"101", in101, false, true, nil, crlfs("HTTP/1.1 101 ", "A:  1 ", accept, "Sec-WebSocket-Protocol: p", "Server: x", "Set-Cookie: a", "Set-Cookie: b",
			"Sec-WebSocket-Extensions: e", "Connection: Upgrade", "Upgrade: websocket")},
		{"101 with rules", in101, false, true, rules, crlfs("HTTP/1.1 101 ", "A:  1 ", accept, "Sec-WebSocket-Protocol: p", "Set-Cookie: a", "Set-Cookie: b",
			"Sec-WebSocket-Extensions: e", "Connection: Upgrade", "Upgrade: websocket", "X-Set: 1", "Server: gate")},
		{"kept", status("HTTP/1.0 403 Go away", head...), false, true, nil, crlfs("HTTP/1.1 403 Go away", "Content-Length: 5", "A:1", "X-Powered-By: y", "Server: x")},
		{"not kept", status("HTTP/1.1 403 Go away", head...), false, false, nil, crlfs("HTTP/1.1 403 Go away", "Content-Length: 5", "A:1", "X-Powered-By: y", "Server: x", "Connection: close")},
		{"rules", status("HTTP/1.1 200 OK", head...), false, true, rules, crlfs("HTTP/1.1 200 OK", "Content-Length: 5", "A:1", "X-Set: 1", "Server: gate")},
		{"chunked", crlfs("HTTP/1.1 200 OK", "transfer-encoding:chunked", "Trailer: X", "A: 1"), false, true, nil, crlfs("HTTP/1.1 200 OK", "transfer-encoding:chunked", "Trailer: X", "A: 1")},
		{"until close", crlfs("HTTP/1.1 200 OK", "A: 1"), false, true, nil, crlfs("HTTP/1.1 200 OK", "A: 1", "Connection: close")},
		{"103", crlfs("HTTP/1.1 103 Early", "Link: x", "Content-Length: 5", "Connection: close"), false, false, rules, crlfs("HTTP/1.1 103 Early", "Link: x")},
		{"204", crlfs("HTTP/1.1 204 No", "Content-Length: 5", "A: 1"), false, true, nil, crlfs("HTTP/1.1 204 No", "A: 1")},
		{"304", crlfs("HTTP/1.1 304 Same", "Content-Length: 5"), false, true, nil, crlfs("HTTP/1.1 304 Same", "Content-Length: 5")},
		{"head", crlfs("HTTP/1.1 200 OK", "Content-Length: 5"), true, true, nil, crlfs("HTTP/1.1 200 OK", "Content-Length: 5")},
		{"no fields", crlfs("HTTP/1.1 304 x"), false, true, nil, crlfs("HTTP/1.1 304 x")},
	}
	for _, tt := range tests {
		r, err := parseResponse(t, tt.in, nil, tt.head)
		if err != nil {
			t.Fatalf("%s: %s", tt.name, err.Reason)
		}
		var got string
		if r.Status == 101 {
			got = string(r.AppendUpgrade([]byte("p"), []byte(tt.in), tt.rules))
		} else {
			got = string(r.AppendHead([]byte("p"), []byte(tt.in), tt.keepAlive, tt.rules))
		}
		if got != "p"+tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
		if again, err := parseResponse(t, got[1:], nil, tt.head); err != nil || again.Body != r.Body {
			t.Errorf("%s: what was written reads as %+v, %v", tt.name, again, err)
		}
	}
	r, _ := parseResponse(t, in101, nil, false)
	if got := string(r.Subprotocol([]byte(in101))); got != "p" {
		t.Errorf("subprotocol %q", got)
	}
	if got := string(r.Extensions([]byte(in101))); got != "e" {
		t.Errorf("extensions %q", got)
	}
}
