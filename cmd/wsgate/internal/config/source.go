package config

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks bounds the characters that can begin a token of YAML. A token costs
// a few hundred bytes while the file is parsed.
const maxMarks = 1 << 18

// What is said about a file without a configuration in it.
const (
	isEmpty = "is empty"
	needs   = "routes and upstreams are needed, everything else has defaults"
)

// marks are those characters.
const marks = ":,-[]{}?&*!#\"'|>%@`\n"

// source is the text of a file and what was found wrong in it.
type source struct {
	name  string
	text  string
	lines []string // without line ends
	errs  Errors
	lost  bool // there were more than maxErrors
}

// newSource takes the text apart into lines. A byte order mark is dropped and
// CRLF becomes LF: neither changes the place of anything.
func newSource(name string, data []byte) *source {
	s := &source{name: name}
	if len(data) > maxFile {
		s.fail(Pos{}, "is larger than 4MiB", "")
		return s
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	s.text = strings.ReplaceAll(string(data), "\r\n", "\n")
	s.lines = strings.Split(s.text, "\n")
	return s
}

// fail notes an error at p; the zero Pos is the whole file.
func (s *source) fail(p Pos, msg, hint string) {
	if len(s.errs) >= maxErrors {
		s.lost = true
		return
	}
	s.errs = append(s.errs, s.finding(p, msg, hint))
}

func (s *source) finding(p Pos, msg, hint string) Error {
	e := Error{File: s.name, Line: p.Line, Column: p.Column, Msg: msg, Hint: hint}
	if p.Line >= 1 && p.Line <= len(s.lines) {
		e.Source = s.lines[p.Line-1]
	}
	return e
}

// result returns the errors in order.
func (s *source) result() Errors {
	es := s.errs.sorted()
	if s.lost {
		es = append(es, Error{File: s.name, Msg: fmt.Sprintf("has more errors, the first %d are shown", maxErrors)})
	}
	return es
}

// check looks for what no line of a configuration may have: bytes that are no
// UTF-8, control characters, and tabs as indentation. At most one error a line.
func (s *source) check() {
	if strings.TrimSpace(s.text) == "" {
		s.fail(Pos{}, isEmpty, needs)
		return
	}
	n := 0
	for i := range len(s.text) {
		if strings.IndexByte(marks, s.text[i]) >= 0 {
			n++
		}
	}
	if n > maxMarks {
		s.fail(Pos{}, fmt.Sprintf("is too complex: more than %d marks of YAML", maxMarks), "")
		return
	}
	for i, line := range s.lines {
		s.checkLine(i+1, line)
	}
}

func (s *source) checkLine(number int, line string) {
	column, indent := 0, true
	for i, r := range line {
		column++
		at := Pos{Line: number, Column: column}
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(line[i:], "\ufffd"):
			s.fail(at, fmt.Sprintf("byte 0x%02x is not UTF-8", line[i]), "save the file as UTF-8")
			return
		case r == '\t' && indent && strings.TrimSpace(line) != "" && strings.TrimSpace(line)[0] != '#':
			s.fail(at, "tab in the indentation", "indent with spaces")
			return
		case r == '\r':
			s.fail(at, "carriage return that ends no line", "end lines with LF or CRLF")
			return
		case r != '\t' && (unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufeff'):
			s.fail(at, fmt.Sprintf("control character U+%04X", r), "")
			return
		}
		indent = indent && (r == ' ' || r == '\t')
	}
}
