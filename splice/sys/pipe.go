package sys

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pipe returns the two ends of a new pipe, non-blocking and close-on-exec, and
// how many bytes it takes. size is a wish: beyond fs.pipe-max-size, or beyond
// what fs.pipe-user-pages-soft leaves its user, the kernel's own size stays.
func Pipe(size int) (r, w, capacity int, o Outcome, e Errno) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		errno, _ := err.(Errno)
		return -1, -1, 0, Classify(errno), errno
	}
	capacity, err := unix.FcntlInt(uintptr(p[1]), unix.F_SETPIPE_SZ, size)
	if err != nil {
		capacity, err = unix.FcntlInt(uintptr(p[1]), unix.F_GETPIPE_SZ, 0)
	}
	if err != nil {
		Close(p[0])
		Close(p[1])
		errno, _ := err.(Errno)
		return -1, -1, 0, Classify(errno), errno
	}
	return p[0], p[1], capacity, OK, 0
}

// DescriptorLimit raises the process's limit of open descriptors
// (RLIMIT_NOFILE) to the hard limit and returns what then holds.
func DescriptorLimit() (uint64, error) {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	if lim.Cur < lim.Max {
		raised := syscall.Rlimit{Cur: lim.Max, Max: lim.Max}
		// A refusal leaves the old limit, which is what counts then.
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
			lim = raised
		}
	}
	return lim.Cur, nil
}
