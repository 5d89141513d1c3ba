package handshake

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// crlfs writes a head with one line each, as tests read better that way.
func crlfs(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

const upgradeHead = "GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// with returns upgradeHead with the field line that begins with name replaced.
func with(name, lines string) string {
	from := strings.Index(upgradeHead, "\r\n"+name+":") + 2
	to := from + strings.Index(upgradeHead[from:], "\r\n") + 2
	return upgradeHead[:from] + lines + upgradeHead[to:]
}

func parseRequest(t testing.TB, in string, lim *Limits) (*Request, *Error) {
	t.Helper()
	r := new(Request)
	done, err := r.Parse([]byte(in), lim)
	if done && err != nil || !done && err == nil {
		t.Fatalf("Parse(%q) = %v, %v; want a verdict", in, done, err)
	}
	return r, err
}

// describe is everything that a done Request says.
func describe(r *Request, b []byte) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %q root=%v host=%q 1.%d len=%d up=%v ka=%v exp=%v body=%v key=%q origin=%q ua=%q\n",
		r.Method.Of(b), r.Target.Of(b), r.RootTarget, r.Host.Of(b), r.Minor, r.HeadLen, r.Upgrade, r.KeepAlive,
		r.ExpectContinue, r.Body, r.Key.Of(b), r.Origin.Of(b), r.UserAgent.Of(b))
	for _, f := range r.Fields {
		fmt.Fprintf(&s, "%d %v %q=%q\n", f.Kind, f.hop, f.Name.Of(b), f.Value.Of(b))
	}
	return s.String()
}

