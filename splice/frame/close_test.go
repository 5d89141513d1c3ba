package frame

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

func TestAppendClose(t *testing.T) {
	for _, tc := range []struct {
		code       uint16
		reason     string
		wantCode   uint16
		wantReason string
	}{
		{1000, "", 1000, ""},
		{1001, "going away", 1001, "going away"},
		{4999, strings.Repeat("r", 123), 4999, strings.Repeat("r", 123)},
		{1011, strings.Repeat("r", 124), 1011, strings.Repeat("r", 123)},
		{1011, strings.Repeat("r", 122) + "ß", 1011, strings.Repeat("r", 122)},
		{1011, strings.Repeat("r", 120) + "\U0001f600", 1011, strings.Repeat("r", 120)},
		{1011, strings.Repeat("r", 119) + "\U0001f600tail", 1011, strings.Repeat("r", 119) + "\U0001f600"},
		{0, "dropped", 1005, ""},
		{1005, "dropped", 1005, ""},
		{1006, "dropped", 1005, ""},
		{1015, "dropped", 1005, ""},
	} {
		for _, masked := range []bool{true, false} {
			got := AppendClose([]byte("before"), tc.code, tc.reason, masked, key)
			rest, ok := bytes.CutPrefix(got, []byte("before"))
			if !ok {
				t.Fatalf("what was there is gone: %q", got)
			}
			// gobwas reads it as a peer would.
			r := bytes.NewReader(rest)
			h, err := ws.ReadHeader(r)
			f := ws.Frame{Header: h, Payload: rest[len(rest)-r.Len():]}
			if err != nil || f.Header.OpCode != ws.OpClose || !f.Header.Fin || f.Header.Rsv != 0 || f.Header.Masked != masked {
				t.Fatalf("%v %+v", err, f.Header)
			}
			if int64(len(f.Payload)) != h.Length || ws.HeaderSize(h)+len(f.Payload) != len(rest) {
				t.Errorf("a frame of %d with %d behind its header", h.Length, len(f.Payload))
			}
			if masked {
				f = ws.UnmaskFrame(f)
			}
			code, reason := ws.ParseCloseFrameData(f.Payload)
			if code.Empty() {
				code = 1005
				if len(f.Payload) != 0 {
					t.Errorf("code %d was sent with payload %q", tc.code, f.Payload)
				}
			}
			if uint16(code) != tc.wantCode || reason != tc.wantReason || !utf8.ValidString(reason) {
				t.Errorf("%d %q was sent as %d %q", tc.code, tc.reason, code, reason)
			}
			// And so does the Scanner.
			seen := feed(t, Config{Mode: Enforce, Masked: masked}, rest)
			if !seen.closeSeen || seen.code != tc.wantCode || seen.reason != tc.wantReason || !seen.boundary {
				t.Errorf("scanned as %+v", seen)
			}
		}
	}
}

// The Close counts once its last byte has gone past, not before.
func TestCloseInPieces(t *testing.T) {
	whole := raw(0x88, true, "\x03\xe8bye")
	d := NewDecoder()
	var s Scanner
	s.Init(Config{Masked: true})
	var held []byte
	for i, b := range whole {
		if s.CloseSeen() {
			t.Fatalf("seen at byte %d of %d", i, len(whole))
		}
		p := append(held, b)
		n, _, v := s.Scan(d, p)
		if v != Continue {
			t.Fatal(v)
		}
		held = p[n:]
	}
	code, reason, ok := s.Closed()
	if code != 1000 || string(reason) != "bye" || !ok || !s.AtBoundary() {
		t.Error(code, string(reason), ok)
	}
}
