package e2e

import (
	"bytes"
	"compress/flate"
	"fmt"
	"strings"

	"github.com/gobwas/ws"
)

// A confCase is a stream of frames that one side sends behind the upgrade,
// after the manner of the Autobahn test suite. When it leaves the connection
// usable, a Close with 1000 follows; when fatal, the receiver is expected to
// fail the connection and nothing follows.
type confCase struct {
	name    string
	send    []byte
	fatal   bool
	deflate bool // permessage-deflate is offered
	chop    int  // bytes a write, 0 for all in one
}

// A script builds the cases of one sender: masked for clients, not for servers.
type script struct {
	masked bool
	cases  []confCase
}

// f is one frame of the script's sender.
func (s *script) f(fin bool, rsv byte, op ws.OpCode, payload string) []byte {
	return encode(fin, rsv, op, s.masked, []byte(payload))
}

func (s *script) text(p string) []byte  { return s.f(true, 0, ws.OpText, p) }
func (s *script) ping(p string) []byte  { return s.f(true, 0, ws.OpPing, p) }
func (s *script) pong(p string) []byte  { return s.f(true, 0, ws.OpPong, p) }
func (s *script) first(p string) []byte { return s.f(false, 0, ws.OpText, p) }
func (s *script) more(p string) []byte  { return s.f(false, 0, ws.OpContinuation, p) }
func (s *script) last(p string) []byte  { return s.f(true, 0, ws.OpContinuation, p) }
func (s *script) bye(p string) []byte   { return s.f(true, 0, ws.OpClose, p) }

func (s *script) good(name string, frames ...[]byte) {
	s.cases = append(s.cases, confCase{name: name, send: bytes.Join(frames, nil)})
}

func (s *script) bad(name string, frames ...[]byte) {
	s.cases = append(s.cases, confCase{name: name, send: bytes.Join(frames, nil), fatal: true})
}

// confCases builds every case of a sender. Short ones come a second time, one
// byte a write.
func confCases(masked bool) []confCase {
	s := &script{masked: masked}
	s.framing()
	s.pings()
	s.reserved()
	s.fragments()
	s.utf8()
	s.closes()
	s.lengths()
	s.deflates()
	for _, c := range s.cases {
		if len(c.send) <= 300 {
			c.name += ", byte by byte"
			c.chop = 1
			s.cases = append(s.cases, c)
		}
	}
	return s.cases
}

func (s *script) framing() {
	for _, n := range []int{0, 1, 125, 126, 127, 128, 65535, 65536} {
		s.good(fmt.Sprintf("1 text of %d", n), s.text(strings.Repeat("*", n)))
		s.good(fmt.Sprintf("1 binary of %d", n), s.f(true, 0, ws.OpBinary, strings.Repeat("\xfe", n)))
	}
	for _, chop := range []int{2, 13, 997} {
		s.good(fmt.Sprintf("1 text of 70000 in writes of %d", chop), s.text(strings.Repeat("x", 70000)))
		s.cases[len(s.cases)-1].chop = max(chop, 97) // 70,000 bytes in at most 722 writes
	}
	s.good("9 binary of 1 MiB", s.f(true, 0, ws.OpBinary, strings.Repeat("0123456789abcdef", 1<<16)))
	for _, step := range []int{64, 4096, 60000} {
		all := [][]byte{s.first("-")}
		for at := 0; at < 120_000; at += step {
			all = append(all, s.more(strings.Repeat("f", step)))
		}
		s.good(fmt.Sprintf("9 fragments of %d", step), append(all, s.last("."))...)
	}
	var many [][]byte
	for i := range 500 {
		many = append(many, s.text(fmt.Sprint("message ", i)))
	}
	s.good("9 500 messages in one write", many...)
}

func (s *script) pings() {
	s.good("2 ping", s.ping(""))
	s.good("2 ping with payload", s.ping("Hello, world!"))
	s.good("2 ping with binary payload", s.ping("\x00\xff\xfe\xfd\xfc\xfb\x00\xff"))
	s.good("2 ping of 125", s.ping(strings.Repeat("\xfe", 125)))
	s.bad("2 ping of 126", s.ping(strings.Repeat("\xfe", 126)))
	s.bad("2 pong of 126", s.pong(strings.Repeat("\xfe", 126)))
	s.good("2 unsolicited pong", s.pong(""))
	s.good("2 unsolicited pong with payload", s.pong("unsolicited"))
	s.good("2 unsolicited pong, then ping", s.pong("unsolicited"), s.ping("ping"))
	var ten [][]byte
	for i := range 10 {
		ten = append(ten, s.ping(fmt.Sprint("payload-", i)))
	}
	s.good("2 ten pings", ten...)
}

