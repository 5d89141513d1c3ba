package wire

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

func TestPatternTellsMessagesApart(t *testing.T) {
	p := NewPattern(7, 4096)
	seen := map[string]bool{}
	for _, n := range []int{0, 1, 7, 8, 15, 16, 17, 64, 4096} {
		for conn := range uint32(4) {
			for seq := range uint32(4) {
				b := p.Append(nil, conn, seq, n)
				if len(b) != n {
					t.Fatalf("size %d: got %d bytes", n, len(b))
				}
				if n >= 8 && seen[string(b[:8])+string(rune(n))] {
					t.Fatalf("size %d: connection %d message %d begins as another", n, conn, seq)
				}
				if n >= 8 {
					seen[string(b[:8])+string(rune(n))] = true
				}
				for cut := range len(b) {
					if !p.Matches(b[cut:], conn, seq, cut, n) || !p.Matches(b[:cut], conn, seq, 0, n) {
						t.Fatalf("size %d: own bytes do not match when cut at %d", n, cut)
					}
				}
				if n >= 64 && bytes.Equal(b[StampSize:], p.Append(nil, conn, seq+1, n)[StampSize:]) {
					t.Fatalf("size %d: two messages share their body", n)
				}
			}
		}
	}
	if NewPattern(8, 64).Matches(p.Append(nil, 1, 1, 64), 1, 1, 0, 64) {
		t.Fatal("two runs share a message")
	}
}

func TestBodyIsAPrefixOfALongerOne(t *testing.T) {
	short, long := NewBody(10), NewBody(100_000)
	if !bytes.HasPrefix(long, short) {
		t.Fatal("backends with bodies of different lengths would disagree")
	}
}

func TestMatchesFindsEveryWrongBit(t *testing.T) {
	p := NewPattern(1, 64)
	b := p.Append(nil, 3, 9, 40)
	for i := range b {
		b[i] ^= 1
		if p.Matches(b, 3, 9, 0, len(b)) {
			t.Fatalf("wrong byte %d is not seen", i)
		}
		b[i] ^= 1
	}
}

func TestChecker(t *testing.T) {
	type msg struct {
		conn, seq uint32
		spoil     func([]byte) []byte
	}
	flip := func(b []byte) []byte { b[len(b)-1] ^= 0x40; return b }
	flipStamp := func(b []byte) []byte { b[3] ^= 1; return b }
	shorten := func(b []byte) []byte { return b[:len(b)-1] }
	lengthen := func(b []byte) []byte { return append(b, 'x') }
	ok := func(seq uint32) msg { return msg{conn: 5, seq: seq} }
	tests := []struct {
		name string
		in   []msg
		want []Fault
		next uint32
	}{
		{"in order", []msg{ok(0), ok(1), ok(2)}, []Fault{Right, Right, Right}, 3},
		{"dropped", []msg{ok(0), ok(2), ok(3)}, []Fault{Right, Lost, Right}, 4},
		{"doubled", []msg{ok(0), ok(0), ok(1)}, []Fault{Right, Duplicate, Right}, 2},
		{"swapped", []msg{ok(1), ok(0), ok(2)}, []Fault{Lost, Reordered, Right}, 3},
		{"of another connection", []msg{ok(0), {conn: 6, seq: 1}, ok(1)}, []Fault{Right, Foreign, Right}, 2},
		{"wrong byte", []msg{{5, 0, flip}, ok(1)}, []Fault{Corrupt, Right}, 2},
		{"wrong stamp", []msg{{5, 0, flipStamp}, ok(1)}, []Fault{Corrupt, Right}, 2},
		{"too short", []msg{{5, 0, shorten}, ok(1)}, []Fault{Corrupt, Right}, 2},
		{"too long", []msg{{5, 0, lengthen}, ok(1)}, []Fault{Corrupt, Right}, 2},
	}
	for _, size := range []int{12, 64, 1000} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				p := NewPattern(99, size)
				var c Checker
				c.Start(p, 5, size)
				for i, m := range tt.in {
					if size < StampSize && m.conn != 5 {
						t.Skip("a payload this short does not name its connection")
					}
					b := p.Append(nil, m.conn, m.seq, size)
					if m.spoil != nil {
						b = m.spoil(b)
					}
					for cut := 1; len(b) > 0; cut++ {
						k := min(cut, len(b))
						c.Chunk(b[:k])
						b = b[k:]
					}
					if v := c.End(); v.Fault != tt.want[i] {
						t.Fatalf("size %d, message %d: %v, want %v", size, i, v.Fault, tt.want[i])
					}
				}
				if c.Next() != tt.next {
					t.Fatalf("size %d: next is %d, want %d", size, c.Next(), tt.next)
				}
			})
		}
	}
}