func TestRequestAccepted(t *testing.T) {
	tests := []struct {
		name, in string
		want     Request // Method to KeepAlive by the strings below
		target   string
		host     string
	}{
		{"get", crlfs("GET / HTTP/1.1", "Host: a"), Request{Minor: 1, KeepAlive: true}, "/", "a"},
		{"1.0 without host", crlfs("GET / HTTP/1.0"), Request{}, "/", ""},
		{"1.0 keep-alive", crlfs("GET / HTTP/1.0", "Connection: Keep-Alive"), Request{KeepAlive: true}, "/", ""},
		{"1.0 keep-alive and close", crlfs("GET / HTTP/1.0", "Connection: keep-alive, close"), Request{}, "/", ""},
		{"close", crlfs("GET / HTTP/1.1", "Host: a", "Connection: , CLOSE ,"), Request{Minor: 1}, "/", "a"},
		{"length", crlfs("POST /x?a=%zz HTTP/1.1", "Host: a:8080", "Content-Length: 010"), Request{Minor: 1, KeepAlive: true, Body: Framing{Length, 10}}, "/x?a=%zz", "a:8080"},
		{"longest length", crlfs("POST / HTTP/1.1", "Host: a", "Content-Length: 9223372036854775807"), Request{Minor: 1, KeepAlive: true, Body: Framing{Length, 1<<63 - 1}}, "/", "a"},
		{"length 0", crlfs("POST / HTTP/1.1", "Host: a", "Content-Length: 0"), Request{Minor: 1, KeepAlive: true}, "/", "a"},
		{"chunked", crlfs("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: CHUNKED"), Request{Minor: 1, KeepAlive: true, Body: Framing{Kind: Chunked}}, "/", "a"},
		{"trailer", crlfs("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "Trailer: Digest, X-Sum"), Request{Minor: 1, KeepAlive: true, Body: Framing{Kind: Chunked}}, "/", "a"},
		{"expect", crlfs("POST / HTTP/1.1", "Host: a", "Content-Length: 1", "Expect: 100-Continue"), Request{Minor: 1, KeepAlive: true, ExpectContinue: true, Body: Framing{Length, 1}}, "/", "a"},
		{"expect in 1.0", crlfs("POST / HTTP/1.0", "Content-Length: 1", "Expect: 100-continue"), Request{Body: Framing{Length, 1}}, "/", ""},
		{"options", crlfs("OPTIONS * HTTP/1.1", "Host: a"), Request{Minor: 1, KeepAlive: true}, "*", "a"},
		{"many known options", crlfs("GET / HTTP/1.1", "Host: a", "Connection: "+strings.Repeat("Cookie,", 65)), Request{Minor: 1, KeepAlive: true}, "/", "a"},
		{"empty trailer elements", crlfs("GET / HTTP/1.1", "Host: a", "Trailer: , X,", "Connection: y,,"), Request{Minor: 1, KeepAlive: true}, "/", "a"},
		{"other method", crlfs("M-SEARCH /a HTTP/1.1", "Host: a"), Request{Minor: 1, KeepAlive: true}, "/a", "a"},
		{"absolute", crlfs("GET http://B.example:81/x?y HTTP/1.1", "Host: a"), Request{Minor: 1, KeepAlive: true}, "/x?y", "B.example:81"},
		{"absolute wss", crlfs("GET WSS://b//x HTTP/1.1", "Host: a"), Request{Minor: 1, KeepAlive: true}, "//x", "b"},
		{"absolute root", crlfs("GET https://b HTTP/1.1", "Host: a"), Request{Minor: 1, KeepAlive: true, RootTarget: true}, "", "b"},
		{"absolute query", crlfs("GET ws://[::1]:9?a/b HTTP/1.1", "Host: a"), Request{Minor: 1, KeepAlive: true, RootTarget: true}, "?a/b", "[::1]:9"},
		{"absolute in 1.0", crlfs("GET http://b/ HTTP/1.0"), Request{}, "/", "b"},
		{"double slash", crlfs("GET //x/ HTTP/1.1", "Host: a"), Request{Minor: 1, KeepAlive: true}, "//x/", "a"},
		{"obs-text and tab", crlfs("GET / HTTP/1.1", "Host:a", "X: \xff\x80\ta b"), Request{Minor: 1, KeepAlive: true}, "/", "a"},
		{"empty value", crlfs("GET / HTTP/1.1", "Host:\t a \t", "X:", "Y: \t "), Request{Minor: 1, KeepAlive: true}, "/", "a"},
		{"upgrade", upgradeHead, Request{Minor: 1, KeepAlive: true, Upgrade: true}, "/chat", "a.example"},
		{"upgrade among others", with("Upgrade", "upgrade: h2c, , WebSocket\r\n"), Request{Minor: 1, KeepAlive: true, Upgrade: true}, "/chat", "a.example"},
		{"upgrade in two fields", with("Upgrade", "upgrade: h2c\r\nUpgrade:websocket\r\n"), Request{Minor: 1, KeepAlive: true, Upgrade: true}, "/chat", "a.example"},
		{"upgrade option among others", with("Connection", "Connection: keep-alive\r\nConnection: Foo, UPGRADE\r\n"), Request{Minor: 1, KeepAlive: true, Upgrade: true}, "/chat", "a.example"},
		{"upgrade with length 0", with("Connection", "Connection: upgrade\r\nContent-Length: 0\r\n"), Request{Minor: 1, KeepAlive: true, Upgrade: true}, "/chat", "a.example"},
		{"upgrade to h2c", with("Upgrade", "Upgrade: h2c\r\n"), Request{Minor: 1, KeepAlive: true}, "/chat", "a.example"},
		{"upgrade to websocket/13", with("Upgrade", "Upgrade: websocket/13\r\n"), Request{Minor: 1, KeepAlive: true}, "/chat", "a.example"},
		{"upgrade quoted", with("Upgrade", "Upgrade: \"websocket\"\r\n"), Request{Minor: 1, KeepAlive: true}, "/chat", "a.example"},
		{"upgrade without option", with("Connection", "Connection: keep-alive\r\n"), Request{Minor: 1, KeepAlive: true}, "/chat", "a.example"},
		{"upgrade without connection", with("Connection", ""), Request{Minor: 1, KeepAlive: true}, "/chat", "a.example"},
		{"upgrade in 1.0", strings.Replace(upgradeHead, "HTTP/1.1", "HTTP/1.0", 1), Request{}, "/chat", "a.example"},
		{"no upgrade, two keys", with("Upgrade", "Sec-WebSocket-Key: x\r\n"), Request{Minor: 1, KeepAlive: true}, "/chat", "a.example"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parseRequest(t, tt.in, nil)
			if err != nil {
				t.Fatalf("Parse: %s", err.Reason)
			}
			b := []byte(tt.in)
			w := &tt.want
			if r.Minor != w.Minor || r.KeepAlive != w.KeepAlive || r.ExpectContinue != w.ExpectContinue ||
				r.Body != w.Body || r.Upgrade != w.Upgrade || r.RootTarget != w.RootTarget {
				t.Errorf("got %s", describe(r, b))
			}
			if got := string(r.Target.Of(b)); got != tt.target {
				t.Errorf("target %q, want %q", got, tt.target)
			}
			if got := string(r.Host.Of(b)); got != tt.host {
				t.Errorf("host %q, want %q", got, tt.host)
			}
			if r.HeadLen != len(tt.in) {
				t.Errorf("HeadLen %d, want %d", r.HeadLen, len(tt.in))
			}
			splits(t, tt.in, nil)
		})
	}
}

func field1(line string) string { return crlfs("POST / HTTP/1.1", "Host: a", line) }

var badRequests = []struct {
	name, in string
	reason   string
	status   int
}{
	{"tls", "\x16\x03\x01", "not_http", 400},
	{"nul", "\x00", "not_http", 400},
	{"space first", " GET / HTTP/1.1\r\n", "not_http", 400},
	{"high byte", "\xff", "not_http", 400},
	{"empty line", "\r\nGET / HTTP/1.1\r\n", "empty_line", 400},
	{"empty line lf", "\nGET / HTTP/1.1\r\n", "empty_line", 400},
	{"lower-case method", "get / HTTP/1.1\r\n", "bad_method", 400},
	{"method with digit", "GE7 / HTTP/1.1\r\n", "bad_method", 400},
	{"method with tab", "GET\t/ HTTP/1.1\r\n", "control_byte", 400},
	{"method and nothing", "GET\r\n", "bad_start_line", 400},
	{"ssh", "SSH-2.0-x\r\n", "bad_method", 400},
	{"long method", strings.Repeat("A", 33), "bad_method", 400},
	{"two spaces", "GET  / HTTP/1.1\r\n", "bad_target", 400},
	{"tab after target", "GET /\tHTTP/1.1\r\n", "control_byte", 400},
	{"space behind version", "GET / HTTP/1.1 \r\n", "bad_start_line", 400},
	{"two spaces before version", "GET /  HTTP/1.1\r\n", "bad_start_line", 400},
	{"space in target", "GET /a b HTTP/1.1\r\n", "bad_start_line", 400},
	{"http 0.9", "GET /\r\n", "bad_start_line", 400},
	{"fragment", "GET /# HTTP/1.1\r\n", "bad_target", 400},
	{"raw utf-8", "GET /\xc3\xa4 HTTP/1.1\r\n", "bad_target", 400},
	{"nul in target", "GET /\x00 HTTP/1.1\r\n", "control_byte", 400},
	{"del in target", "GET /\x7f HTTP/1.1\r\n", "control_byte", 400},
	{"lf after target", "GET /\nHost: a", "bare_lf", 400},
	{"bad escape", "GET /%zz HTTP/1.1\r\n", "bad_escape", 400},
	{"cut escape", "GET /%2?x HTTP/1.1\r\n", "bad_escape", 400},
	{"relative", "GET x HTTP/1.1\r\n", "bad_target", 400},
	{"asterisk", "GET * HTTP/1.1\r\n", "bad_target", 400},
	{"authority", "GET a:80 HTTP/1.1\r\n", "bad_target", 400},
	{"ftp", "GET ftp://a/ HTTP/1.1\r\n", "bad_target", 400},
	{"one slash", "GET http:/a HTTP/1.1\r\n", "bad_target", 400},
	{"scheme only", "GET http: HTTP/1.1\r\n", "bad_target", 400},
	{"no authority", "GET http:///x HTTP/1.1\r\n", "bad_host", 400},
	{"userinfo", "GET http://u:p@a/ HTTP/1.1\r\n", "userinfo", 400},
	{"userinfo in disguise", "GET http://a@b HTTP/1.1\r\n", "userinfo", 400},
	{"backslash in authority", "GET http://a\\b/ HTTP/1.1\r\n", "bad_host", 400},
	{"connect", "CONNECT a:80 HTTP/1.1\r\n", "method_refused", 405},
	{"trace", "TRACE / HTTP/1.1\r\n", "method_refused", 405},
	{"lower-case http", "GET / http/1.1\r\n", "bad_start_line", 400},
	{"http 1", "GET / HTTP/1\r\n", "bad_start_line", 400},
	{"http 1.", "GET / HTTP/1.\r\n", "bad_start_line", 400},
	{"http 0.9 named", "GET / HTTP/0.9\r\n", "bad_start_line", 400},
	{"http 1.1.1", "GET / HTTP/1.1.1\r\n", "bad_start_line", 400},
	{"http 1.2", "GET / HTTP/1.2\r\n", "http_version", 505},
	{"http 1.9", "GET / HTTP/1.9\r\n", "http_version", 505},
	{"http 01.1", "GET / HTTP/01.1\r\n", "bad_start_line", 400},
	{"http 1.01", "GET / HTTP/1.01\r\n", "http_version", 505},
	{"http 2", "GET / HTTP/2\r\n", "http_version", 505},
	{"http 2.0", "GET / HTTP/2.0\r\n", "http_version", 505},
	{"http 3", "GET / HTTP/3.0\r\n", "http_version", 505},
	{"preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http_version", 505},
	{"bare lf in start line", "GET / HTTP/1.1\nHost: a\n\n", "bare_lf", 400},
	{"bare cr in start line", "GET / HTTP/1.1\rX", "bare_cr", 400},

	{"bare lf", "GET / HTTP/1.1\r\nHost: a\n", "bare_lf", 400},
	{"bare lf for the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", "bare_lf", 400},
	{"bare cr", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n", "bare_cr", 400},
	{"bare cr for the end", "GET / HTTP/1.1\r\nHost: a\r\n\rX", "bare_cr", 400},
	{"obs-fold", "GET / HTTP/1.1\r\nHost: a\r\n b", "obs_fold", 400},
	{"obs-fold tab", "GET / HTTP/1.1\r\nHost: a\r\n\t", "obs_fold", 400},
	{"space before the first field", "GET / HTTP/1.1\r\n Host: a", "obs_fold", 400},
	{"space before colon", "GET / HTTP/1.1\r\nHost : a", "space_before_colon", 400},
	{"tab before colon", "GET / HTTP/1.1\r\nHost\t: a", "space_before_colon", 400},
	{"no name", "GET / HTTP/1.1\r\n: a", "bad_field_name", 400},
	{"no colon", "GET / HTTP/1.1\r\nHost\r\n", "bad_field_name", 400},
	{"name with slash", "GET / HTTP/1.1\r\nHo/st: a", "bad_field_name", 400},
	{"name with high byte", "GET / HTTP/1.1\r\nHost\xa0: a", "bad_field_name", 400},
	{"nul in name", "GET / HTTP/1.1\r\nHo\x00st: a", "control_byte", 400},
	{"nul in value", field1("X: a\x00b"), "control_byte", 400},
	{"vt in value", field1("Transfer-Encoding: \x0bchunked"), "control_byte", 400},
	{"del in value", field1("X: \x7f"), "control_byte", 400},
	{"esc behind eight bytes", field1("X: 12345678\x1b"), "control_byte", 400},

	{"no host", crlfs("GET / HTTP/1.1", "X: y"), "no_host", 400},
	{"no host, absolute", crlfs("GET http://a/ HTTP/1.1"), "no_host", 400},
	{"two hosts", field1("Host: b"), "two_hosts", 400},
	{"two equal hosts", field1("hOST: a"), "two_hosts", 400},
	{"two hosts, absolute", crlfs("GET http://a/ HTTP/1.1", "Host: a", "Host: a"), "two_hosts", 400},
	{"two hosts in 1.0", crlfs("GET / HTTP/1.0", "Host: a", "Host: a"), "two_hosts", 400},
	{"bad host", crlfs("GET / HTTP/1.1", "Host: a b"), "bad_host", 400},
	{"empty host", crlfs("GET / HTTP/1.1", "Host: "), "bad_host", 400},
	{"two origins", crlfs("GET / HTTP/1.1", "Host: a", "Origin: http://a", "Origin: http://b"), "two_origins", 400},

	{"cl.te", crlfs("POST / HTTP/1.1", "Host: a", "Content-Length: 5", "Transfer-Encoding: chunked"), "length_with_coding", 400},
	{"te.cl", crlfs("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "Content-Length: 0"), "length_with_coding", 400},
	{"two lengths", crlfs("POST / HTTP/1.1", "Host: a", "Content-Length: 5", "Content-Length: 6"), "two_content_lengths", 400},
	{"two equal lengths", crlfs("POST / HTTP/1.1", "Host: a", "Content-Length: 5", "Content-Length: 5"), "two_content_lengths", 400},
	{"length list", field1("Content-Length: 5, 5"), "bad_content_length", 400},
	{"no length", field1("Content-Length:"), "bad_content_length", 400},
	{"signed length", field1("Content-Length: +5"), "bad_content_length", 400},
	{"negative length", field1("Content-Length: -5"), "bad_content_length", 400},
	{"hex length", field1("Content-Length: 0x5"), "bad_content_length", 400},
	{"fraction", field1("Content-Length: 5.0"), "bad_content_length", 400},
	{"overflow", field1("Content-Length: 9223372036854775808"), "bad_content_length", 400},
	{"overflow wide", field1("Content-Length: 18446744073709551621"), "bad_content_length", 400},
	{"alias length", field1("Content_Length: 5"), "field_alias", 400},
	{"alias coding", field1("Transfer_Encoding: chunked"), "field_alias", 400},
	{"two codings", crlfs("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), "bad_transfer_encoding", 400},
	{"empty coding", field1("Transfer-Encoding:"), "bad_transfer_encoding", 400},
	{"identity", field1("Transfer-Encoding: identity"), "bad_transfer_encoding", 400},
	{"xchunked", field1("Transfer-Encoding: xchunked"), "bad_transfer_encoding", 400},
	{"chunked twice", field1("Transfer-Encoding: chunked, chunked"), "bad_transfer_encoding", 400},
	{"chunked first", field1("Transfer-Encoding: chunked, identity"), "bad_transfer_encoding", 400},
	{"chunked and comma", field1("Transfer-Encoding: chunked,"), "bad_transfer_encoding", 400},
	{"quoted", field1("Transfer-Encoding: \"chunked\""), "bad_transfer_encoding", 400},
	{"parameter", field1("Transfer-Encoding: chunked;a=b"), "bad_transfer_encoding", 400},
	{"gzip, chunked", field1("Transfer-Encoding: gzip, chunked"), "unknown_coding", 501},
	{"coding in 1.0", crlfs("POST / HTTP/1.0", "Transfer-Encoding: chunked"), "coding_in_http10", 400},

	{"connection not a token", field1("Connection: a b"), "bad_connection", 400},
	{"connection quoted", field1("Connection: \"close\""), "bad_connection", 400},
	{"connection names length", field1("Connection: close, Content-Length"), "framing_in_connection", 400},
	{"connection names coding", field1("Connection: transfer-encoding"), "framing_in_connection", 400},
	{"connection names host", field1("Connection: HOST"), "framing_in_connection", 400},
	{"connection names too much", field1("Connection: " + strings.Repeat("a,", 65)), "bad_connection", 400},
	{"trailer names length", field1("Trailer: X, content-length"), "bad_trailer", 400},
	{"trailer names client", field1("Trailer: X-Forwarded-For"), "bad_trailer", 400},
	{"trailer not a token", field1("Trailer: a b"), "bad_trailer", 400},
	{"expectation", field1("Expect: 200-ok"), "expectation", 417},

	{"upgrade post", strings.Replace(upgradeHead, "GET", "POST", 1), "upgrade_method", 400},
	{"upgrade head", strings.Replace(upgradeHead, "GET", "HEAD", 1), "upgrade_method", 400},
	{"upgrade with length", with("Connection", "Connection: upgrade\r\nContent-Length: 1\r\n"), "upgrade_body", 400},
	{"upgrade with chunks", with("Connection", "Connection: upgrade\r\nTransfer-Encoding: chunked\r\n"), "upgrade_body", 400},
	{"no key", with("Sec-WebSocket-Key", ""), "no_key", 400},
	{"empty key", with("Sec-WebSocket-Key", "Sec-WebSocket-Key:\r\n"), "bad_key", 400},
	{"two keys", with("Connection", "Connection: upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), "two_keys", 400},
	{"key of 15 bytes", with("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ\r\n"), "bad_key", 400},
	{"key of 17 bytes", with("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQQ=\r\n"), "bad_key", 400},
	{"key not base64", with("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n"), "bad_key", 400},
	{"key base64url", with("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j_Q==\r\n"), "bad_key", 400},
	{"no version", with("Sec-WebSocket-Version", ""), "websocket_version", 426},
	{"version 8", with("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8\r\n"), "websocket_version", 426},
	{"version 255", with("Sec-WebSocket-Version", "Sec-WebSocket-Version: 255\r\n"), "websocket_version", 426},
	{"version 256", with("Sec-WebSocket-Version", "Sec-WebSocket-Version: 256\r\n"), "bad_websocket_version", 400},
	{"version 013", with("Sec-WebSocket-Version", "Sec-WebSocket-Version: 013\r\n"), "bad_websocket_version", 400},
	{"version list", with("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8\r\n"), "bad_websocket_version", 400},
	{"version not a number", with("Sec-WebSocket-Version", "Sec-WebSocket-Version: 1x\r\n"), "bad_websocket_version", 400},
	{"version empty", with("Sec-WebSocket-Version", "Sec-WebSocket-Version:\r\n"), "bad_websocket_version", 400},
	{"two versions", with("Connection", "Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n"), "two_websocket_versions", 400},
}

func TestRequestRefused(t *testing.T) {
	for _, tt := range badRequests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseRequest(t, tt.in, nil)
			if err == nil || err.Reason != tt.reason || err.Status != tt.status {
				t.Fatalf("got %+v, want %d %s", err, tt.status, tt.reason)
			}
			splits(t, tt.in, nil)
		})
	}
}

// TestRequestRefusedEarly has the shortest inputs that are certain to be wrong:
// without their last byte they are still possible.
func TestRequestRefusedEarly(t *testing.T) {
	for _, in := range []string{
		"\x16", "\r", "g", "GET /\x01", "GET / X", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\n ",
		"GET / HTTP/1.1\r\nA ", "GET / HTTP/1.1\r\n:", "GET / HTTP/1.1\r\nA: b\n", "GET / HTTP/1.1\r\nA: b\x00",
		"CONNECT a:1 HTTP/1.1\r\n", "GET / HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
		"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
	} {
		var r Request
		if done, err := r.Parse([]byte(in[:len(in)-1]), nil); done || err != nil {
			t.Errorf("%q: done %v, err %v before the last byte", in, done, err)
		}
		if _, err := r.Parse([]byte(in), nil); err == nil {
			t.Errorf("%q: no error", in)
		}
		if done, err := r.Parse([]byte(in+"x"), nil); done || err == nil {
			t.Errorf("%q: the error is forgotten", in)
		}
	}
}

func TestRequestLimits(t *testing.T) {
	get := "GET /" + strings.Repeat("a", 40) + " HTTP/1.1\r\n" // 56 bytes
	head := get + "Host: a\r\nX: " + strings.Repeat("b", 59) + "\r\n\r\n"
	if len(get) != 56 || len(head) != 131 {
		t.Fatalf("the lengths are %d and %d", len(get), len(head))
	}
	tests := []struct {
		name   string
		lim    Limits
		reason string
		status int
	}{
		{"all fits", Limits{Line: 64, Head: 131, Fields: 2}, "", 0},
		{"defaults", Limits{}, "", 0},
		{"request line", Limits{Line: 55, Head: 1000}, "start_line_too_long", 414},
		{"request line over the head", Limits{Head: 55}, "start_line_too_long", 414},
		{"field line", Limits{Line: 63, Head: 1000}, "field_too_long", 431},
		{"head", Limits{Line: 64, Head: 130}, "head_too_large", 431},
		{"head in a name", Limits{Line: 64, Head: 58}, "head_too_large", 431},
		{"fields", Limits{Fields: 1}, "too_many_fields", 431},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseRequest(t, head, &tt.lim)
			if tt.reason == "" && err != nil || tt.reason != "" && (err == nil || err.Reason != tt.reason || err.Status != tt.status) {
				t.Fatalf("got %+v, want %d %s", err, tt.status, tt.reason)
			}
			splits(t, head, &tt.lim)
		})
	}
	many := "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 127) + "\r\n"
	if _, err := parseRequest(t, many, nil); err != nil {
		t.Errorf("128 fields: %s", err.Reason)
	}
	if _, err := parseRequest(t, many[:len(many)-2]+"X: y\r\n\r\n", nil); err == nil || err.Reason != "too_many_fields" {
		t.Errorf("129 fields: %+v", err)
	}
}

// splits checks that the verdict does not depend on how in arrives: in two pieces
// at every point, and one byte at a time with the buffer moving.
func splits(t testing.TB, in string, lim *Limits) {
	t.Helper()
	want := new(Request)
	_, wantErr := want.Parse([]byte(in), lim)
	check := func(how string, r *Request, err *Error) {
		t.Helper()
		if err != wantErr {
			t.Fatalf("%s: %v, in one piece %v", how, err, wantErr)
		}
		if err == nil && describe(r, []byte(in)) != describe(want, []byte(in)) {
			t.Fatalf("%s:\n%sin one piece\n%s", how, describe(r, []byte(in)), describe(want, []byte(in)))
		}
	}
	for i := range len(in) {
		var r Request
		done, err := r.Parse([]byte(in[:i]), lim)
		if !done && err == nil {
			_, err = r.Parse([]byte(in), lim)
		}
		check(fmt.Sprintf("cut at %d", i), &r, err)
	}
	var r Request
	for i := range len(in) {
		done, err := r.Parse(bytes.Clone([]byte(in[:i+1])), lim)
		if !done && err == nil {
			// Nothing is left to be looked at a second time.
			if int(r.scan.pos) != i+1 {
				t.Fatalf("%d bytes in, %d read", i+1, r.scan.pos)
			}
			continue
		}
		check(fmt.Sprintf("byte by byte, at %d", i), &r, err)
		return
	}
	if wantErr != nil {
		t.Fatalf("byte by byte: no error, in one piece %v", wantErr)
	}
}

func TestRequestReset(t *testing.T) {
	var r Request
	in := []byte(upgradeHead)
	for range 3 {
		if done, err := r.Parse(in, nil); !done || err != nil || !r.Upgrade || len(r.Fields) != 5 {
			t.Fatalf("done %v, err %v, %d fields", done, err, len(r.Fields))
		}
		if done, err := r.Parse(in, nil); !done || err != nil || len(r.Fields) != 5 {
			t.Fatalf("parsed again: done %v, err %v, %d fields", done, err, len(r.Fields))
		}
		r.Reset()
		if r.Upgrade || len(r.Fields) != 0 || cap(r.Fields) < 5 {
			t.Fatalf("after Reset: %+v", r)
		}
	}
}

func TestRequestPath(t *testing.T) {
	for _, tt := range []struct{ target, path, sent string }{
		{"/a?b", "/a", "/a?b"},
		{"/", "/", "/"},
		{"http://h", "/", "/"},
		{"http://h?a", "/", "/?a"},
		{"http://h/x?a", "/x", "/x?a"},
	} {
		in := crlfs("GET "+tt.target+" HTTP/1.1", "Host: a")
		r, err := parseRequest(t, in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.Path([]byte(in))); got != tt.path {
			t.Errorf("%s: path %q, want %q", tt.target, got, tt.path)
		}
		if got := string(r.AppendTarget(nil, []byte(in))); got != tt.sent {
			t.Errorf("%s: target %q, want %q", tt.target, got, tt.sent)
		}
	}
}
