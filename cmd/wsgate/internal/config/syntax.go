package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds that keep the library's parser, which is recursive and in places
// quadratic, fast and off the end of the stack.
const (
	maxDepth  = 32   // nested mappings and sequences
	maxKeys   = 4096 // keys of one mapping
	maxAbsent = 1000 // keys and entries without a value
)

// refused are the tokens of YAML that a configuration does without. Aliases
// and merge keys among them: nothing is ever larger than it is written.
var refused = map[token.Type]struct{ msg, hint string }{
	token.AnchorType:     {"anchors are not supported", "write the value out; a text that begins with & needs quotes"},
	token.AliasType:      {"aliases are not supported", `a text that begins with * needs quotes: "*", "*.example.com"`},
	token.MergeKeyType:   {"merge keys are not supported", "write the keys out"},
	token.TagType:        {"tags are not supported", "a text that begins with ! needs quotes"},
	token.DirectiveType:  {"directives are not supported", "remove the line"},
	token.MappingKeyType: {"complex keys are not supported", "a text that begins with ? needs quotes"},
}

// syntaxHints are ways out of errors that the library names, by a part of its
// message.
var syntaxHints = []struct{ part, hint string }{
	{"mapping value is not allowed", "check the indentation; a text that has a colon and a space in it needs quotes"},
	{"value is not allowed in this context", "check the indentation"},
	{"non-map value is specified", "a key ends with a colon and a space"},
	{"could not find end character", "close the quotes"},
	{"unexpected key name", "a key ends with a colon and a space"},
	{"must be specified", "a bracket is not closed, or a comma is missing"},
	{"end token", "close the bracket"},
	{"is a reserved character", "put the text in quotes"},
}

// parse returns the root of the document, nil if there were errors.
func (s *source) parse() ast.Node {
	if len(s.errs) == 0 {
		s.check()
	}
	if len(s.errs) > 0 {
		return nil
	}
	tokens := s.tokens()
	if len(s.errs) > 0 {
		return nil
	}
	return s.tree(tokens)
}

// tokens takes the text apart and refuses what parse is not to see. Comments
// are left out.
func (s *source) tokens() token.Tokens {
	defer s.caught()
	all := lexer.Tokenize(s.trimmed())
	kept := make(token.Tokens, 0, len(all))
	for _, t := range all {
		if t.Type == token.InvalidType {
			s.syntax(t.Error, t)
			return nil
		}
		if wrapped(t) {
			s.fail(s.find(kept, t), "a text goes over several lines", "a colon or a quote may be missing, or the indentation wrong; >- begins a long text")
			return nil
		}
		if t.Type != token.CommentType {
			kept = append(kept, t)
		}
	}
	if len(kept) == 0 {
		s.fail(Pos{}, isEmpty, needs)
	}
	content, directive := false, 0
	for i, t := range kept {
		if r, ok := refused[t.Type]; ok {
			s.fail(tokenPos(t), r.msg, r.hint)
		}
		if t.Type == token.DocumentHeaderType && content || t.Type == token.DocumentEndType && i < len(kept)-1 {
			s.fail(tokenPos(t), "more than one document", "a configuration is one document")
			break
		}
		if t.Type == token.DirectiveType {
			directive = t.Position.Line
		}
		content = content || t.Position.Line != directive
	}
	kept = joined(kept)
	s.bound(kept)
	return kept
}

