package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"

	"wsgate/handshake"
)

// Bounds of a header rule, in bytes.
const (
	maxHeaderName  = 256
	maxHeaderValue = 8192
)

// direction is which head a header rule is for.
type direction uint8

const (
	request direction = iota
	response
)

// headers reads the rules of one direction.
func (d *decoder) headers(v value, rules *HeaderRules, dir direction) {
	used := make(map[string]bool)
	once := func(v value, name string) bool {
		lower := strings.ToLower(name)
		if used[lower] {
			d.wrong(v, show(name)+" is set or removed twice", "names are the same in any case; set replaces what was there")
			return false
		}
		used[lower] = true
		return true
	}
	d.mapping(v, []key{
		{"set", func(v value) {
			d.entries(v, func(k, v value) {
				name := value{node: k.node, name: v.name, pos: k.pos}
				if !d.headerName(name, k.name, dir) || !once(name, k.name) {
					return
				}
				if text, ok := d.headerValue(v); ok {
					rules.Set = append(rules.Set, Header{Name: k.name, Value: text})
				}
			})
		}},
		{"remove", func(v value) {
			d.sequence(v, func(i int, v value) {
				text, _, ok := d.scalar(v)
				if ok && d.headerName(v, text, dir) && once(v, text) {
					rules.Remove = append(rules.Remove, text)
				}
			})
		}},
	})
}

// headerName judges the name of a field that a rule sets or removes.
func (d *decoder) headerName(v value, name string, dir direction) bool {
	lower := strings.ToLower(name)
	switch {
	case strings.HasSuffix(name, "*") && validToken(name):
		d.wrong(v, show(name)+" is a pattern", "write the names out, one by one")
	case !validToken(name):
		d.wrong(v, show(name)+" is not the name of a field", "letters, digits and hyphens, without the colon")
	case lower == "host" && dir == request:
		d.wrong(v, "Host cannot be set or removed by a rule", "upstream_host sets it")
	case lower == "content-length", lower == "transfer-encoding":
		d.wrong(v, show(name)+" frames the message and cannot be set or removed", "")
	case strings.HasPrefix(lower, "sec-websocket-"):
		d.wrong(v, show(name)+" belongs to the upgrade and cannot be set or removed", "")
	case handshake.IsHopByHop(name), handshake.Reserved(name):
		d.wrong(v, show(name)+" is hop-by-hop, which the gateway writes itself", "")
	default:
		return true
	}
	return false
}

// validToken: RFC 9110 5.6.2.
func validToken(s string) bool {
	if s == "" || len(s) > maxHeaderName {
		return false
	}
	for _, c := range []byte(s) {
		if !letterOrDigit(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return true
}

// headerValue reads the value of a field (RFC 9110 5.5).
func (d *decoder) headerValue(v value) (string, bool) {
	if _, ok := v.node.(*ast.NullNode); ok {
		d.wrong(v, "has no value", `an empty field is ""; fields to remove are listed under remove`)
		return "", false
	}
	text, _, ok := d.scalar(v)
	if !ok {
		return "", false
	}
	switch {
	case strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }):
		d.wrong(v, "has a line end or a control character, which a field cannot have", "")
	case strings.Trim(text, " \t") != text:
		d.wrong(v, "begins or ends with white space, which is not part of a field", "remove it")
	case len(text) > maxHeaderValue:
		d.wrong(v, "is longer than "+sizeText(maxHeaderValue), "")
	default:
		return text, true
	}
	return "", false
}
