package accesslog

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"wsgate/eventloop/record"
)

func TestAppendString(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", `""`},
		{"/chat?room=1&x=<>'", `"/chat?room=1&x=<>'"`},
		{`a"b\c`, `"a\"b\\c"`},
		{"a\tb\r\nc\x00\x1b[2J", `"a\tb\r\nc\u0000\u001b[2J"`},
		{"\x7f\u0080\u009b", `"\u007f\u0080\u009b"`},
		{"\u2028x\u2029", `"\u2028x\u2029"`},
		{"grüße 世界 😀", `"grüße 世界 😀"`},
		{"\ufffd", "\"\ufffd\""},
		{"a\xffb", "\"a\ufffdb\""},
		{"\xc3", "\"\ufffd\""},                                 // cut short
		{"\xe4\xb8", "\"\ufffd\ufffd\""},                       // cut short
		{"\xc0\xaf", "\"\ufffd\ufffd\""},                       // overlong
		{"\xed\xa0\x80", "\"\ufffd\ufffd\ufffd\""},             // surrogate
		{"\xf4\x90\x80\x80x", "\"\ufffd\ufffd\ufffd\ufffdx\""}, // beyond U+10FFFF
	}
	for _, test := range tests {
		if got := string(appendString(nil, test.in)); got != test.want {
			t.Errorf("string %q: got %s, want %s", test.in, got, test.want)
		}
		if got := string(appendString([]byte("x"), []byte(test.in))); got != "x"+test.want {
			t.Errorf("bytes %q: got %s, want x%s", test.in, got, test.want)
		}
	}
}

// wantText is what a decoder must read for the bytes s.
func wantText(s []byte) string { return string([]rune(string(s))) }

func checkText(t *testing.T, out, in []byte) {
	t.Helper()
	var got string
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%q became %q: %v", in, out, err)
	}
	if got != wantText(in) {
		t.Fatalf("%q became %q, read as %q", in, out, got)
	}
	if !utf8.Valid(out) {
		t.Fatalf("%q became %q, which is not UTF-8", in, out)
	}
	for _, r := range string(out) {
		if r < ' ' || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 {
			t.Fatalf("%q became %q with the control character %U", in, out, r)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\x00\x7f", "ü世😀", "\xff\xc3\x28\xed\xa0\x80", "\u0085\u2028\ufeff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		checkText(t, appendString(nil, in), in)
		checkText(t, appendString(nil, string(in)), in)
	})
}

// Whatever a peer sends, a request is one line that an ordinary decoder reads
// back, and no field takes the place of another.
func FuzzRequestLine(f *testing.F) {
	f.Add([]byte("GET"), []byte("/ws"), []byte("chat.example"), []byte("curl/8"), "eth0", 200)
	f.Add([]byte("\x00"), []byte("\"}\n{\"type\":\"open\""), []byte("\xff\xfe"), []byte("\\"), "\"%\n", -1)
	f.Fuzz(func(t *testing.T, method, target, host, agent []byte, zone string, status int) {
		r := record.Request{
			Time: at, Client: netip.MustParseAddr("fe80::1").WithZone(zone),
			Method: method, Target: target, Host: host, UserAgent: agent, Status: status,
		}
		line := appendRequest(nil, &r)
		if bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Fatalf("not one line: %q", line)
		}
		var got struct {
			Type, Method, Target, Host, Client string
			Agent                              string `json:"user_agent"`
			Status                             int
		}
		d := json.NewDecoder(bytes.NewReader(line))
		if err := d.Decode(&got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		want := got
		want.Type, want.Method, want.Target = "request", wantText(method), wantText(target)
		want.Host, want.Agent, want.Status = wantText(host), wantText(agent), max(status, 0)
		want.Client = "fe80::1"
		if zone != "" {
			want.Client += "%" + wantText([]byte(zone))
		}
		if got != want {
			t.Fatalf("%q read as %+v, want %+v", line, got, want)
		}
	})
}

func TestMillis(t *testing.T) {
	for us, want := range map[int64]string{
		0: "0.000", 1: "0.001", 12: "0.012", 999: "0.999", 1000: "1.000", 1010: "1.010", 3_600_000_123: "3600000.123", -5: "0.000",
	} {
		got, _ := strings.CutPrefix(string(appendMillis(nil, "k", time.Duration(us)*time.Microsecond)), `,"k":`)
		if got != want {
			t.Errorf("%d us: got %s, want %s", us, got, want)
		}
	}
}
