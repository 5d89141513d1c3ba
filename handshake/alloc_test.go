package handshake

import (
	"net/netip"
	"testing"
)

// browserHead is what a browser sends to open a WebSocket.
const browserHead = "GET /rooms/42/socket?token=0123456789abcdef HTTP/1.1\r\nHost: chat.example.com\r\nConnection: Upgrade\r\n" +
	"Pragma: no-cache\r\nCache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
	"Upgrade: websocket\r\nOrigin: https://chat.example.com\r\nSec-WebSocket-Version: 13\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: de-DE,de;q=0.9,en;q=0.8\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"

// The verdicts of the code under test are kept here, so that it is not optimized away.
var sink struct {
	bytes []byte
	err   *Error
	ok    bool
	addr  netip.Addr
}

func TestNoAllocations(t *testing.T) {
	b := []byte(browserHead)
	trustedHead := []byte(upgradeWith("X-Forwarded-For: 1.1.1.1, 10.0.0.2", "X-Forwarded-For: [2001:db8::1]:80", "Connection: a, b", "X_Y: 1"))
	answer := []byte(switchHead[:len(switchHead)-2] + "Server: x\r\nX-A: y\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
	plain := []byte(crlfs("HTTP/1.1 200 OK", "Content-Length: 5", "Server: x", "Connection: keep-alive"))
	chunks := []byte("5;a=b\r\nhello\r\n0\r\nDigest: x\r\n\r\n")
	rules := &Rules{Host: "inner", RequestSet: []Header{{"X-User", "u"}}, RequestRemove: []string{"Cookie"}, ResponseSet: []Header{{"Server", "gate"}}, ResponseRemove: []string{"X-A"}}
	id := &Identity{Peer: netip.MustParseAddr("192.0.2.7"), Forwarded: true}
	trustedID := &Identity{Peer: netip.MustParseAddr("2001:db8::7"), Trusted: true, Forwarded: true}
	trusted := func(a netip.Addr) bool { return a != netip.MustParseAddr("1.1.1.1") }
	lim := &Limits{Head: 16 << 10}
	bare, asIs, changed := []byte("GET / HTTP/1.1\n"), []byte("/rooms/42?x"), []byte("/a//b/%41/../c")
	key, host := []byte(sampleKey), []byte("a.example:80")
	dst := make([]byte, 0, 4096)

	var r, forwarded Request
	var res Response
	var body Body
	forwarded.Parse(trustedHead, lim)
	for name, f := range map[string]func(){
		"request": func() {
			r.Reset()
			sink.ok, sink.err = r.Parse(b, lim)
			sink.bytes = r.AppendUpgrade(dst[:0], b, id, nil)
			sink.bytes = r.AppendUpgrade(dst[:0], b, id, rules)
		},
		"request in pieces": func() {
			r.Reset()
			for i := 0; i <= len(trustedHead); i += 7 {
				sink.ok, sink.err = r.Parse(trustedHead[:i], lim)
			}
			sink.ok, sink.err = r.Parse(trustedHead, lim)
			sink.bytes = r.AppendUpgrade(dst[:0], trustedHead, trustedID, nil)
		},
		"client address": func() { sink.addr = forwarded.ClientAddr(trustedHead, trustedID.Peer, trusted) },
		"upgrade response": func() {
			res.Reset()
			sink.ok, sink.err = res.Parse(answer, lim, false)
			sink.err = res.CheckUpgrade(answer, key)
			sink.ok = res.ReservedBits(answer) == 4
			sink.bytes = res.AppendUpgrade(dst[:0], answer, rules)
		},
		"other response": func() {
			res.Reset()
			sink.ok, sink.err = res.Parse(plain, lim, false)
			sink.bytes = res.AppendHead(dst[:0], plain, false, rules)
		},
		"refusal": func() {
			r.Reset()
			sink.ok, sink.err = r.Parse(bare, lim)
			sink.bytes = AppendError(dst[:0], sink.err, 1, true)
		},
		"body":         func() { body.Init(Framing{Kind: Chunked}); _, sink.ok, sink.err = body.Consume(chunks) },
		"path as is":   func() { sink.bytes, sink.err = NormalizePath(dst, asIs, false) },
		"path changed": func() { sink.bytes, sink.err = NormalizePath(dst, changed, false) },
		"accept":       func() { sink.bytes = AppendAccept(dst[:0], key) },
		"host":         func() { sink.bytes, _ = SplitHost(host) },
		"names":        func() { sink.ok = IsIdentityField("X_Real-IP") && IsHopByHop("Keep-Alive") && Reserved("Host") },
	} {
		sink.err = nil
		f() // grows what is kept
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if name != "refusal" && sink.err != nil {
			t.Errorf("%s: %v", name, sink.err)
		}
	}
	if sink.addr != netip.MustParseAddr("1.1.1.1") {
		t.Errorf("client address %v", sink.addr)
	}
}

func BenchmarkParse(b *testing.B) {
	in := []byte(browserHead)
	lim := &Limits{Head: 16 << 10}
	var r Request
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset()
		sink.ok, sink.err = r.Parse(in, lim)
	}
}

func BenchmarkParseAndAppendUpgrade(b *testing.B) {
	in := []byte(browserHead)
	lim := &Limits{Head: 16 << 10}
	id := &Identity{Peer: netip.MustParseAddr("192.0.2.7")}
	dst := make([]byte, 0, 4096)
	var r Request
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset()
		sink.ok, sink.err = r.Parse(in, lim)
		sink.bytes = r.AppendUpgrade(dst[:0], in, id, nil)
	}
}

// BenchmarkWholeUpgrade is everything this package does for one upgrade: the
// request, the path, the response and the check of its Accept.
func BenchmarkWholeUpgrade(b *testing.B) {
	in, out := []byte(browserHead), []byte(switchHead)
	lim := &Limits{Head: 16 << 10}
	id := &Identity{Peer: netip.MustParseAddr("192.0.2.7")}
	dst := make([]byte, 0, 4096)
	var r Request
	var res Response
	b.ReportAllocs()
	for b.Loop() {
		r.Reset()
		sink.ok, sink.err = r.Parse(in, lim)
		sink.bytes, sink.err = NormalizePath(dst[:0], r.Path(in), false)
		sink.bytes = r.AppendUpgrade(dst[:0], in, id, nil)
		res.Reset()
		sink.ok, sink.err = res.Parse(out, lim, false)
		sink.err = res.CheckUpgrade(out, r.Key.Of(in))
		sink.bytes = res.AppendUpgrade(dst[:0], out, nil)
	}
}

func BenchmarkBodyChunked(b *testing.B) {
	in := append(append([]byte("1000\r\n"), make([]byte, 4096)...), "\r\n0\r\n\r\n"...)
	var d Body
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		d.Init(Framing{Kind: Chunked})
		_, sink.ok, sink.err = d.Consume(in)
	}
}
