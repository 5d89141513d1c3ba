package route

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"wsgate/handshake"
	"wsgate/lb"
	"wsgate/splice/frame"
)

// Errors of NewTable.
var (
	ErrDuplicate = errors.New("host and path are taken by another route")
	ErrHost      = errors.New("host is no name, no *.name and not *")
	ErrPath      = errors.New("path must begin with / and be valid")
)

// Route is what the gateway does with the requests of one host and path. It
// is immutable once it is in a Table; sessions keep the one they were accepted
// under.
type Route struct {
	// Name is the label in logs and metrics: host and path as configured.
	Name string
	// Host is a name, with brackets if it is an IPv6 address and without a
	// port, "*.name" for all names below it, or "*" for all (also "").
	Host string
	// Path is compared by segments, "/a" as "/a/"; "" is "/".
	Path string
	// Exact: the whole path must be Path, a slash at its end included.
	Exact bool
	// Pool is where the requests go.
	Pool *lb.Pool
	// Frames and MaxMessage (payload bytes, 0: no limit) are for frame.Config.
	Frames     frame.Mode
	MaxMessage int64
	// Rules for the fields of request and response; nil: none.
	Rules *handshake.Rules
	// Forwarded: RFC 7239 Forwarded is written, too.
	Forwarded bool
	// AllowEncoded: %2f, %5c and %00 may be in the path; they stay encoded when
	// it is compared.
	AllowEncoded bool
	// IdleTimeout ends a session that moves no byte; 0: the general one.
	IdleTimeout time.Duration
}

// Table holds the routes of a generation.
type Table struct {
	exact map[string]*paths // by lower-case name
	below map[string]*paths // by ".example.com"
	any   *paths
	// longest is the length of the longest key of below: longer suffixes of a
	// request's host are not looked up, so that a long host costs no more.
	longest int
	// encoded: there is a route that allows encoded slashes.
	encoded bool
}

// paths are the routes of one host.
type paths struct {
	exact  map[string]*Route
	prefix map[string]*Route // without the slash at the end: "/" is ""
	// longest is the length of the longest key of prefix; as Table.longest.
	longest int
}

// NewTable builds a Table of routes, in any order. Two routes for the same host
// and path are an error; an exact path and the same path as a prefix are not
// the same.
func NewTable(routes []*Route) (*Table, error) {
	t := &Table{exact: make(map[string]*paths), below: make(map[string]*paths)}
	for _, r := range routes {
		if err := t.add(r); err != nil {
			return nil, fmt.Errorf("route %s%s: %w", r.Host, r.Path, err)
		}
		t.encoded = t.encoded || r.AllowEncoded
	}
	return t, nil
}

func (t *Table) add(r *Route) error {
	p, err := t.host(r.Host)
	if err != nil {
		return err
	}
	path := r.Path
	if path == "" {
		path = "/"
	}
	if path[0] != '/' {
		return ErrPath
	}
	// The same form as the requests' paths are brought to.
	norm, bad := handshake.NormalizePath(nil, []byte(path), true)
	if bad != nil || strings.ContainsAny(path, "?#") {
		return ErrPath
	}
	if r.Exact {
		return put(p.exact, string(norm), r)
	}
	key := strings.TrimSuffix(string(norm), "/")
	p.longest = max(p.longest, len(key))
	return put(p.prefix, key, r)
}

func put(m map[string]*Route, key string, r *Route) error {
	if m[key] != nil {
		return ErrDuplicate
	}
	m[key] = r
	return nil
}

// host returns the paths of a configured host, made if they are not there.
func (t *Table) host(pattern string) (*paths, error) {
	if pattern == "" || pattern == "*" {
		if t.any == nil {
			t.any = newPaths()
		}
		return t.any, nil
	}
	name, wild := strings.CutPrefix(pattern, "*")
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	m := t.exact
	if wild {
		m = t.below
		if len(name) < 2 || name[0] != '.' {
			return nil, ErrHost
		}
		t.longest = max(t.longest, len(name))
	}
	if name == "" {
		return nil, ErrHost
	}
	if host, port := handshake.SplitHost([]byte(name)); len(port) > 0 || string(host) != name || strings.ContainsAny(name, "*/ ") {
		return nil, ErrHost
	}
	if m[name] == nil {
		m[name] = newPaths()
	}
	return m[name], nil
}

func newPaths() *paths {
	return &paths{exact: make(map[string]*Route), prefix: make(map[string]*Route)}
}

// Match returns the route for a request's host, in any case and with or without
// a port, and its target in origin-form. The error is handshake.ErrNoRoute or
// that of handshake.NormalizePath; then there is no route. scratch is used as
// memory and comes back, grown perhaps: with room enough Match allocates
// nothing. Neither host nor target is kept.
func (t *Table) Match(host, target, scratch []byte) (*Route, []byte, *handshake.Error) {
	name, _ := handshake.SplitHost(host)
	scratch = appendLower(scratch[:0], name)
	p := t.find(scratch)
	path, bad := handshake.NormalizePath(scratch[:0], target, false)
	if bad != nil {
		return t.matchEncoded(p, target, scratch, bad)
	}
	scratch = reuse(path, target, scratch)
	if p == nil {
		return nil, scratch, handshake.ErrNoRoute
	}
	r := p.match(path)
	if r == nil {
		return nil, scratch, handshake.ErrNoRoute
	}
	return r, scratch, nil
}

// matchEncoded is for targets that are refused with strict. If they are valid
// but for encoded slashes and the like, a route that allows these has them.
func (t *Table) matchEncoded(p *paths, target, scratch []byte, strict *handshake.Error) (*Route, []byte, *handshake.Error) {
	if !t.encoded || p == nil {
		return nil, scratch, strict
	}
	path, bad := handshake.NormalizePath(scratch[:0], target, true)
	if bad != nil {
		return nil, scratch, strict
	}
	scratch = reuse(path, target, scratch)
	if r := p.match(path); r != nil && r.AllowEncoded {
		return r, scratch, nil
	}
	return nil, scratch, strict
}

// reuse returns the memory for the next Match: path's, unless that is target's.
func reuse(path, target, scratch []byte) []byte {
	if len(path) > 0 && len(target) > 0 && &path[0] == &target[0] {
		return scratch
	}
	return path
}

// find returns the paths of a host in lower case; nil: none.
func (t *Table) find(name []byte) *paths {
	if p := t.exact[string(name)]; p != nil {
		return p
	}
	if len(t.below) > 0 {
		// The first dot that is looked at leaves at least one byte in front.
		for at := max(1, len(name)-t.longest); at < len(name); at++ {
			if name[at] != '.' {
				continue
			}
			if p := t.below[string(name[at:])]; p != nil {
				return p
			}
		}
	}
	return t.any
}

// match returns the route of a normalised path; nil: none.
func (p *paths) match(path []byte) *Route {
	if r := p.exact[string(path)]; r != nil {
		return r
	}
	if len(p.prefix) == 0 {
		return nil
	}
	// A prefix ends where a segment ends: at a slash, or with the path.
	for end := len(path); end >= 0; {
		if end <= p.longest {
			if r := p.prefix[string(path[:end])]; r != nil {
				return r
			}
		}
		end = bytes.LastIndexByte(path[:end], '/')
	}
	return nil
}

func appendLower(dst, s []byte) []byte {
	for _, c := range s {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