func TestCheckerCountsTheMissing(t *testing.T) {
	p := NewPattern(1, 32)
	var c Checker
	c.Start(p, 0, 32)
	c.Chunk(p.Append(nil, 0, 10, 32))
	if v := c.End(); v.Fault != Lost || v.Missing != 10 || v.Seq != 10 || v.Expected != 0 {
		t.Fatalf("got %+v", v)
	}
}

func TestSpareMovesNothingOn(t *testing.T) {
	p := NewPattern(1, 32)
	var c Checker
	c.Start(p, 0, 32)
	for i, want := range []Fault{Right, Duplicate, Lost, Foreign} {
		c.Chunk(p.Append(nil, uint32(i/3), []uint32{0, 0, 9, 0}[i], 32))
		v := c.Spare()
		if i == 0 {
			c.Chunk(p.Append(nil, 0, 0, 32))
			c.End()
		}
		if v.Fault != want || c.Next() != 1 || c.Inside() {
			t.Fatalf("message %d: %v, want %v; next is %d", i, v.Fault, want, c.Next())
		}
	}
}

func TestAppendHeaderIsWhatTheLibraryWrites(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		for _, masked := range []bool{false, true} {
			h := ws.Header{Fin: true, OpCode: ws.OpBinary, Length: int64(n), Masked: masked}
			if masked {
				h.Mask = mask
			}
			var want bytes.Buffer
			if err := ws.WriteHeader(&want, h); err != nil {
				t.Fatal(err)
			}
			if got := AppendHeader(nil, ws.OpBinary, n, masked, mask); !bytes.Equal(got, want.Bytes()) {
				t.Errorf("%d bytes, masked %v: % x, want % x", n, masked, got, want.Bytes())
			}
		}
	}
}

type frame struct {
	op      ws.OpCode
	fin     bool
	payload string
}

// decode feeds b in pieces of the given size and returns the frames found.
func decode(b []byte, piece int, client bool) (frames []frame, err error) {
	var d Decoder
	d.Start(client)
	var payload []byte
	for len(b) > 0 {
		p := b[:min(piece, len(b))]
		b = b[len(p):]
		for len(p) > 0 || d.Opened() {
			if !d.Opened() {
				n, ok, err := d.Open(p)
				if err != nil {
					return frames, err
				}
				if p = p[n:]; !ok {
					break
				}
				payload = payload[:0]
			}
			chunk, off, last := d.Payload(p)
			if int(off) != len(payload) {
				return frames, errors.New("offset is wrong")
			}
			if len(chunk) == 0 && !last {
				break
			}
			p = p[len(chunk):]
			payload = append(payload, chunk...)
			if last {
				frames = append(frames, frame{d.Header.OpCode, d.Header.Fin, string(payload)})
			}
		}
	}
	return frames, nil
}

func TestDecoderDoesNotCareHowBytesCome(t *testing.T) {
	var b []byte
	var want []frame
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 125, 126, 300, 65535, 65536} {
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
		b = append(AppendHeader(b, ws.OpBinary, n, false, [4]byte{}), p...)
		want = append(want, frame{ws.OpBinary, true, string(p)})
	}
	for _, piece := range []int{1, 2, 3, 7, 1000, len(b)} {
		got, err := decode(b, piece, true)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("pieces of %d: %d frames, want %d", piece, len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("pieces of %d: frame %d differs", piece, i)
			}
		}
	}
}

