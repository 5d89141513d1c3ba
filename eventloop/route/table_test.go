package route

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"wsgate/handshake"
)

// parse makes a Route of "host/path", "host=/path" for an exact path, with "+"
// at the end if it allows encoded slashes.
func parse(s string) *Route {
	r := &Route{Name: s}
	s, r.AllowEncoded = strings.CutSuffix(s, "+")
	at := strings.IndexByte(s, '/')
	r.Host, r.Path = s[:at], s[at:]
	r.Host, r.Exact = strings.CutSuffix(r.Host, "=")
	return r
}

func table(t testing.TB, routes ...string) *Table {
	t.Helper()
	var rs []*Route
	for _, s := range routes {
		rs = append(rs, parse(s))
	}
	tab, err := NewTable(rs)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestMatch(t *testing.T) {
	tab := table(t,
		"*/", "*/a", "*/a/b/", "*=/a/b", "*=/x/", "*/a%20b", "*/~user",
		"example.com/", "example.com/only",
		"API.Example.com/v1",
		"*.example.com/w", "*.deep.example.com/", "*.com/com",
		"[::1]/six", "127.0.0.1/four", "trailing.dot./",
	)
	for _, tc := range []struct{ host, target, want string }{
		{"other", "/", "*/"},
		{"", "/", "*/"},
		{"other:8080", "/zzz?q=/a", "*/"},
		{"other", "/a", "*/a"},
		{"other", "/a/", "*/a"},
		{"other", "/a?x", "*/a"},
		{"other", "/a/c/d", "*/a"},
		{"other", "/ab", "*/"},
		{"other", "/A", "*/"},
		{"other", "/a/b", "*=/a/b"},
		{"other", "/a/b/", "*/a/b/"},
		{"other", "/a/b/c", "*/a/b/"},
		{"other", "/a/bc", "*/a"},
		{"other", "/x", "*/"},
		{"other", "/x/", "*=/x/"},
		{"other", "/x/y", "*/"},
		{"other", "//a//b", "*=/a/b"},
		{"other", "/a/../b", "*/"},
		{"other", "/./a/c/..", "*/a"},
		{"other", "/%61/c", "*/a"},
		{"other", "/a%20b/c", "*/a%20b"},
		{"other", "/%7euser", "*/~user"},
		{"example.com", "/", "example.com/"},
		{"EXAMPLE.com:443", "/only", "example.com/only"},
		{"example.com.", "/onlyx", "example.com/"},
		{"api.example.com", "/v1/x", "API.Example.com/v1"},
		{"api.example.com", "/w", ""}, // the exact host was chosen
		{"api.example.com", "/", ""},
		{"x.example.com", "/w", "*.example.com/w"},
		{"x.y.example.com:1", "/w/z", "*.example.com/w"},
		{"x.example.com", "/", ""},
		{"x.deep.example.com", "/w", "*.deep.example.com/"},
		{"deep.example.com", "/w", "*.example.com/w"},
		{"example.org.com", "/com", "*.com/com"},
		{".com", "/com", "*/"},
		{"com", "/com", "*/"},
		{"notexample.com", "/w", ""},
		{"[::1]:80", "/six", "[::1]/six"},
		{"[::1]", "/", ""},
		{"127.0.0.1:80", "/four", "127.0.0.1/four"},
		{"trailing.dot", "/", "trailing.dot./"},
	} {
		r, _, bad := tab.Match([]byte(tc.host), []byte(tc.target), nil)
		got := ""
		if r != nil {
			got = r.Name
		}
		if got != tc.want || (bad != nil) != (tc.want == "") || bad != nil && bad != handshake.ErrNoRoute {
			t.Errorf("%s%s: %q %v, want %q", tc.host, tc.target, got, bad, tc.want)
		}
	}
}

func TestNoAnyHost(t *testing.T) {
	tab := table(t, "a.example/", "*.example/x=", "b.example=/one")
	for _, tc := range [][2]string{{"c", "/"}, {"", "/"}, {"b.example", "/two"}, {"b.example", "/one/"}} {
		if r, _, bad := tab.Match([]byte(tc[0]), []byte(tc[1]), nil); r != nil || bad != handshake.ErrNoRoute {
			t.Errorf("%v: %v %v", tc, r, bad)
		}
	}
	empty, err := NewTable(nil)
	if err != nil {
		t.Fatal(err)
	}
	if r, _, bad := empty.Match([]byte("a"), []byte("/"), nil); r != nil || bad != handshake.ErrNoRoute {
		t.Errorf("an empty table gives %v %v", r, bad)
	}
}

func TestBadPaths(t *testing.T) {
	tab := table(t, "*/", "*/open+", "*/open/shut", "strict/")
	for _, tc := range []struct{ host, target, want string }{
		{"h", "/open/a%2fb", "*/open+"},
		{"h", "/open/a%2Fb%5c%00", "*/open+"},
		{"h", "/open/shut/a%2fb", ""},
		{"h", "/open%2fshut", ""}, // one segment, of the route "/"
		{"h", "/a%2fb", ""},
		{"strict", "/open/a%2fb", ""},
		{"h", "/open/%2f%zz", ""},
		{"h", "/open/%2f/../../..", ""},
		{"h", "/..", ""},
		{"h", "/%zz", ""},
	} {
		r, _, bad := tab.Match([]byte(tc.host), []byte(tc.target), nil)
		got := ""
		if r != nil {
			got = r.Name
		}
		if got != tc.want || (bad != nil) != (tc.want == "") || bad != nil && bad.Status != 400 {
			t.Errorf("%s%s: %q %v, want %q", tc.host, tc.target, got, bad, tc.want)
		}
	}
	// Where no route allows them, the answer does not depend on the route.
	strict := table(t, "strict/x")
	if _, _, bad := strict.Match([]byte("other"), []byte("/a%2fb"), nil); bad == nil || bad.Status != 400 {
		t.Errorf("%v", bad)
	}
}

func TestNewTableRefuses(t *testing.T) {
	for _, tc := range []struct {
		routes []string
		want   error
	}{
		{[]string{"*/a", "*/a"}, ErrDuplicate},
		{[]string{"*/a", "*/a/"}, ErrDuplicate},
		{[]string{"*/a", "/a"}, ErrDuplicate}, // no host is any host
		{[]string{"*=/a", "*=/a"}, ErrDuplicate},
		{[]string{"A.example/", "a.example./"}, ErrDuplicate},
		{[]string{"*.A.example/", "*.a.example/"}, ErrDuplicate},
		{[]string{"*/%61", "*/a"}, ErrDuplicate},
		{[]string{"*/b/../a", "*/a"}, ErrDuplicate},
		{[]string{"*/a", "*=/a"}, nil},
		{[]string{"*=/a", "*=/a/"}, nil},
		{[]string{"*/a%2fb+"}, nil},
		{[]string{"*./"}, ErrHost},
		{[]string{"*example/"}, ErrHost},
		{[]string{"a.*.example/"}, ErrHost},
		{[]string{"**/"}, ErrHost},
		{[]string{"a:80/"}, ErrHost},
		{[]string{"./"}, ErrHost},
		{[]string{"*/.."}, ErrPath},
		{[]string{"*/%zz"}, ErrPath},
		{[]string{"*/a?b"}, ErrPath},
	} {
		var rs []*Route
		for _, s := range tc.routes {
			rs = append(rs, parse(s))
		}
		if tab, err := NewTable(rs); !errors.Is(err, tc.want) || (tab == nil) != (tc.want != nil) {
			t.Errorf("%v: %v, want %v", tc.routes, err, tc.want)
		}
	}
	if _, err := NewTable([]*Route{{Host: "*", Path: "a"}}); !errors.Is(err, ErrPath) {
		t.Errorf("path without a slash: %v", err)
	}
	tab, err := NewTable([]*Route{{Name: "all"}})
	if err != nil {
		t.Fatal(err)
	}
	if r, _, _ := tab.Match([]byte("x"), []byte("/y"), nil); r == nil || r.Name != "all" {
		t.Errorf("zero host and path match %v", r)
	}
}

// naive looks at the routes one by one; host and path are in their normal form.
func naive(routes []*Route, host, path string) *Route {
	chosen, length := "", -1
	for _, r := range routes {
		switch {
		case r.Host == host:
			chosen, length = r.Host, 1<<20
		case r.Host == "*" && length < 0:
			chosen, length = r.Host, 0
		case len(r.Host) > 1 && r.Host[0] == '*' && strings.HasSuffix(host, r.Host[1:]) && len(host) >= len(r.Host) && len(r.Host) > length:
			chosen, length = r.Host, len(r.Host)
		}
	}
	var best *Route
	for _, r := range routes {
		switch {
		case r.Host != chosen || length < 0:
		case r.Exact:
			if r.Path == path {
				return r
			}
		case r.Path == "/" || path == r.Path || strings.HasPrefix(path, r.Path+"/"):
			if best == nil || len(r.Path) > len(best.Path) {
				best = r
			}
		}
	}
	return best
}

// A table of random routes agrees with looking at them one by one.
func TestMatchAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	word := func() string { return string("ab"[rng.IntN(2)]) }
	path := func() string {
		var b strings.Builder
		for range rng.IntN(4) {
			b.WriteString("/" + word())
		}
		if b.Len() == 0 {
			return "/"
		}
		return b.String()
	}
	host := func() string {
		labels := []string{word()}
		for range rng.IntN(3) {
			labels = append(labels, word())
		}
		return strings.Join(labels, ".")
	}
	matched := 0
	for range 300 {
		taken := map[string]bool{}
		var routes []*Route
		for range rng.IntN(20) {
			r := &Route{Host: host(), Path: path(), Exact: rng.IntN(3) == 0}
			switch rng.IntN(3) {
			case 0:
				r.Host = "*"
			case 1:
				r.Host = "*." + r.Host
			}
			if r.Name = fmt.Sprint(r.Host, r.Path, r.Exact); !taken[r.Name] {
				taken[r.Name] = true
				routes = append(routes, r)
			}
		}
		tab, err := NewTable(routes)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			h, p := host(), path()
			want := naive(routes, h, p)
			got, _, bad := tab.Match([]byte(h), []byte(p), nil)
			if got != want || (bad == nil) != (want != nil) {
				t.Fatalf("%s%s: %+v %v, want %+v", h, p, got, bad, want)
			}
			if got != nil {
				matched++
			}
		}
	}
	if matched < 1000 {
		t.Errorf("only %d requests matched", matched)
	}
}