func (s *script) reserved() {
	for rsv := byte(1); rsv < 8; rsv++ {
		s.bad(fmt.Sprintf("3 rsv %d on text", rsv), s.f(true, rsv, ws.OpText, "Hello"))
		s.bad(fmt.Sprintf("3 text, then rsv %d", rsv), s.text("fine"), s.f(true, rsv, ws.OpText, "bad"))
		s.bad(fmt.Sprintf("3 rsv %d on ping", rsv), s.f(true, rsv, ws.OpPing, ""))
		s.bad(fmt.Sprintf("3 rsv %d on close", rsv), s.f(true, rsv, ws.OpClose, closeBody(1000, "")))
	}
	for _, op := range []ws.OpCode{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		s.bad(fmt.Sprintf("4 opcode %d", op), s.f(true, 0, op, ""))
		s.bad(fmt.Sprintf("4 opcode %d with payload", op), s.f(true, 0, op, "payload"))
		s.bad(fmt.Sprintf("4 text, then opcode %d", op), s.text("fine"), s.f(true, 0, op, ""))
	}
	wrong := &script{masked: !s.masked}
	s.bad("3 wrong masking", wrong.text("Hello"))
	s.bad("3 wrong masking on ping", wrong.ping("Hello"))
	s.bad("3 text, then wrong masking", s.text("fine"), wrong.text("bad"))
}

func (s *script) fragments() {
	s.bad("5 fragmented ping", s.f(false, 0, ws.OpPing, "a"), s.last("b"))
	s.bad("5 fragmented pong", s.f(false, 0, ws.OpPong, "a"), s.last("b"))
	s.bad("5 fragmented close", s.f(false, 0, ws.OpClose, closeBody(1000, "")))
	s.good("5 two fragments", s.first("fragment1"), s.last("fragment2"))
	s.good("5 ping between fragments", s.first("fragment1"), s.ping("ping"), s.last("fragment2"))
	s.good("5 pong between fragments", s.first("fragment1"), s.pong("pong"), s.last("fragment2"))
	s.good("5 pings around every fragment",
		s.ping("1"), s.first("a"), s.ping("2"), s.more("b"), s.ping("3"), s.more(""), s.ping("4"), s.last("c"), s.ping("5"))
	s.good("5 empty fragments", s.first(""), s.more(""), s.last(""))
	s.good("5 empty first and last", s.first(""), s.more("middle"), s.last(""))
	s.good("5 binary fragments", s.f(false, 0, ws.OpBinary, "\x00\xff"), s.last("\xfe"))
	s.good("5 two fragmented messages", s.first("a"), s.last("b"), s.first("c"), s.last("d"))
	s.bad("5 continuation, nothing begun", s.last("non-continuation payload"))
	s.bad("5 unfinished continuation, nothing begun", s.more("non-continuation payload"))
	s.bad("5 text, then continuation", s.text("Hello"), s.last("more"))
	s.bad("5 text inside a fragmented text", s.first("fragment1"), s.text("fragment2"))
	s.bad("5 binary inside a fragmented text", s.first("fragment1"), s.f(true, 0, ws.OpBinary, "fragment2"))
	s.bad("5 first inside a fragmented text", s.first("fragment1"), s.first("fragment2"))
	s.good("5 close between fragments", s.first("fragment1"), s.bye(closeBody(1000, "")))
	s.cases[len(s.cases)-1].fatal = true // the script has sent its Close
}

func (s *script) utf8() {
	valid := []string{
		"Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!", "\u03ba\u1f79\u03c3\u03bc\u03b5",
		"\u0000", "\u0080", "\u0800", "\U00010000", "\u007f", "\u07ff", "\uffff", "\U0010ffff",
		"\ud7ff", "\ue000", "\ufffd", "\ufffe", "\U0001fffe",
	}
	for _, v := range valid {
		s.good(fmt.Sprintf("6 %+q", v), s.text(v))
		frames := [][]byte{s.first("")}
		for i := range len(v) {
			frames = append(frames, s.more(v[i:i+1]))
		}
		s.good(fmt.Sprintf("6 %+q, a byte a fragment", v), append(frames, s.last(""))...)
	}
	invalid := []string{
		"\x80", "\xbf", "\x80\xbf\x80", "\xc0 ", "\xff", "\xfe\xff", "\xc0\xaf", "\xe0\x80\xaf",
		"\xf0\x80\x80\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80",
		"\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
		"\xce", "\xe1\xbd", "\xf0\x90\x80", "fine \xce\xba\xed\xa0\x80 edited",
	}
	for _, v := range invalid {
		s.bad(fmt.Sprintf("6 invalid %q", v), s.text(v))
		s.bad(fmt.Sprintf("6 invalid %q in the last fragment", v), s.first("good so far "), s.last(v))
		s.bad(fmt.Sprintf("6 invalid %q after a good message", v), s.text("good"), s.text(v))
	}
	s.good("6 invalid as binary", s.f(true, 0, ws.OpBinary, "\xed\xa0\x80\xff"))
}

