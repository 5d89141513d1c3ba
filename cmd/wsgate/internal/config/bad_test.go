package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write the errors that files under testdata/bad have as expected")

// TestBadFiles: the errors of each file are those written beside it. Lines with
// an error end with "# bad" where the file can have comments.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, errs := Parse(filepath.Base(file), data)
			if c != nil || len(errs) == 0 {
				t.Fatal("accepted")
			}
			wellFormed(t, data, errs)
			expected := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(expected, []byte(errs.Error()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(expected)
			if err != nil {
				t.Fatal(err)
			}
			if got := errs.Error(); got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			marked(t, string(data), errs)
		})
	}
}

// marked: the lines with an error are those that end with "# bad".
func marked(t *testing.T, text string, errs Errors) {
	t.Helper()
	if !strings.Contains(text, "# bad") {
		return
	}
	found := make(map[int]bool)
	for _, e := range errs {
		found[e.Line] = true
	}
	for i, line := range strings.Split(text, "\n") {
		if bad := strings.HasSuffix(line, "# bad"); bad != found[i+1] {
			t.Errorf("line %d: error %v, marked %v: %s", i+1, found[i+1], bad, line)
		}
	}
}

// wellFormed: every error has a place in the file, the line that is there and a
// message, and they are in order.
func wellFormed(t *testing.T, data []byte, errs Errors) {
	t.Helper()
	text := strings.TrimPrefix(string(data), "\ufeff")
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	last := Error{}
	for i, e := range errs {
		if e.Msg == "" || strings.ContainsAny(e.Msg+e.Hint, "\n\r\x1b") || !utf8.ValidString(e.Msg+e.Hint) || len(e.Msg) > 1000 {
			t.Errorf("message %q, hint %q", e.Msg, e.Hint)
		}
		end := i == len(errs)-1 && strings.HasPrefix(e.Msg, "has more errors")
		if e.Line == 0 {
			if e.Column != 0 || e.Source != "" || last.Line > 0 && !end {
				t.Errorf("error about the file: %+v", e)
			}
			continue
		}
		if e.Line > len(lines) || e.Source != lines[e.Line-1] || e.Column < 1 || e.Column > utf8.RuneCountInString(e.Source)+1 {
			t.Errorf("place of %+v", e)
		}
		if e.Line < last.Line || e.Line == last.Line && e.Column < last.Column {
			t.Errorf("%v behind %v", e, last)
		}
		last = e
	}
}
