package imports

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestModule is the rule for this module.
func TestModule(t *testing.T) {
	root, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	problems, packages, err := check(root)
	if err != nil {
		t.Fatal(err)
	}
	if packages < len(rules) {
		t.Errorf("only %d packages found in %s", packages, root)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// TestChecker shows that each kind of offence is found, in a module made of
// them, and that nothing else is.
func TestChecker(t *testing.T) {
	problems, _, err := check(filepath.Join(mustGetwd(t), "testdata", "module"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join("testdata", "problems.txt"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(b)), "\n")
	for _, p := range problems {
		if !slices.Contains(want, p) {
			t.Errorf("unexpected: %s", p)
		}
	}
	for _, p := range want {
		if !slices.Contains(problems, p) {
			t.Errorf("not found: %s", p)
		}
	}
}

func mustGetwd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Folders are compared by whole segments.
func TestUnder(t *testing.T) {
	for _, c := range []struct {
		path, folder string
		want         bool
	}{
		{"lb", "lb", true},
		{"lb/x", "lb", true},
		{"lbx", "lb", false},
		{"github.com/gobwas/wsx", "github.com/gobwas/ws", false},
		{"splice", "splice/sys", false},
	} {
		if got := under(c.path, c.folder); got != c.want {
			t.Errorf("under(%q, %q) = %v", c.path, c.folder, got)
		}
	}
}
