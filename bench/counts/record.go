package counts

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// The units of work that are counted.
const (
	Message = "message" // 64 bytes from the client to the backend and back
	Upgrade = "upgrade" // a whole session: connect, upgrade, one message, close
)

// Record is what a gateway needs for each unit of work.
type Record struct {
	Go      string             `json:"go"` // that built the gateway
	Kernel  string             `json:"kernel"`
	Skipped string             `json:"-"` // why there are no counts of system calls
	Units   map[string]*Counts `json:"units"`
}

// Counts are those of one unit.
type Counts struct {
	Syscalls map[string]float64 `json:"syscalls"` // by name
	Objects  float64            `json:"heap_objects"`
	Bytes    float64            `json:"heap_bytes"`
}

// Tolerances: how much a count may grow. System calls repeat exactly. Heap
// counts come from counters that are asked while they move, see allocated; one
// object more for each unit is beyond what is tolerated.
const tolerateCalls = 0.02

var tolerate = map[string]struct{ objects, bytes float64 }{
	Message: {0.1, 16},
	Upgrade: {0.6, 80},
}

// Read reads a record from a file.
func Read(path string) (*Record, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	r := &Record{}
	if err := dec.Decode(r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, unit := range []string{Message, Upgrade} {
		if c := r.Units[unit]; c == nil || len(c.Syscalls) == 0 {
			return nil, fmt.Errorf("%s: no counts of a %s", path, unit)
		}
	}
	return r, nil
}

// Write writes r to a file, which is complete or left as it was.
func (r *Record) Write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}

// Change is one count, recorded and measured.
type Change struct {
	Unit, Name string
	Old, New   float64
	Tolerated  float64
}

// Grew reports whether the count is larger than it may be.
func (c Change) Grew() bool { return c.New > c.Old+c.Tolerated }

// Shrank reports whether it is smaller by more than it may differ.
func (c Change) Shrank() bool { return c.New < c.Old-c.Tolerated }

// Changes are all counts beside those of old, system calls first. A record
// without system calls is compared without them.
func (r *Record) Changes(old *Record) (all []Change) {
	for _, unit := range []string{Message, Upgrade} {
		was, is := old.Units[unit], r.Units[unit]
		if r.Skipped == "" {
			names := maps.Clone(was.Syscalls)
			maps.Copy(names, is.Syscalls)
			for _, name := range slices.Sorted(maps.Keys(names)) {
				all = append(all, Change{unit, name, was.Syscalls[name], is.Syscalls[name], tolerateCalls})
			}
		}
		all = append(all,
			Change{unit, "heap objects", was.Objects, is.Objects, tolerate[unit].objects},
			Change{unit, "heap bytes", was.Bytes, is.Bytes, tolerate[unit].bytes})
	}
	return all
}

// grown lists what grew, or is empty.
func grown(all []Change) string {
	var words []string
	for _, c := range all {
		if c.Grew() {
			words = append(words, fmt.Sprintf("%s %s from %.2f to %.2f", c.Unit, c.Name, c.Old, c.New))
		}
	}
	return strings.Join(words, ", ")
}

// Check measures and compares with old. What seems to have grown is measured
// again, and the least of each count stands: nothing makes a
// gateway call less than it has to, and much can make it call more once.
func Check(ctx context.Context, o Options, old *Record) (r *Record, all []Change, err error) {
	o.defaults()
	for attempt := range o.Attempts {
		again, err := Measure(ctx, o)
		if err != nil {
			return nil, nil, err
		}
		if r == nil {
			r = again
		} else {
			r.least(again)
		}
		if all = r.Changes(old); grown(all) == "" {
			break
		}
		if attempt+1 < o.Attempts {
			o.Log("measuring again: %s", grown(all))
		}
	}
	return r, all, nil
}

// least keeps the smaller of each count.
func (r *Record) least(o *Record) {
	for unit, c := range r.Units {
		other := o.Units[unit]
		for name, n := range c.Syscalls {
			if m := min(n, other.Syscalls[name]); m > 0 {
				c.Syscalls[name] = m
			} else {
				delete(c.Syscalls, name)
			}
		}
		c.Objects, c.Bytes = min(c.Objects, other.Objects), min(c.Bytes, other.Bytes)
	}
}

// WriteTable writes changes for people.
func WriteTable(w io.Writer, all []Change) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "a\tcount\trecorded\tnow\tgrowth\t\t")
	for _, c := range all {
		growth, word := "", ""
		switch {
		case c.Grew():
			growth, word = fmt.Sprintf("%+.2f", c.New-c.Old), "GREW"
		case c.Shrank():
			growth, word = fmt.Sprintf("%+.2f", c.New-c.Old), "shrank"
		}
		fmt.Fprintf(t, "%s\t%s\t%.2f\t%.2f\t%s\t%s\t\n", c.Unit, c.Name, c.Old, c.New, growth, word)
	}
	return t.Flush()
}
