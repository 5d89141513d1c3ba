package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestBombs: files made to cost much are refused for what they are, before the
// recursive part of parsing sees them.
func TestBombs(t *testing.T) {
	repeat := strings.Repeat
	keys := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, tt := range []struct{ name, text, want string }{
		{"billion laughs", "a: &a [x,x,x,x,x,x,x,x,x]\n" + keys(9, "b%d: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"), "anchors are not supported"},
		{"itself", "a: &a [*a]\n", "anchors are not supported"},
		{"merge", "a: {<<: {b: 1}}\n", "merge keys are not supported"},
		{"open brackets", repeat("[", 100_000), "more than 32 levels of nesting"},
		{"brackets", "a: " + repeat("[", 50_000) + repeat("]", 50_000), "more than 32 levels of nesting"},
		{"braces", repeat("{a: ", 60_000), "more than 32 levels of nesting"},
		{"hyphens", repeat("- ", 100_000), "more than 32 levels of nesting"},
		{"columns", keys(60, "%[1]*[2]s\n"), "more than 32 levels of nesting"},
		{"keys of a block", keys(20_000, "k%d: 1\n"), "more than 4096 keys in one mapping"},
		{"keys of a line", "a: {" + keys(20_000, "k%d: 1, ") + "}", "unknown key a"},
		{"keys of lines", "a: {\n" + keys(20_000, "k%d: 1,\n") + "}", "more than 4096 keys in one mapping"},
		{"absent values", keys(20_000, "- a%d:\n"), "more than 1000 keys without a value"},
		{"absent values, nested", keys(10_000, "- a%d:\n  b:\n"), "more than 1000 keys without a value"},
		{"absent values, flow", "{" + keys(20_000, "a%d,") + "}", "more than 1000 keys without a value"},
		{"absent values, colons", "{" + keys(20_000, "a%d: ,") + "}", "more than 1000 keys without a value"},
		{"absent entries", repeat("-\n", 100_000), "more than 1000 keys without a value"},
		{"complex keys", repeat("? ", 50_000), "complex keys are not supported"},
		{"tags", repeat("! ", 50_000), "tags are not supported"},
		{"documents", repeat("---\na: 1\n", 20_000), "more than one document"},
		{"marks", repeat("- a\n", 500_000), "is too complex: more than 262144 marks of YAML"},
		{"large", repeat("#", maxFile+1), "is larger than 4MiB"},
		{"one text", `a: "` + repeat("x", 3<<20) + `"`, "unknown key a"},
		{"one key", repeat("k", 3<<20) + ": 1", "unknown key"},
		{"block option", "a: >" + repeat(">", 100_000), "invalid header option"},
		{"open quote", `a: "` + repeat("x\n", 100_000), "could not find end character"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.text
			if tt.name == "columns" {
				text = ""
				for i := range 60 {
					text += repeat(" ", i) + "a:\n"
				}
			}
			c, errs := Parse("bomb", []byte(text))
			if c != nil || len(errs) == 0 {
				t.Fatal("accepted")
			}
			wellFormed(t, []byte(text), errs)
			for _, e := range errs {
				if strings.Contains(e.Msg, tt.want) {
					return
				}
			}
			t.Errorf("want %q, got %v", tt.want, errs[0])
		})
	}
}

// TestManyErrors: the errors of a file of garbage are bounded, in number and in
// what is written.
func TestManyErrors(t *testing.T) {
	line := "a: {" + strings.Repeat("k: 1, ", 15_000) + "}"
	_, errs := Parse("many", []byte("timeouts: {"+strings.Repeat("k: 1, ", 15_000)+"}\n"+line))
	if len(errs) != maxErrors+1 || errs[maxErrors].Msg != "has more errors, the first 1000 are shown" {
		t.Fatalf("%d errors, the last %v", len(errs), errs[len(errs)-1])
	}
	if n := len(errs.Error()); n > 1<<20 {
		t.Errorf("%d bytes are written", n)
	}
}

// TestLarge: real configurations of a size that nobody has are read.
func TestLarge(t *testing.T) {
	const n = 4000
	var b strings.Builder
	b.WriteString("routes:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - host: h%d.example.com\n    path: /chat\n    upstream: u%d\n    frames: enforce\n", i, i)
	}
	b.WriteString("upstreams:\n")
	for i := range n {
		fmt.Fprintf(&b, "  u%d:\n    endpoints:\n      - 127.0.%d.%d:9001\n      - {address: \"[::1]:%d\", weight: 2}\n", i, i/256, i%256, i+1)
	}
	c := mustParse(t, b.String())
	if len(c.Routes) != n || len(c.Upstreams) != n || c.Routes[n-1].Host != "h3999.example.com" || c.Upstreams[n-1].Endpoints[1].Address != "[::1]:4000" {
		t.Errorf("%d routes, %d upstreams", len(c.Routes), len(c.Upstreams))
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.yaml")
	large := filepath.Join(dir, "large.yaml")
	for name, text := range map[string]string{good: design, large: strings.Repeat("# comment\n", maxFile/10+1)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c, errs := Load(good); errs != nil || c == nil || c.Routes[0].Upstream != "chat" {
		t.Errorf("%v %v", c, errs)
	}
	for name, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "cannot be read: no such file or directory",
		dir:                             "cannot be read: is a directory",
		large:                           "is larger than 4MiB",
	} {
		c, errs := Load(name)
		if c != nil || len(errs) != 1 || errs[0].Error() != name+": "+want {
			t.Errorf("%v %v", c, errs)
		}
	}
}

// FuzzParse: no input panics, every error has its place, and what is accepted
// is taken by the gateway and survives being printed.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal("no files", err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte(design))
	f.Add([]byte("routes: [{upstream: a, path: '=/x', request_headers: {set: {A: 'b'}, remove: [C]}}]\nupstreams: {a: {endpoints: [127.0.0.1:1, 'unix:/a']}}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, errs := Parse("fuzz", data)
		if (c == nil) != (len(errs) > 0) {
			t.Fatal("neither or both of a configuration and errors")
		}
		if c == nil {
			wellFormed(t, data, errs)
			return
		}
		wellFormed(t, data, c.Warnings)
		usable(t, c)
		var out bytes.Buffer
		if err := Print(&out, c); err != nil {
			t.Fatal(err)
		}
		again, errs := Parse("printed", out.Bytes())
		if len(errs) > 0 {
			t.Fatalf("printed is refused:\n%s\n%v", out.String(), errs)
		}
		if !reflect.DeepEqual(bare(c), bare(again)) {
			t.Errorf("printed\n%s\ngot  %+v\nwant %+v", out.String(), bare(again), bare(c))
		}
	})
}