func (s *script) closes() {
	final := func(name string, frames ...[]byte) { s.bad(name, frames...) }
	final("7 close", s.bye(""))
	final("7 close with one byte", s.bye("\x03"))
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		final(fmt.Sprintf("7 close %d", code), s.bye(closeBody(code, "")))
		final(fmt.Sprintf("7 close %d with reason", code), s.bye(closeBody(code, "a reason")))
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		final(fmt.Sprintf("7 bad code %d", code), s.bye(closeBody(code, "")))
	}
	final("7 close with 123 bytes of reason", s.bye(closeBody(1000, strings.Repeat("*", 123))))
	final("7 close with 124 bytes of reason", s.bye(closeBody(1000, strings.Repeat("*", 124))))
	final("7 close with bad UTF-8", s.bye(closeBody(1000, "\xce\xba\xed\xa0\x80")))
	final("7 text, then close", s.text("Hello"), s.bye(closeBody(1000, "")))
	final("7 ping, then close", s.ping("Hello"), s.bye(closeBody(1000, "")))
	final("7 close, then ping", s.bye(closeBody(1000, "")), s.ping("late"))
	final("7 close, then text", s.bye(closeBody(1000, "")), s.text("late"))
	final("7 two closes", s.bye(closeBody(1000, "")), s.bye(closeBody(1001, "")))
}

// lengths are headers whose length is not written in the fewest bytes.
func (s *script) lengths() {
	head := func(b ...byte) []byte {
		if s.masked {
			b[1] |= 0x80
			b = append(b, 0, 0, 0, 0)
		}
		return b
	}
	s.bad("10 5 bytes with a 16-bit length", append(head(0x81, 126, 0, 5), "Hello"...))
	s.bad("10 5 bytes with a 64-bit length", append(head(0x81, 127, 0, 0, 0, 0, 0, 0, 0, 5), "Hello"...))
	s.bad("10 length with the top bit", head(0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0))
	s.bad("10 ping with a 16-bit length", append(head(0x89, 126, 0, 2), "ab"...))
}

// deflates are messages under permessage-deflate (RFC 7692).
func (s *script) deflates() {
	at := len(s.cases)
	z := func(text string) string {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, flate.BestSpeed)
		_, _ = w.Write([]byte(text))
		_ = w.Flush()
		return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
	}
	hello := z("Hello, Hello, Hello, compressed world")
	half := len(hello) / 2
	s.good("12 compressed text", s.f(true, 4, ws.OpText, hello))
	s.good("12 compressed fragments", s.f(false, 4, ws.OpText, hello[:half]), s.last(hello[half:]))
	s.good("12 ping between compressed fragments",
		s.f(false, 4, ws.OpText, hello[:half]), s.ping("ping"), s.more(""), s.last(hello[half:]))
	s.good("12 not compressed", s.text("Hello"))
	s.good("12 both kinds", s.text("plain"), s.f(true, 4, ws.OpText, hello), s.text("plain again"))
	s.good("12 compressed nothing", s.f(true, 4, ws.OpText, "\x02\x00"))
	s.good("12 compressed binary of 1 MiB", s.f(true, 4, ws.OpBinary, z(strings.Repeat("0123456789abcdef", 1<<16))))
	s.bad("12 rsv1 on a continuation", s.f(false, 4, ws.OpText, hello[:half]), s.f(true, 4, ws.OpContinuation, hello[half:]))
	s.bad("12 rsv1 on a ping", s.f(true, 4, ws.OpPing, "ping"))
	s.bad("12 rsv2 on text", s.f(true, 2, ws.OpText, "Hello"))
	s.bad("12 not a deflate stream", s.f(true, 4, ws.OpText, "\xff\xff\xff\xff"))
	s.bad("12 compressed bad UTF-8", s.f(true, 4, ws.OpText, z("\xed\xa0\x80")))
	for i := at; i < len(s.cases); i++ {
		s.cases[i].deflate = true
	}
}
