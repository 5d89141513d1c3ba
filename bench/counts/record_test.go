package counts

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func record(change func(message, upgrade *Counts)) *Record {
	r := &Record{Go: "go1.26", Kernel: "6.1", Units: map[string]*Counts{
		Message: {Syscalls: map[string]float64{"recvfrom": 2, "sendto": 2}, Objects: 0.02, Bytes: 1},
		Upgrade: {Syscalls: map[string]float64{"socket": 1, "close": 2}, Objects: 2.1, Bytes: 300},
	}}
	if change != nil {
		change(r.Units[Message], r.Units[Upgrade])
	}
	return r
}

func TestChanges(t *testing.T) {
	tests := []struct {
		name   string
		change func(message, upgrade *Counts)
		grew   string // the count that grew; none when empty
		shrank string
	}{
		{"nothing", nil, "", ""},
		{"one call a message", func(m, _ *Counts) { m.Syscalls["sendto"] = 3 }, "message sendto", ""},
		{"one call in twenty messages", func(m, _ *Counts) { m.Syscalls["sendto"] = 2.05 }, "message sendto", ""},
		{"one call in a hundred messages", func(m, _ *Counts) { m.Syscalls["sendto"] = 2.01 }, "", ""},
		{"a new call", func(_, u *Counts) { u.Syscalls["fcntl"] = 1 }, "upgrade fcntl", ""},
		{"a call that is gone", func(_, u *Counts) { delete(u.Syscalls, "socket") }, "", "upgrade socket"},
		{"one object a message", func(m, _ *Counts) { m.Objects++ }, "message heap objects", ""},
		{"one object an upgrade", func(_, u *Counts) { u.Objects++ }, "upgrade heap objects", ""},
		{"within what the counter is good to", func(m, u *Counts) { m.Objects, u.Objects, u.Bytes = 0.1, 2.5, 350 }, "", ""},
		{"larger objects", func(_, u *Counts) { u.Bytes = 400 }, "upgrade heap bytes", ""},
		{"fewer objects", func(_, u *Counts) { u.Objects = 1 }, "", "upgrade heap objects"},
	}
	for _, tt := range tests {
		now := record(tt.change)
		var grew, shrank []string
		all := now.Changes(record(nil))
		for _, c := range all {
			if c.Grew() {
				grew = append(grew, c.Unit+" "+c.Name)
			}
			if c.Shrank() {
				shrank = append(shrank, c.Unit+" "+c.Name)
			}
		}
		if strings.Join(grew, ", ") != tt.grew || strings.Join(shrank, ", ") != tt.shrank {
			t.Errorf("%s: grew %q, shrank %q", tt.name, grew, shrank)
		}
		var b strings.Builder
		if err := WriteTable(&b, all); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "GREW") != (tt.grew != "") || strings.Contains(b.String(), "shrank") != (tt.shrank != "") {
			t.Errorf("%s:\n%s", tt.name, &b)
		}
	}
}

func TestSkippedChecksAllocationsOnly(t *testing.T) {
	now := record(func(m, u *Counts) { m.Syscalls, u.Syscalls, m.Objects = nil, nil, 1 })
	now.Skipped = "not permitted"
	all := now.Changes(record(nil))
	if len(all) != 4 || !all[0].Grew() || all[1].Grew() {
		t.Fatalf("%+v", all)
	}
}

func TestLeast(t *testing.T) {
	r := record(func(m, u *Counts) { m.Syscalls["read"], u.Objects = 1, 9 })
	r.least(record(func(m, u *Counts) { m.Syscalls["sendto"], u.Bytes = 7, 700 }))
	if want := record(nil); !reflect.DeepEqual(r, want) {
		t.Fatalf("%+v, %+v", r.Units[Message], r.Units[Upgrade])
	}
}

func TestRecordFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "counts.json")
	for range 2 {
		if err := record(nil).Write(path); err != nil {
			t.Fatal(err)
		}
	}
	back, err := Read(path)
	if err != nil || !reflect.DeepEqual(back, record(nil)) {
		t.Fatalf("%+v, %v", back, err)
	}
	for _, bad := range []string{"", "{}", `{"units": {"message": {"syscalls": {}}, "upgrade": {"syscalls": {}}}}`, `{"untis": {}}`} {
		if err := os.WriteFile(path, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil {
			t.Errorf("%q is a record", bad)
		}
	}
}

// TestCommittedRecord: what main is checked against can be read.
func TestCommittedRecord(t *testing.T) {
	if _, err := Read("counts.json"); err != nil {
		t.Fatal(err)
	}
}