func TestDecoderRefuses(t *testing.T) {
	tests := []struct {
		name   string
		b      []byte
		client bool
	}{
		{"a masked frame from a server", []byte{0x82, 0x80, 1, 2, 3, 4}, true},
		{"a bare frame from a client", []byte{0x82, 0x00}, false},
		{"reserved bits", []byte{0xc2, 0x00}, true},
		{"a reserved opcode", []byte{0x83, 0x00}, true},
		{"a fragmented ping", []byte{0x09, 0x00}, true},
		{"a long ping", []byte{0x89, 126, 0, 200}, true},
		{"a continuation of nothing", []byte{0x80, 0x00}, true},
		{"a message in a message", []byte{0x02, 0x00, 0x82, 0x00}, true},
		{"a negative length", []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, true},
	}
	for _, tt := range tests {
		for piece := 1; piece <= len(tt.b); piece++ {
			if _, err := decode(tt.b, piece, tt.client); err == nil {
				t.Errorf("%s, in pieces of %d: taken", tt.name, piece)
			}
		}
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte{0x82, 0x03, 1, 2, 3, 0x89, 0x00, 0x02, 0x01, 'a', 0x80, 0x00}, 1)
	f.Add([]byte{0x82, 126, 0, 2, 'h', 'i', 0x88, 0x02, 3, 232}, 3)
	f.Add([]byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1, 'x', 0xc1, 0x00}, 5)
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		if piece < 1 || len(b) > 1<<16 {
			t.Skip()
		}
		whole, err1 := decode(b, max(len(b), 1), true)
		parts, err2 := decode(b, piece, true)
		if (err1 == nil) != (err2 == nil) || len(whole) != len(parts) {
			t.Fatalf("whole: %d frames, %v; in pieces: %d frames, %v", len(whole), err1, len(parts), err2)
		}
		for i := range whole {
			if whole[i] != parts[i] {
				t.Fatalf("frame %d differs", i)
			}
		}
	})
}

func TestAccept(t *testing.T) {
	// RFC 6455 1.3.
	if got := Accept("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatal(got)
	}
}

