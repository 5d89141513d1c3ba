package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// decoder reads the tree of a document into a Config. It goes on after an
// error, so that all are found in one run.
type decoder struct {
	*source
	warnings Errors
	// places has where each value is, by its name, and failed the names of the
	// values that are not as they should be: what depends on them is not judged.
	places map[string]Pos
	failed map[string]bool
	files  map[string]Error // see Config.Finding
}

// value is a node of the tree: what it is called ("timeouts.idle",
// "routes[0].path"; "" is the document) and where it is.
type value struct {
	node ast.Node
	name string
	pos  Pos
}

// below is the name of the value that v has under a key.
func (v value) below(key string) string {
	if v.name == "" {
		return label(key)
	}
	return v.name + "." + label(key)
}

// label writes a key for a message, in quotes if it is not a plain word.
func label(key string) string {
	if validName(key) {
		return key
	}
	return show(key)
}

// key is a key that a mapping may have, and what reads its value.
type key struct {
	name string
	read func(value)
}

// wrong notes that v is not as it should be.
func (d *decoder) wrong(v value, msg, hint string) {
	d.failed[v.name] = true
	if v.name != "" {
		msg = v.name + ": " + msg
	}
	d.fail(v.pos, msg, hint)
}

// child is the value of a key or entry of v.
func (d *decoder) child(v value, name string, node ast.Node) value {
	c := value{node: node, name: name, pos: place(node)}
	if _, ok := node.(*ast.NullNode); ok && node.GetToken().Type == token.ImplicitNullType {
		c.pos = v.pos // there is nothing that has a place of its own
	}
	d.places[name] = c.pos
	return c
}

// at is where the value of that name is, or the nearest one around it.
func (d *decoder) at(name string) Pos {
	for name != "" {
		if p, ok := d.places[name]; ok {
			return p
		}
		name = name[:max(strings.LastIndexAny(name, ".["), 0)]
	}
	return Pos{Line: 1, Column: 1}
}

// mapping reads the keys of v that are known and refuses all others. It
// returns those that are there, or are probably meant by one that is refused.
func (d *decoder) mapping(v value, known []key) map[string]bool {
	there := make(map[string]bool)
	d.entries(v, func(k, c value) {
		name := k.name
		for _, one := range known {
			if one.name == name {
				there[name] = true
				if d.present(c, "write a value, or remove the key") {
					one.read(c)
				}
				return
			}
		}
		if len(d.errs) >= maxErrors {
			d.lost = true
			return
		}
		names := make([]string, len(known))
		for i, one := range known {
			names[i] = one.name
		}
		there[nearest(name, names)] = true
		d.fail(k.pos, "unknown key "+v.below(name), suggest(name, "keys", names))
	})
	return there
}

// entries calls each for the keys of v, in order: with the key, which has its
// bare text as name, and with its value. A key is refused the second time.
func (d *decoder) entries(v value, each func(k, c value)) {
	m, ok := v.node.(ast.MapNode)
	if !ok {
		d.wrong(v, "must be a mapping, not "+kind(v.node), "write keys below it, each as key: value")
		return
	}
	first := make(map[string]Pos)
	for it := m.MapRange(); it.Next(); {
		node := it.Key()
		k := value{node: node, pos: place(node)}
		text, ok := scalarText(node)
		if !ok {
			d.fail(k.pos, "a key must be text, not "+kind(node), "put it in quotes")
			continue
		}
		k.name = text
		if p, ok := first[text]; ok {
			d.fail(k.pos, v.below(text)+" is there twice", fmt.Sprintf("the first is on line %d", p.Line))
			continue
		}
		first[text] = k.pos
		c := d.child(k, v.below(text), it.Value())
		each(k, c)
	}
}

// sequence calls each for the entries of v that have a value, in order.
func (d *decoder) sequence(v value, each func(i int, c value)) {
	seq, ok := v.node.(*ast.SequenceNode)
	if !ok {
		d.wrong(v, "must be a list, not "+kind(v.node), "write entries below it, each behind a hyphen")
		return
	}
	for i, node := range seq.Values {
		c := d.child(v, fmt.Sprintf("%s[%d]", v.name, i), node)
		if i < len(seq.Entries) && c.pos == v.pos && seq.Entries[i].GetToken() != nil {
			c.pos = tokenPos(seq.Entries[i].GetToken())
		}
		if d.present(c, "write a value, or remove the hyphen") {
			each(i, c)
		}
	}
}

// filled refuses a list or mapping without entries.
func (d *decoder) filled(v value) {
	n := 1
	switch node := v.node.(type) {
	case *ast.SequenceNode:
		n = len(node.Values)
	case *ast.MappingNode:
		n = len(node.Values)
	}
	if n == 0 {
		d.wrong(v, "is empty", "one entry is needed at least")
	}
}

// present refuses a value that is not there.
func (d *decoder) present(v value, hint string) bool {
	if _, ok := v.node.(*ast.NullNode); ok {
		d.wrong(v, "has no value", hint)
		return false
	}
	return true
}

// scalar returns the text of v, and whether it was written without quotes.
func (d *decoder) scalar(v value) (text string, plain, ok bool) {
	text, ok = scalarText(v.node)
	if !ok {
		d.wrong(v, "must be a single value, not "+kind(v.node), "")
		return "", false, false
	}
	switch v.node.GetToken().Type {
	case token.SingleQuoteType, token.DoubleQuoteType, token.LiteralType, token.FoldedType:
		return text, false, true
	}
	return text, true, true
}

// scalarText returns the text of a single value: that of the file, whatever
// type YAML sees in it.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// kind names what a node is, for a message.
func kind(n ast.Node) string {
	switch n.(type) {
	case ast.MapNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	}
	return "a single value"
}

// place is where a node begins in the file.
func place(n ast.Node) Pos {
	switch n := n.(type) {
	case nil:
		return Pos{}
	case *ast.MappingNode:
		// The token of a block mapping is a colon.
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return tokenPos(n.Values[0].Key.GetToken())
		}
	case *ast.MappingValueNode:
		return tokenPos(n.Key.GetToken())
	}
	return tokenPos(n.GetToken())
}

// suggest is the hint for an unknown word: the one that was probably meant, or
// all that there are.
func suggest(name, what string, known []string) string {
	const most = 20
	if best := nearest(name, known); best != "" {
		return "did you mean " + best + "?"
	}
	if strings.Contains(name, ":") {
		return "a colon between key and value needs a space behind it"
	}
	if len(known) > most {
		return ""
	}
	return "the " + what + " here are " + strings.Join(known, ", ")
}

// nearest returns the known word that name is close to, "" if there is none.
func nearest(name string, known []string) string {
	const longest = 64
	best, least := "", min(len(name)/3+1, len(name)-1)
	for _, k := range known {
		if len(name) > longest {
			break
		}
		if n := distance(fold(name), fold(k)); n <= least {
			best, least = k, n-1
		}
	}
	return best
}

// fold makes alike what people write for one another.
func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// distance is how many bytes have to be inserted, removed, replaced or swapped
// with their neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
