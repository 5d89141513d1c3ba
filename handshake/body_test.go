package handshake

import (
	"io"
	"net/http/httputil"
	"strings"
	"testing"
)

// consume feeds in to a body in pieces of step bytes and returns how far it got.
func consume(d *Body, in string, step int) (n int, done bool, err *Error) {
	for n < len(in) || n == 0 {
		var k int
		k, done, err = d.Consume([]byte(in[n:min(n+step, len(in))]))
		n += k
		if done || err != nil || len(in) == 0 {
			break
		}
	}
	return n, done, err
}

func TestBodyChunked(t *testing.T) {
	end := "0\r\n\r\n"
	tests := []struct {
		name, in string
		n        int    // bytes of the body, or in front of the fault
		reason   string // "" and not done: more is needed
		done     bool
	}{
		{"empty", end, 5, "", true},
		{"empty and next", end + "GET", 5, "", true},
		{"one", "5\r\nhello\r\n" + end + "x", 15, "", true},
		{"upper case", "A\r\n0123456789\r\n" + end, 20, "", true},
		{"leading zeros", "0000000000000001\r\nx\r\n" + end, 26, "", true},
		{"crlf in the data", "4\r\n\r\n0\r\r\n" + end, 14, "", true},
		{"extension", "1;a=b; c=\"d e\"\r\nx\r\n0;z\r\n\r\n", 26, "", true},
		{"trailers", "0\r\nDigest: a\tb\xff\r\nX:\r\n\r\nG", 23, "", true},
		{"huge", "fffffffffffffff\r\nab", 19, "", false},
		{"unfinished", "5\r\nhel", 6, "", false},
		{"no end", "0\r\n", 3, "", false},

		{"no size", "\r\n", 0, "bad_chunk_size", false},
		{"space first", " 5\r\n", 0, "bad_chunk_size", false},
		{"sign", "+5\r\n", 0, "bad_chunk_size", false},
		{"minus", "-1\r\n", 0, "bad_chunk_size", false},
		{"prefix", "0x5\r\n", 1, "bad_chunk_size", false},
		{"underscore", "1_0\r\n", 1, "bad_chunk_size", false},
		{"space behind", "5 \r\n", 1, "bad_chunk_size", false},
		{"tab behind", "5\t;a\r\n", 1, "bad_chunk_size", false},
		{"no hex", "g\r\n", 0, "bad_chunk_size", false},
		{"bare lf", "5\nhello", 1, "bad_chunk_size", false},
		{"bare cr", "5\rhello", 2, "bad_chunk_size", false},
		{"17 digits", "00000000000000001\r\n", 16, "bad_chunk_size", false},
		{"overflow", "ffffffffffffffff\r\n", 15, "bad_chunk_size", false},
		{"extension with lf", "5;a\nhello", 3, "bad_chunk_extension", false},
		{"extension with nul", "5;\x00", 2, "bad_chunk_extension", false},
		{"extension with high byte", "5;\xff", 2, "bad_chunk_extension", false},
		{"extension too long", "5;" + strings.Repeat("a", 257), 258, "bad_chunk_extension", false},
		{"extension with bare cr", "5;a\rx", 4, "bad_chunk_size", false},
		{"data too long", "5\r\nhelloX", 8, "bad_chunk_end", false},
		{"data too short", "5\r\nhel\r\n0\r\n", 8, "bad_chunk_end", false},
		{"lf behind data", "5\r\nhello\n", 8, "bad_chunk_end", false},
		{"cr behind data", "5\r\nhello\rX", 9, "bad_chunk_end", false},
		{"bare lf at the end", "0\r\n\n", 3, "bare_lf", false},
		{"bare cr at the end", "0\r\n\rX", 4, "bare_cr", false},
		{"no end line", "0\r\nGET / HTTP/1.1\r\n", 6, "space_before_colon", false},
		{"trailer fold", "0\r\nA: b\r\n c", 9, "obs_fold", false},
		{"trailer without name", "0\r\n: b", 3, "bad_field_name", false},
		{"trailer bare lf", "0\r\nA: b\n", 7, "bare_lf", false},
		{"trailer bare cr", "0\r\nA: b\rX", 8, "bare_cr", false},
		{"trailer control", "0\r\nA: \x01", 6, "control_byte", false},
		{"trailer space before colon", "0\r\nA : b", 4, "space_before_colon", false},
		{"trailer length", "0\r\nContent-Length: 5", 17, "trailer_forbidden", false},
		{"trailer coding", "0\r\ntransfer-encoding:x", 20, "trailer_forbidden", false},
		{"trailer coding alias", "0\r\ntransfer_encoding:x", 20, "trailer_forbidden", false},
		{"trailer host", "0\r\nHost: x", 7, "trailer_forbidden", false},
		{"trailer client", "0\r\nX-Forwarded-For: x", 18, "trailer_forbidden", false},
		{"trailer long client", "0\r\nX-Forwarded-Whatever-And-More-Of-It: x", 38, "trailer_forbidden", false},
		{"trailer long alias", "0\r\nX_SSL_Client_S_DN_And_More_Of_It: x", 35, "trailer_forbidden", false},
		{"trailer cookie", "0\r\nCookie: x", 9, "trailer_forbidden", false},
		{"trailers too large", "0\r\nA: " + strings.Repeat("b", 2100), 2051, "trailer_too_large", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for step := 1; step <= len(tt.in)+1; step++ {
				var d Body
				d.Init(Framing{Kind: Chunked})
				n, done, err := consume(&d, tt.in, step)
				if n != tt.n || done != tt.done || d.Done() != tt.done || (err != nil) != (tt.reason != "") ||
					err != nil && (err.Reason != tt.reason || err.Status != 400) {
					t.Fatalf("step %d: %d, %v, %+v; want %d, %v, %q", step, n, done, err, tt.n, tt.done, tt.reason)
				}
				if n2, done2, err2 := d.Consume([]byte("0")); tt.done && (n2 != 0 || !done2 || err2 != nil) || err != nil && (err2 != err || n2 != 0) {
					t.Fatalf("step %d, afterwards: %d, %v, %v", step, n2, done2, err2)
				}
				if len(tt.in) > 300 && step > 3 {
					step += 100
				}
			}
		})
	}
}

