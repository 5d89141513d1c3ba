package vm

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// wire is a Port's other end.
type wire struct{ bytes.Buffer }

func (*wire) Close() error { return nil }

func (w *wire) lines() []string { return strings.Split(strings.TrimSuffix(w.String(), "\n"), "\n") }

func receive(lines []string) (r *receiver, logged []string) {
	r = &receiver{log: func(l string) { logged = append(logged, l) }}
	for _, l := range lines {
		r.line(l)
	}
	return r, logged
}

// said is what a guest says whose result takes three frames.
func said(t *testing.T) (lines []string, result []byte) {
	t.Helper()
	w := new(wire)
	p := &Port{w: w}
	result = bytes.Repeat([]byte("result\n"), 2*maxPayload/7+1)
	for _, err := range []error{p.Log("one"), p.Log(""), p.Result(result), p.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return w.lines(), result
}

func TestFramesArrive(t *testing.T) {
	lines, result := said(t)
	if len(lines) != 5 {
		t.Fatalf("%d frames", len(lines))
	}
	for name, change := range map[string]func([]string) []string{
		"as they are":      func(l []string) []string { return l },
		"carriage returns": func(l []string) []string { return strings.Split(strings.Join(l, "\r\n"), "\n") },
		"others between": func(l []string) []string {
			return slices.Insert(slices.Clone(l), 2, "qemu: warning: ~vm log 0", "", "~vmlog", "~vm")
		},
		"more afterwards": func(l []string) []string { return append(slices.Clone(l), l[0], "~vm x") },
	} {
		r, logged := receive(change(lines))
		if !r.done || r.err != nil || !bytes.Equal(r.result, result) || !slices.Equal(logged, []string{"one", ""}) {
			t.Errorf("%s: done %v, %v, %d bytes, logged %q", name, r.done, r.err, len(r.result), logged)
		}
	}
}

func TestDamagedFrames(t *testing.T) {
	lines, _ := said(t)
	for name, change := range map[string]func([]string) []string{
		"lost":        func(l []string) []string { return slices.Delete(l, 1, 2) },
		"doubled":     func(l []string) []string { return slices.Insert(l, 1, l[0]) },
		"one byte":    func(l []string) []string { l[3] = l[3][:100] + "#" + l[3][101:]; return l },
		"another":     func(l []string) []string { l[3] = strings.Replace(l[3], "cmVz", "cmVT", 1); return l },
		"cut":         func(l []string) []string { l[4] = l[4][:len(l[4])-4]; return l },
		"word more":   func(l []string) []string { l[0] += " x"; return l },
		"a kind":      func(l []string) []string { l[0] = strings.Replace(l[0], "log", "lag", 1); return l },
		"no payload":  func(l []string) []string { l[0] = "~vm log 0 00000000"; return l },
		"empty error": func(l []string) []string { return []string{"~vm error 0 00000001 "} },
	} {
		r, _ := receive(change(slices.Clone(lines)))
		if !r.done || !errors.Is(r.err, errFrame) {
			t.Errorf("%s: done %v, %v", name, r.done, r.err)
		}
	}
	if r, _ := receive(lines[:4]); r.done {
		t.Error("done before the end of the result")
	}
}

func TestErrorsArrive(t *testing.T) {
	w := new(wire)
	p := &Port{w: w}
	if err := errors.Join(p.Log("x"), p.Fail(fmt.Errorf("no\nway"))); err != nil {
		t.Fatal(err)
	}
	if r, _ := receive(w.lines()); !r.done || r.err == nil || r.err.Error() != "no\nway" {
		t.Fatalf("%v, %v", r.done, r.err)
	}
}
