package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// MapMemory returns n bytes of zeroed memory outside of the Go heap. Pages
// that are never touched take no memory. The caller owns it until UnmapMemory.
func MapMemory(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return b, nil
}

// ReleaseMemory gives the pages of b, which came whole from MapMemory, back to
// the kernel and keeps the address range: its contents are zero afterwards. It
// does nothing to a range that is locked in memory.
func ReleaseMemory(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }

// UnmapMemory takes b, which came whole from MapMemory, out of the address
// space. No slice of it may be used any more.
func UnmapMemory(b []byte) { _ = unix.Munmap(b) }
