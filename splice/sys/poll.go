package sys

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// EpollCreate returns a new, close-on-exec epoll descriptor, which is itself
// pollable.
func EpollCreate() (int, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return fd, os.NewSyscallError("epoll_create1", err)
}

// EpollAdd puts fd into the set. data comes back with its events: its lower
// half as Fd, its upper half as Pad of unix.EpollEvent, on every architecture.
// It allocates nothing unless it fails.
func EpollAdd(epfd, fd int, events uint32, data uint64) error {
	return epollCtl(epfd, unix.EPOLL_CTL_ADD, fd, events, data)
}

// EpollMod changes what fd, already in the set, is watched for. With
// EPOLLET a state that is already there is reported again.
func EpollMod(epfd, fd int, events uint32, data uint64) error {
	return epollCtl(epfd, unix.EPOLL_CTL_MOD, fd, events, data)
}

// EpollDel takes fd out of the set. Closing the last descriptor of a file does
// that, too.
func EpollDel(epfd, fd int) error { return epollCtl(epfd, unix.EPOLL_CTL_DEL, fd, 0, 0) }

func epollCtl(epfd, op, fd int, events uint32, data uint64) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(uint32(data)), Pad: int32(uint32(data >> 32))}
	_, _, e := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return asError(e)
}

// EpollWait fills ev with the events that are there and returns their number.
// It never waits. It allocates nothing.
func EpollWait(epfd int, ev []unix.EpollEvent) (int, Errno) {
	if len(ev) == 0 {
		return 0, 0
	}
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(&ev[0])), uintptr(len(ev)), 0, 0, 0)
		if e == 0 {
			return int(n), 0
		}
		if e != syscall.EINTR {
			return 0, e
		}
	}
}

// EventFD returns a non-blocking, close-on-exec eventfd.
func EventFD() (int, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return fd, os.NewSyscallError("eventfd2", err)
}

// EventFDSignal makes fd readable. Signals that are not drained add up to one.
// Any goroutine may call it while the descriptor is open.
func EventFDSignal(fd int) {
	one := uint64(1)
	for {
		// A full counter (EAGAIN) is readable: the signal is there.
		_, _, e := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
		if e != syscall.EINTR {
			return
		}
	}
}

// EventFDDrain makes fd unreadable until the next signal.
func EventFDDrain(fd int) { drain(fd) }

// TimerFD returns a non-blocking, close-on-exec timer descriptor on the
// monotonic clock, not armed.
func TimerFD() (int, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	return fd, os.NewSyscallError("timerfd_create", err)
}

// TimerFDSet makes fd readable after first, and from then on every interval
// (0: once). A first of 0 disarms it. Negative times are EINVAL.
func TimerFDSet(fd int, first, interval time.Duration) error {
	spec := unix.ItimerSpec{
		Value:    unix.NsecToTimespec(int64(first)),
		Interval: unix.NsecToTimespec(int64(interval)),
	}
	_, _, e := syscall.RawSyscall6(syscall.SYS_TIMERFD_SETTIME, uintptr(fd), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	return asError(e)
}

// TimerFDDrain makes fd unreadable until it expires again.
func TimerFDDrain(fd int) { drain(fd) }

func drain(fd int) {
	var count [8]byte
	_, _, _ = syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&count)), uintptr(len(count)))
}