// trimmed is the text without blanks at the ends of lines: the lexer counts
// those into the column of what is in front of them.
func (s *source) trimmed() string {
	var b strings.Builder
	for _, line := range s.lines {
		b.WriteString(strings.TrimRight(line, " \t") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// wrapped tells whether t is a text that goes over several lines and is no
// block. The lexer loses count of lines and columns in it.
func wrapped(t *token.Token) bool {
	quoted := t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
	block := t.Prev != nil && (t.Prev.Type == token.LiteralType || t.Prev.Type == token.FoldedType)
	return (quoted || plain(t)) && !block && strings.Contains(strings.TrimSpace(t.Origin), "\n")
}

// find returns where t, the token behind those in before, begins.
func (s *source) find(before token.Tokens, t *token.Token) Pos {
	p := Pos{Line: 1}
	if n := len(before); n > 0 {
		p = tokenPos(before[n-1])
	}
	word := strings.Fields(t.Origin)[0]
	for ; p.Line <= len(s.lines); p = (Pos{Line: p.Line + 1}) {
		runes := []rune(s.lines[p.Line-1])
		from := min(max(p.Column, 0), len(runes))
		if i := strings.Index(string(runes[from:]), word); i >= 0 {
			return Pos{Line: p.Line, Column: from + utf8.RuneCountInString(string(runes[from:])[:i]) + 1}
		}
	}
	return Pos{}
}

// joined mends plain texts with a colon in them: inside of a flow mapping the
// lexer ends one at every colon, YAML only at a colon that has white space or a
// flow indicator behind it (YAML 1.2 section 7.3.3). 127.0.0.1:9001 is one text.
func joined(tokens token.Tokens) token.Tokens {
	out := tokens[:0]
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		if i+2 < len(tokens) && plain(t) && plain(tokens[i+2]) && tokens[i+1].Type == token.MappingValueType &&
			behind(tokens[i+1], t) && behind(tokens[i+2], tokens[i+1]) {
			text := t.Value + ":" + tokens[i+2].Value
			t = token.String(text, text, t.Position)
			i += 2
		}
		out = append(out, t)
	}
	return out
}

// plain tells whether t is a single value without quotes.
func plain(t *token.Token) bool {
	switch t.Type {
	case token.StringType, token.IntegerType, token.FloatType, token.BoolType, token.NullType, token.InfinityType, token.NanType,
		token.BinaryIntegerType, token.OctetIntegerType, token.HexIntegerType:
		return true
	}
	return false
}

// behind tells whether t begins where before, which is on one line, ends.
func behind(t, before *token.Token) bool {
	return t.Position.Line == before.Position.Line && t.Position.Column == before.Position.Column+utf8.RuneCountInString(before.Value)
}

// bound refuses shapes that the parser is slow on or would recurse deeply in.
func (s *source) bound(tokens token.Tokens) {
	b := shape{keys: make(map[int]int)}
	for i, t := range tokens {
		b.flow(tokens, i)
		b.block(tokens, i)
		if b.astray != nil {
			s.fail(tokenPos(b.astray), "nothing can stand here at this column", "indent it further, or give the line above a value")
			b.astray = nil
		}
		msg := ""
		switch {
		case len(b.open)+len(b.columns) > maxDepth:
			msg = fmt.Sprintf("more than %d levels of nesting", maxDepth)
		case b.most > maxKeys:
			msg = fmt.Sprintf("more than %d keys in one mapping", maxKeys)
		case b.absent > maxAbsent:
			msg = fmt.Sprintf("more than %d keys without a value", maxAbsent)
		}
		if msg != "" {
			s.fail(tokenPos(t), msg, "")
			return
		}
	}
}

// tree parses tokens into the root node of their one document.
func (s *source) tree(tokens token.Tokens) (root ast.Node) {
	defer s.caught()
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	var bad *yaml.SyntaxError
	switch {
	case errors.As(err, &bad):
		s.syntax(bad.Message, bad.Token)
	case err != nil:
		s.fail(Pos{}, "cannot be parsed as YAML", "")
	case len(file.Docs) != 1 || file.Docs[0].Body == nil:
		s.fail(Pos{}, isEmpty, needs)
	default:
		root = file.Docs[0].Body
	}
	return root
}

// caught makes an error of a panic in the library: malformed input is the
// only thing that it is given.
func (s *source) caught() {
	if r := recover(); r != nil {
		s.fail(Pos{}, "cannot be parsed as YAML", "")
	}
}

func (s *source) syntax(msg string, t *token.Token) {
	hint := ""
	for _, h := range syntaxHints {
		if strings.Contains(msg, h.part) {
			hint = h.hint
			break
		}
	}
	if msg == "" {
		msg = "not understood"
	}
	s.fail(s.within(tokenPos(t)), "not YAML: "+clean(msg), hint)
}

// within moves p into the file: the place of an error is the library's word.
func (s *source) within(p Pos) Pos {
	if p.Line < 1 {
		return Pos{}
	}
	p.Line = min(p.Line, len(s.lines))
	p.Column = max(1, min(p.Column, utf8.RuneCountInString(s.lines[p.Line-1])+1))
	return p
}

func tokenPos(t *token.Token) Pos {
	if t == nil || t.Position == nil {
		return Pos{}
	}
	return Pos{Line: t.Position.Line, Column: t.Position.Column}
}

// shape follows how deep and how wide a document is.
type shape struct {
	open    []token.Type // brackets of flow style
	colon   bool         // the present entry of a flow mapping has a colon
	columns []int        // of the open mappings and sequences of block style
	keys    map[int]int  // how many keys each column has seen since a line began left of it
	most    int          // the largest of keys
	absent  int          // values that are not there
	astray  *token.Token // the last one that is not right of what it belongs to
}

// flow looks at token i as one of flow style.
func (b *shape) flow(tokens token.Tokens, i int) {
	t := tokens[i]
	inMapping := len(b.open) > 0 && b.open[len(b.open)-1] == token.MappingStartType
	switch t.Type {
	case token.MappingStartType, token.SequenceStartType:
		b.open = append(b.open, t.Type)
		b.colon = false
	case token.MappingValueType:
		b.colon = true
	case token.CollectEntryType, token.MappingEndType, token.SequenceEndType:
		before := tokens[max(i-1, 0)].Type
		closed := t.Type != token.CollectEntryType && before == token.CollectEntryType
		if inMapping && !closed && before != token.MappingStartType && (!b.colon || before == token.MappingValueType) {
			b.absent++
		}
		// The value of an entry may have been a mapping or sequence itself.
		b.colon = t.Type != token.CollectEntryType
		if b.colon && len(b.open) > 0 {
			b.open = b.open[:len(b.open)-1]
		}
	}
}

// block looks at token i as one of block style, and counts keys in both.
func (b *shape) block(tokens token.Tokens, i int) {
	t := tokens[i]
	column := t.Position.Column
	if i == 0 || tokens[i-1].Position.Line != t.Position.Line {
		for c := range b.keys {
			if c > column {
				delete(b.keys, c)
			}
		}
		if len(b.open) == 0 {
			b.close(column)
		}
	}
	owner := column
	switch t.Type {
	case token.MappingValueType:
		if i > 0 {
			owner = tokens[i-1].Position.Column
		}
		b.keys[owner]++
		b.most = max(b.most, b.keys[owner])
	case token.SequenceEntryType:
	default:
		return
	}
	if len(b.open) > 0 {
		return
	}
	b.close(owner)
	b.columns = append(b.columns, owner)
	if i+1 == len(tokens) {
		b.absent++
		return
	}
	next := tokens[i+1]
	sequence := t.Type == token.MappingValueType && next.Type == token.SequenceEntryType && next.Position.Column == owner
	if next.Position.Line == t.Position.Line || next.Position.Column > owner || sequence {
		return
	}
	b.absent++
	// The parser takes some of what stands at the same column for the value.
	isKey := i+2 < len(tokens) && tokens[i+2].Type == token.MappingValueType && tokens[i+2].Position.Line == next.Position.Line
	switch {
	case next.Position.Column < owner, next.Type == token.SequenceEntryType:
	case t.Type == token.SequenceEntryType, !isKey:
		b.astray = next
	}
}

// close ends what was open at column or right of it.
func (b *shape) close(column int) {
	for len(b.columns) > 0 && b.columns[len(b.columns)-1] >= column {
		b.columns = b.columns[:len(b.columns)-1]
	}
}
