package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"wsgate/handshake"
)

const nameHint = "a name is 1 to 64 letters, digits, dots, hyphens and underscores"

// validName: such a name needs no quotes in YAML, logs and metrics.
func validName(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		if !letterOrDigit(c) && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func letterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// name reads the name of an upstream.
func (d *decoder) name(v value, dst *string) {
	text, _, ok := d.scalar(v)
	switch {
	case !ok:
	case !validName(text):
		d.wrong(v, show(text)+" is not a name", nameHint)
	default:
		*dst = text
	}
}

// choice reads one of a few words.
func (d *decoder) choice(v value, dst *string, words ...string) {
	text, _, ok := d.scalar(v)
	switch {
	case !ok:
	case !slices.Contains(words, text):
		d.wrong(v, show(text)+" is none of "+strings.Join(words, ", "), "")
	default:
		*dst = text
	}
}

// planned are the balancing policies that have a name and are not built.
var planned = []string{
	"least_connections", "power_of_two", "client_ip_hash", "consistent_hash", "maglev", "cookie",
}

// policy reads the name of a balancing policy.
func (d *decoder) policy(v value, dst *string) {
	text, _, ok := d.scalar(v)
	switch {
	case !ok:
	case text == "round_robin":
		*dst = text
	case slices.Contains(planned, text):
		d.wrong(v, show(text)+" is not available yet", "write round_robin")
	default:
		d.wrong(v, "unknown policy "+show(text), suggest(text, "policies", []string{"round_robin"}))
	}
}

// file reads the path of a file. The file is not looked at.
func (d *decoder) file(v value, dst *string) {
	text, _, ok := d.scalar(v)
	switch {
	case !ok:
	case text == "":
		d.wrong(v, "is empty", "write the path of a file, or remove the key")
	case strings.ContainsFunc(text, unicode.IsControl):
		d.wrong(v, show(text)+" has control characters", "")
	case len(text) > 4095:
		d.wrong(v, "is longer than a path can be", "")
	default:
		*dst = text
	}
}

// logPath reads where a log goes. A bare word is refused: it is more likely a
// misspelt destination than the name of a file in the working directory.
func (d *decoder) logPath(v value, dst *string) {
	text, _, ok := d.scalar(v)
	if !ok {
		return
	}
	if text == "stderr" || text == "stdout" {
		*dst = text
		return
	}
	if !strings.Contains(text, "/") {
		d.wrong(v, show(text)+" is neither stderr, stdout, off nor a path", "a file in the working directory is ./NAME")
		return
	}
	d.file(v, dst)
}

// path reads the path of a route and normalises it as paths of requests are.
// Escapes that need allow_encoded are judged in validate.
func (d *decoder) path(v value, r *Route) {
	text, _, ok := d.scalar(v)
	if !ok {
		return
	}
	path, exact := strings.CutPrefix(text, "=")
	switch {
	case !strings.HasPrefix(path, "/"):
		d.wrong(v, show(text)+" does not begin with a slash", `write "/chat", or "=/chat" for exactly that path`)
		return
	case strings.ContainsAny(path, "?#"):
		d.wrong(v, show(text)+" has a query or fragment", "routes match the path alone")
		return
	case strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		d.wrong(v, show(text)+" has characters that a path cannot have", "write "+show(escaped(path)))
		return
	}
	clean, bad := handshake.NormalizePath(nil, []byte(path), true)
	if bad != nil {
		d.wrong(v, show(text)+" is not a path: "+bad.Detail, "")
		return
	}
	r.Path, r.Exact = string(clean), exact
}

// escaped writes the bytes that a path cannot have as %xx.
func escaped(path string) string {
	var b strings.Builder
	for _, c := range []byte(path) {
		if c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