// The memory that comes back is the caller's or grown from it, never the
// request's.
func TestScratchIsNotTheRequests(t *testing.T) {
	tab := table(t, "*/", "*/open+")
	for _, target := range []string{"/plain", "/%61", "/a//b", "/open/%2f", "/%2f", "/..", "/nowhere?q"} {
		host, path := []byte("Example.COM"), []byte(target)
		_, scratch, _ := tab.Match(host, path, nil)
		scratch = scratch[:cap(scratch)]
		for i := range scratch {
			scratch[i] = '!'
		}
		if string(host) != "Example.COM" || string(path) != target {
			t.Errorf("%s: scratch is the request's memory: %q %q", target, host, path)
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	tab := table(t, "*/", "*/a/b", "*.example.com/chat", "example.com/x+")
	scratch := make([]byte, 0, 256)
	for _, tc := range [][2]string{
		{"chat.Example.com:8080", "/chat/room?id=1"}, {"example.com", "/x/%2f"}, {"other", "/%61//b"},
		{"other", "/a%2f"}, {"a.b.c.d.example.com", "/"},
	} {
		host, target := []byte(tc[0]), []byte(tc[1])
		if n := testing.AllocsPerRun(100, func() { _, scratch, _ = tab.Match(host, target, scratch) }); n != 0 {
			t.Errorf("%v: %v allocations", tc, n)
		}
	}
}

// A host of thousands of labels and a path of thousands of segments cost their
// length, not its square: suffixes and prefixes longer than any configured one
// are not looked up.
func BenchmarkMatch(b *testing.B) {
	tab := table(b, "*/", "*/a/b", "*.example.com/chat", "example.com/x")
	for name, tc := range map[string][2]string{
		"usual":     {"chat.example.com:8080", "/chat/room?id=1"},
		"long host": {strings.Repeat("a.", 8000) + "b", "/a"},
		"long path": {"other", strings.Repeat("/a", 8000)},
	} {
		b.Run(name, func(b *testing.B) {
			host, target := []byte(tc[0]), []byte(tc[1])
			var scratch []byte
			b.ReportAllocs()
			for b.Loop() {
				_, scratch, _ = tab.Match(host, target, scratch)
			}
		})
	}
}
