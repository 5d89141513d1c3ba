package vm

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// FindKernel returns the absolute path of the newest kernel image in the first of the folders that
// has one. Images that this user may not read do not count.
func FindKernel(folders ...string) (string, error) {
	for _, dir := range folders {
		images, err := filepath.Glob(filepath.Join(dir, "vmlinuz-*"))
		if err != nil {
			return "", err
		}
		slices.SortFunc(images, byVersion)
		for _, image := range slices.Backward(images) {
			if f, err := os.Open(image); err == nil {
				f.Close()
				return filepath.Abs(image)
			}
		}
	}
	return "", fmt.Errorf("no kernel image (vmlinuz-*) in %q: make bench-deps gets one", folders)
}

// byVersion orders names with numbers as people do: 6.1.0-9 before 6.1.0-56.
func byVersion(a, b string) int {
	for len(a) > 0 && len(b) > 0 {
		n, m := digits(a), digits(b)
		if n == 0 || m == 0 {
			if a[0] != b[0] {
				return int(a[0]) - int(b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		x, _ := strconv.Atoi(a[:n])
		y, _ := strconv.Atoi(b[:m])
		if x != y {
			return x - y
		}
		a, b = a[n:], b[m:]
	}
	return len(a) - len(b)
}

// digits is how many digits s begins with.
func digits(s string) (n int) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// Static reports why the program at path does not run in the guest, which has
// no libraries: nil for a static one for x86-64.
func Static(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	if f.Machine != elf.EM_X86_64 {
		return fmt.Errorf("%s is for %v, and the machine is x86-64", path, f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s needs libraries: build it with CGO_ENABLED=0", path)
		}
	}
	return nil
}

// Programs that the machine is made of.
const (
	qemuProgram = "qemu-system-x86_64"
	busybox     = "/bin/busybox"
)

// Missing names what is not installed, or is nil.
func Missing() error {
	if _, err := exec.LookPath(qemuProgram); err != nil {
		return fmt.Errorf("%s is not installed: make bench-deps installs it", qemuProgram)
	}
	if err := Static(busybox); err != nil {
		return fmt.Errorf("%w: make bench-deps installs busybox-static", err)
	}
	return nil
}

// overhead is what QEMU itself takes, translated code included.
const overhead = 640 << 20

// checkMemory fails when a guest of that many bytes does not fit into what
// meminfo, /proc/meminfo, says is available.
func checkMemory(guest int64, meminfo []byte) error {
	for line := range bytes.Lines(meminfo) {
		f := bytes.Fields(line)
		if len(f) < 2 || string(f[0]) != "MemAvailable:" {
			continue
		}
		kib, err := strconv.ParseInt(string(f[1]), 10, 64)
		if err != nil {
			return fmt.Errorf("meminfo: %w", err)
		}
		if have := kib << 10; guest+overhead > have {
			return fmt.Errorf("a machine of %d MiB and %d MiB for QEMU do not fit into the %d MiB that are available here", guest>>20, int64(overhead)>>20, have>>20)
		}
		return nil
	}
	return fmt.Errorf("meminfo: no MemAvailable")
}

// Check reports why a machine with so many bytes of memory cannot be had here,
// or nil.
func Check(memory int64) error {
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return err
	}
	return errors.Join(Missing(), checkMemory(memory, meminfo))
}

// Version is what QEMU calls itself, or "QEMU".
func Version(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, qemuProgram, "--version").Output()
	line, _, _ := strings.Cut(string(out), "\n")
	if err != nil || line == "" {
		return "QEMU"
	}
	return line
}
