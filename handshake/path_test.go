package handshake

import "testing"

func TestNormalizePath(t *testing.T) {
	tests := []struct{ in, want, encoded string }{ // "!reason" for errors, encoded "" when the same
		{"/", "/", ""},
		{"/a/b", "/a/b", ""},
		{"/a/b/?x=%zz/../#", "/a/b/", ""},
		{"/%41%7e%2D%5f/%2e", "/A~-_/", ""},
		{"/%c3%a4%20", "/%C3%A4%20", ""},
		{"/%252e%252e/", "/%252e%252e/", ""},
		{"//", "/", ""},
		{"//a///b//", "/a/b/", ""},
		{"/.", "/", ""},
		{"/./", "/", ""},
		{"/a/.", "/a/", ""},
		{"/a/..", "/", ""},
		{"/a/../", "/", ""},
		{"/a/../b", "/b", ""},
		{"/a/b/../../c/./d", "/c/d", ""},
		{"/a//../b", "/b", ""},
		{"/a/%2e%2e/b", "/b", ""},
		{"/a/.%2E/b", "/b", ""},
		{"/...", "/...", ""},
		{"/.a/..b/c..", "/.a/..b/c..", ""},
		{"/a;b=c/d:e@f!$&'()*+,=", "/a;b=c/d:e@f!$&'()*+,=", ""},
		{"/..", "!path_above_root", ""},
		{"/../a", "!path_above_root", ""},
		{"/a/../..", "!path_above_root", ""},
		{"//..", "!path_above_root", ""},
		{"/%2e%2e/a", "!path_above_root", ""},
		{"/a/./../../b", "!path_above_root", ""},
		{"/%", "!bad_escape", ""},
		{"/%4", "!bad_escape", ""},
		{"/%4?1", "!bad_escape", ""},
		{"/%zz", "!bad_escape", ""},
		{"/%u0041", "!bad_escape", ""},
		{"/a%2fb", "!encoded_delimiter", "/a%2Fb"},
		{"/a%2F..%2fb", "!encoded_delimiter", "/a%2F..%2Fb"},
		{"/a%5c..", "!encoded_delimiter", "/a%5C.."},
		{"/a\\..\\b", "!encoded_delimiter", "/a\\..\\b"},
		{"/a%00", "!encoded_delimiter", "/a%00"},
		{"", "!bad_path", ""},
		{"?", "!bad_path", ""},
		{"a", "!bad_path", ""},
		{"*a", "!bad_path", ""},
		{"/a b", "!bad_path", ""},
		{"/\xc3", "!bad_path", ""},
		{"/a#b", "!bad_path", ""},
		{"/\x00", "!bad_path", ""},
		{"*", "*", ""},
	}
	for _, tt := range tests {
		for _, allow := range []bool{false, true} {
			want := tt.want
			if allow && tt.encoded != "" {
				want = tt.encoded
			}
			in := []byte(tt.in)
			out, err := NormalizePath(make([]byte, 3), in, allow)
			got := string(out)
			if err != nil {
				got = "!" + err.Reason
				if err.Status != 400 || out != nil {
					t.Errorf("%q: status %d, %q", tt.in, err.Status, out)
				}
			}
			if got != want {
				t.Errorf("%q, %v: %q, want %q", tt.in, allow, got, want)
			}
			if err == nil && len(out) <= len(in) && got == tt.in[:len(out)] && len(out) > 0 && &out[0] != &in[0] &&
				(len(out) == len(in) || in[len(out)] == '?') {
				t.Errorf("%q: copied though nothing changed", tt.in)
			}
		}
	}
}