// TestBodyChunkOverhead has a sender that wraps every byte in a long extension:
// it is cut off, and one that sends single bytes in plain chunks is not.
func TestBodyChunkOverhead(t *testing.T) {
	for _, tt := range []struct {
		chunk string
		ok    bool
	}{
		{"1\r\nx\r\n", true},
		{"1;" + strings.Repeat("a", 200) + "\r\nx\r\n", false},
		{"64;" + strings.Repeat("a", 200) + "\r\n" + strings.Repeat("x", 100) + "\r\n", true},
	} {
		var d Body
		d.InitResponse(Framing{Kind: Chunked})
		_, _, err := d.Consume([]byte(strings.Repeat(tt.chunk, 10000)))
		if tt.ok && err != nil || !tt.ok && (err == nil || err.Reason != "upstream_chunk_overhead" || err.Status != 502) {
			t.Errorf("%.10q: %+v", tt.chunk, err)
		}
	}
}

// TestBodyChunkOverheadBound has extensions around the length at which overhead
// begins to add up: net/http takes whatever passes here.
func TestBodyChunkOverheadBound(t *testing.T) {
	refused := 0
	for n := range 32 {
		in := strings.Repeat("1;"+strings.Repeat("a", n)+"\r\nx\r\n", 20000) + "0\r\n\r\n"
		var d Body
		d.Init(Framing{Kind: Chunked})
		if _, done, _ := d.Consume([]byte(in)); !done {
			refused++
			continue
		}
		if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(strings.NewReader(in))); err != nil {
			t.Errorf("extension of %d bytes: net/http: %v", n, err)
		}
	}
	if refused == 0 || refused > 20 {
		t.Errorf("%d of 32 were refused", refused)
	}
}

func TestBodyOther(t *testing.T) {
	var d Body
	if n, done, err := d.Consume([]byte("x")); n != 0 || !done || err != nil || !d.Done() {
		t.Errorf("zero value: %d, %v, %v", n, done, err)
	}
	d.Init(Framing{Kind: Length, Length: 0})
	if !d.Done() {
		t.Error("length 0 is not done")
	}
	d.Init(Framing{Kind: Length, Length: 5})
	if n, done, err := d.Consume([]byte("abc")); n != 3 || done || err != nil || d.Done() {
		t.Errorf("three of five: %d, %v, %v", n, done, err)
	}
	if n, done, err := d.Consume(nil); n != 0 || done || err != nil {
		t.Errorf("nothing: %d, %v, %v", n, done, err)
	}
	if n, done, err := d.Consume([]byte("deGET")); n != 2 || !done || err != nil || !d.Done() {
		t.Errorf("the rest: %d, %v, %v", n, done, err)
	}
	if n, done, err := d.Consume([]byte("GET")); n != 0 || !done || err != nil {
		t.Errorf("behind it: %d, %v, %v", n, done, err)
	}
	d.Init(Framing{Kind: UntilClose})
	if n, done, err := d.Consume([]byte("abc")); n != 3 || done || err != nil || d.Done() {
		t.Errorf("until close: %d, %v, %v", n, done, err)
	}
}
