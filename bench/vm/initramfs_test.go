package vm

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
)

func TestInitramfs(t *testing.T) {
	from := filepath.Join(t.TempDir(), "from")
	if err := os.WriteFile(from, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err := WriteInitramfs(&b, []File{
		{Name: "init", Data: []byte("#!/bin/sh\n"), Mode: 0o755},
		{Name: "a/b/c", From: from, Mode: 0o640},
		{Name: "a/d", Mode: 0o600},
	})
	if err != nil {
		t.Fatal(err)
	}
	archive := bytes.Clone(b.Bytes())
	if !bytes.HasPrefix(archive, []byte("070701")) {
		t.Fatalf("not newc: %.10q", archive)
	}
	type entry struct {
		name, content string
		mode          cpio.FileMode
	}
	var got []entry
	for r := cpio.NewReader(&b); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry{h.Name, string(content), h.Mode})
	}
	want := []entry{
		{"init", "#!/bin/sh\n", 0o100755}, {"a", "", 0o40755}, {"a/b", "", 0o40755}, {"a/b/c", "from a file", 0o100640}, {"a/d", "", 0o100600},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
	// Another reader than the library that wrote it.
	if _, err := os.Stat(busybox); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(busybox, "cpio", "-t")
	cmd.Stdin = bytes.NewReader(archive)
	if out, err := cmd.Output(); err != nil || string(out) != "init\na\na/b\na/b/c\na/d\n" {
		t.Errorf("busybox: %v, %q", err, out)
	}
}

func TestInitramfsNames(t *testing.T) {
	for _, name := range []string{"/init", "../init", "a/../init", "a//b", "a/", ""} {
		if err := WriteInitramfs(io.Discard, []File{{Name: name}}); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
	if err := WriteInitramfs(io.Discard, []File{{Name: "x", From: "/nonexistent"}}); err == nil || !strings.Contains(err.Error(), "x: ") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestFindKernel(t *testing.T) {
	empty, dir := t.TempDir(), t.TempDir()
	for _, name := range []string{"vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-56-amd64", "vmlinuz-5.10.0-99-amd64", "config-6.1.0-57-amd64"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := FindKernel(empty, dir, "/boot"); err != nil || got != filepath.Join(dir, "vmlinuz-6.1.0-56-amd64") {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := FindKernel(empty); err == nil || !strings.Contains(err.Error(), "make bench-deps") {
		t.Errorf("no kernel: %v", err)
	}
}

func TestCheckMemory(t *testing.T) {
	const meminfo = "MemTotal:       24683000 kB\nMemFree:         1000000 kB\nMemAvailable:    2048000 kB\n"
	if err := checkMemory(1<<30, []byte(meminfo)); err != nil {
		t.Error(err)
	}
	if err := checkMemory(1500<<20, []byte(meminfo)); err == nil || !strings.Contains(err.Error(), "1500 MiB and 640 MiB for QEMU do not fit into the 2000 MiB") {
		t.Error(err)
	}
	for _, bad := range []string{"", "MemAvailable:\n", "MemAvailable: many kB\n"} {
		if err := checkMemory(1, []byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestStatic(t *testing.T) {
	if err := Static("/bin/sh"); err == nil || !strings.Contains(err.Error(), "libraries") {
		t.Errorf("/bin/sh: %v", err)
	}
	if err := Static("vm_test.go"); err == nil {
		t.Error("a text is a program")
	}
}

func TestQuote(t *testing.T) {
	argv := []string{"a b", "it's", "$x", `"`, ""}
	out, err := exec.Command("sh", "-c", "printf '%s|' "+quote(argv)).Output()
	if err != nil || string(out) != strings.Join(argv, "|")+"|" {
		t.Errorf("%q, %v", out, err)
	}
}
