package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReport makes the report of the published numbers in a folder of its own.
func TestReport(t *testing.T) {
	published := filepath.Join("..", "..", "bench", "results")
	dir := t.TempDir()
	results, readme := filepath.Join(dir, "a", "b"), filepath.Join(dir, "README.md")
	if err := os.CopyFS(results, os.DirFS(published)); err != nil {
		t.Fatal(err)
	}
	const page = "before\n<!-- bench/results: begin -->\n<!-- bench/results: end -->\nafter\n"
	if err := os.WriteFile(readme, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(results, "memory.svg")); err != nil {
		t.Fatal(err)
	}
	var made [2]string
	for i := range made {
		if code, stderr := exitCode(t, "report", "--results", results, "--readme", readme); code != 0 {
			t.Fatalf("exit %d, %s", code, stderr)
		}
		b, err := os.ReadFile(readme)
		if err != nil {
			t.Fatal(err)
		}
		made[i] = string(b)
	}
	if made[0] != made[1] {
		t.Error("a second report is another")
	}
	if s := made[0]; !strings.HasPrefix(s, "before\n") || !strings.HasSuffix(s, "after\n") || !strings.Contains(s, "](a/b/memory.svg)") {
		t.Errorf("%s", s)
	}
	entries, err := os.ReadDir(published)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		want, err := os.ReadFile(filepath.Join(published, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(results, e.Name())); err != nil || string(got) != string(want) {
			t.Errorf("%s is another than the published one, %v", e.Name(), err)
		}
	}
}

func TestReportOfNothing(t *testing.T) {
	dir := t.TempDir()
	readme := filepath.Join(dir, "README.md")
	if err := os.WriteFile(readme, []byte("no marks\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	published := filepath.Join("..", "..", "bench", "results")
	for _, tt := range []struct {
		results string
		says    string
	}{
		{dir, "latest.json"},
		{published, "has no lines"},
	} {
		results := tt.results
		if results == published { // the command writes there
			results = filepath.Join(dir, "copy")
			if err := os.CopyFS(results, os.DirFS(published)); err != nil {
				t.Fatal(err)
			}
		}
		if code, stderr := exitCode(t, "report", "--results", results, "--readme", readme); code != 1 || !strings.Contains(stderr, tt.says) {
			t.Errorf("%s: exit %d, %q", tt.results, code, stderr)
		}
	}
	if b, err := os.ReadFile(readme); err != nil || string(b) != "no marks\n" {
		t.Errorf("%q, %v", b, err)
	}
}
