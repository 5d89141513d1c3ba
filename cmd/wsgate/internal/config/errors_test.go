package config

import (
	"slices"
	"strings"
	"testing"
)

func TestErrorText(t *testing.T) {
	e := Error{File: "a.yaml", Line: 3, Column: 7, Source: "loops: x", Msg: "is wrong", Hint: "write 1"}
	if got := e.Error(); got != "a.yaml:3:7: is wrong (write 1)" {
		t.Error(got)
	}
	if got := (Error{File: "a.yaml", Msg: "is empty"}).Error(); got != "a.yaml: is empty" {
		t.Error(got)
	}
	want := "a.yaml:3:7: is wrong\n    loops: x\n          ^\n    hint: write 1\n"
	if got := (Errors{e}).Error(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestWindow: the caret is under the column, whatever is left of it.
func TestWindow(t *testing.T) {
	long := strings.Repeat("äb", 200)
	for _, tt := range []struct {
		line   string
		column int
		under  string
	}{
		{"loops: x", 8, "x"},
		{"loops: x", 1, "l"},
		{"\tä: \"ö", 5, "\""},
		{"\x1b[31m\u202ex", 7, "x"},
		{"x", 2, ""},
		{"", 1, ""},
		{long + "!" + long, 401, "!"},
		{"!" + long, 1, "!"},
		{long + "!", 401, "!"},
		{long, 401, ""},
	} {
		es := Errors{{File: "f", Line: 1, Column: 1, Source: tt.line, Msg: "m"}, {File: "f", Line: 1, Column: tt.column, Source: tt.line, Msg: "m"}}
		lines := strings.Split(es.Error(), "\n")
		shown, caret := []rune(lines[4]), strings.IndexByte(lines[5], '^')
		if got := string(shown[min(caret, len(shown)):min(caret+len(tt.under), len(shown))]); got != tt.under {
			t.Errorf("%q column %d: %q is over the caret in\n%s\n%s", tt.line, tt.column, got, lines[4], lines[5])
		}
		if len(shown) > shownColumns+2+4 || strings.ContainsAny(lines[4], "\t\x1b\u202e") {
			t.Errorf("shown: %q", lines[4])
		}
	}
}

func TestSorted(t *testing.T) {
	es := Errors{{Line: 2, Column: 1, Msg: "b"}, {Line: 1, Column: 9, Msg: "a"}, {Line: 1, Column: 9, Msg: "a"}, {Msg: "file"}, {Line: 1, Column: 9, Msg: "c"}}
	var got []string
	for _, e := range es.sorted() {
		got = append(got, e.Msg)
	}
	if !slices.Equal(got, []string{"file", "a", "c", "b"}) {
		t.Error(got)
	}
}

func TestShow(t *testing.T) {
	for text, want := range map[string]string{
		"a":                      `"a"`,
		"\n":                     `"\n"`,
		strings.Repeat("ä", 60):  `"` + strings.Repeat("ä", 60) + `"`,
		strings.Repeat("ä", 900): `"` + strings.Repeat("ä", 60) + `…"`,
		strings.Repeat("😀", 900): `"` + strings.Repeat("😀", 60) + `…"`,
	} {
		if got := show(text); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
