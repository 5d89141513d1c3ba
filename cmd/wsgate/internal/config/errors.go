package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxErrors bounds how many errors of a file are kept, so that a file of
// garbage costs no more memory than it has itself.
const maxErrors = 1000

// shownColumns is how many characters of a line are shown at most, besides the
// marks where it is cut.
const shownColumns = 120

// Error is one thing that is wrong with a file.
type Error struct {
	File string
	// Line and Column count from 1, columns in characters. Line 0: the error
	// is about the file as a whole.
	Line, Column int
	// Source is the line itself, "" if there is none.
	Source string
	// Msg says what is wrong, Hint the way out ("" if it is plain).
	Msg, Hint string
}

// Error returns "file:line:column: message (hint)" without a newline.
func (e Error) Error() string {
	s := e.place() + ": " + e.Msg
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

func (e Error) place() string {
	if e.Line == 0 {
		return e.File
	}
	return fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
}

// Errors are the errors of one file, sorted by position.
type Errors []Error

// Error returns all of them for a person, each with its line, a caret under
// the column and the hint, every line ended by a newline.
func (es Errors) Error() string {
	var b strings.Builder
	var at cursor
	for _, e := range es {
		b.WriteString(e.place() + ": " + e.Msg + "\n")
		if e.Line > 0 {
			line, caret := window(e.Source, at.seek(e))
			b.WriteString("    " + line + "\n    " + strings.Repeat(" ", caret) + "^\n")
		}
		if e.Hint != "" {
			b.WriteString("    hint: " + e.Hint + "\n")
		}
	}
	return b.String()
}

// cursor finds the bytes of columns. It goes on from the last one, so that many
// errors in one long line cost no more than the line.
type cursor struct{ line, column, offset int }

// seek returns the offset of e's column in its line.
func (c *cursor) seek(e Error) int {
	if e.Line != c.line || e.Column < c.column {
		*c = cursor{line: e.Line, column: 1}
	}
	for c.column < e.Column && c.offset < len(e.Source) {
		_, n := utf8.DecodeRuneInString(e.Source[c.offset:])
		c.offset += n
		c.column++
	}
	return c.offset
}

// window returns the part of a line around an offset, safe for a terminal, and
// how many characters of it are in front of the offset.
func window(line string, offset int) (string, int) {
	begin, end := 0, len(line)
	if len(line) > shownColumns {
		begin = offset
		for range shownColumns / 2 {
			_, n := utf8.DecodeLastRuneInString(line[:begin])
			begin -= n
		}
		end = begin
		for range shownColumns {
			_, n := utf8.DecodeRuneInString(line[end:])
			end += n
		}
	}
	var b strings.Builder
	caret := 0
	for i, r := range line[begin:end] {
		if begin+i < offset {
			caret++
		}
		switch {
		case r == '\t':
			r = ' '
		case !unicode.IsPrint(r):
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
	}
	shown := strings.TrimRight(b.String(), " ")
	if begin > 0 {
		shown, caret = "…"+shown, caret+1
	}
	if end < len(line) {
		shown += "…"
	}
	return shown, caret
}

// sorted orders es by position, errors about the whole file first, and drops
// repetitions.
func (es Errors) sorted() Errors {
	slices.SortStableFunc(es, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(es)
}

// show quotes a text of the file for a message, cut if it is long.
func show(s string) string { return strconv.Quote(cut(s, 60)) }

// clean makes a text fit for a message without quotes.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, cut(s, 100))
}

// cut returns at most that many characters of s, and an ellipsis in place of
// the rest.
func cut(s string, most int) string {
	n := 0
	for i := range s {
		if n == most {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