func TestParseAccepted(t *testing.T) {
	key := Key(1)
	good := string(AppendAccepted(nil, key))
	tests := []struct {
		name, in string
		n        int
		bad      bool
	}{
		{"right", good, len(good), false},
		{"right, with a frame behind", good + "\x81\x00", len(good), false},
		{"incomplete", good[:len(good)-1], 0, false},
		{"nothing", "", 0, false},
		{"other case", strings.ReplaceAll(strings.ReplaceAll(good, "Upgrade: websocket", "upgrade: WebSocket"), "Connection: Upgrade", "connection: upgrade"), len(good), false},
		{"503", "HTTP/1.1 503 Service Unavailable\r\n\r\n", 0, true},
		{"wrong accept", string(AppendAccepted(nil, Key(2))), 0, true},
		{"no Upgrade", strings.Replace(good, "Upgrade: websocket\r\n", "", 1), 0, true},
		{"two accepts", strings.Replace(good, "\r\n\r\n", "\r\nSec-WebSocket-Accept: x\r\n\r\n", 1), 0, true},
		{"an extension", strings.Replace(good, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 1), 0, true},
		{"endless", strings.Repeat("x", MaxHead+1), 0, true},
	}
	for _, tt := range tests {
		n, err := ParseAccepted([]byte(tt.in), key)
		if n != tt.n || (err != nil) != tt.bad {
			t.Errorf("%s: %d, %v; want %d, error %v", tt.name, n, err, tt.n, tt.bad)
		}
	}
	for in, status := range map[string]string{"HTTP/1.1 503 Service Unavailable": "503", "HTTP/1.1 200": "200", "SSH-2.0-x y": ""} {
		var r *Refusal
		if _, err := ParseAccepted([]byte(in+"\r\n\r\n"), key); !errors.As(err, &r) || r.Status != status || r.Line != in {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestParseRequest(t *testing.T) {
	b := AppendRequest(nil, "h:1", "/echo?conn=1", "the key")
	r, err := ParseRequest(append(b, "more"...))
	if err != nil || r.Target != "/echo?conn=1" || r.Key != "the key" || r.Length != len(b) {
		t.Fatalf("%+v, %v", r, err)
	}
	if r, err = ParseRequest(b[:len(b)-1]); err != nil || r.Length != 0 {
		t.Fatalf("incomplete: %+v, %v", r, err)
	}
	if r, err = ParseRequest([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil || r.Key != "" || r.Length == 0 {
		t.Fatalf("plain: %+v, %v", r, err)
	}
	for _, bad := range []string{"POST / HTTP/1.1\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n"} {
		if _, err := ParseRequest([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestOrder(t *testing.T) {
	for _, o := range []Order{
		{Path: PathSource, Conn: 4e9, Seed: 1 << 63, Size: 65536},
		{Path: PathSink, Conn: 4e9, Seed: 1 << 63, Size: 65536},
		{Path: PathRoom, Seed: 1 << 63, Room: 4e9},
		{Path: PathSlow, Rate: 1},
		{Path: PathAbrupt},
		{Path: PathAbrupt, After: 4e9, Reset: true},
	} {
		if got, err := ParseOrder(o.Target("/prefix")); err != nil || got != o {
			t.Errorf("%s: %+v, %v; want %+v", o.Target(""), got, err, o)
		}
	}
	sizes := mustSizes(t, "16 1\n1000 3\n")
	if o, err := ParseOrder((Order{Path: PathSink, Conn: 1, Sizes: sizes}).Target("")); err != nil || o.Sizes.String() != sizes.String() {
		t.Errorf("with sizes: %+v, %v", o, err)
	}
	if o, err := ParseOrder("/abrupt?how=fin"); err != nil || o != (Order{Path: PathAbrupt}) {
		t.Errorf("abrupt: %+v, %v", o, err)
	}
	for _, bad := range []string{
		"/", "/nothing", "/source", "/source?conn=x&seed=1&size=1", "/sink?conn=1&seed=1&size=-1", "/source?conn=1&seed=1&size=999999999",
		"/source?conn=1&seed=1&sizes=1", "/source?conn=1&seed=1&sizes=1:1,1:1", "/room", "/room?seed=1", "/room?seed=1&room=x",
		"/slow", "/slow?rate=0", "/slow?rate=-1", "/slow?rate=9999999999999", "/abrupt?after=x", "/abrupt?how=maybe", "/abrupt?%zz",
	} {
		if o, err := ParseOrder(bad); err == nil {
			t.Errorf("%q is taken: %+v", bad, o)
		}
	}
}

func FuzzParseOrder(f *testing.F) {
	for _, s := range []string{"/p/source?conn=1&seed=2&size=3", "/sink?conn=1&seed=2&sizes=16:1,99:2", "/room?seed=1&room=2", "/slow?rate=5", "/abrupt?after=3&how=rst", "/echo"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		o, err := ParseOrder(target)
		if err != nil {
			return
		}
		if o.Size < 0 || o.Size > MaxSize || o.Sizes != nil && o.Sizes.Longest() > MaxSize {
			t.Fatalf("%q asks for too much: %+v", target, o)
		}
		back, err := ParseOrder(o.Target(""))
		if err != nil || back.Target("") != o.Target("") {
			t.Fatalf("%q is %+v, and back %+v, %v", target, o, back, err)
		}
	})
}

func TestNoAllocations(t *testing.T) {
	p := NewPattern(1, 64)
	var c Checker
	c.Start(p, 1, 64)
	var d Decoder
	d.Start(true)
	buf := make([]byte, 0, 256)
	seq := uint32(0)
	n := testing.AllocsPerRun(100, func() {
		buf = AppendHeader(buf[:0], ws.OpBinary, 64, false, [4]byte{})
		buf = p.Append(buf, 1, seq, 64)
		seq++
		used, ok, err := d.Open(buf)
		chunk, _, last := d.Payload(buf[used:])
		c.Chunk(chunk)
		if v := c.End(); !ok || err != nil || !last || v.Fault != Right {
			t.Fatal("the message is not read as written")
		}
	})
	if n != 0 {
		t.Fatalf("%v allocations a message", n)
	}
}
