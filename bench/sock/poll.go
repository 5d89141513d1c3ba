package sock

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Poll is one epoll set with a wake-up descriptor.
type Poll struct {
	fd, wake int
	coarse   bool // the kernel has no epoll_pwait2: waits are rounded up to milliseconds
	raw      []unix.EpollEvent
	out      []Event
}

// An Event says what a descriptor is ready for.
type Event struct {
	Slot, Generation int32 // as given to Add
	Readable         bool  // data, end of stream or an error waits to be read
	Writable         bool
	Hangup           bool // the end of stream or an error will be found by reading on
}

// NewPoll makes a set that reports up to batch events at a time.
func NewPoll(batch int) (*Poll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	p := &Poll{fd: fd, wake: wake, raw: make([]unix.EpollEvent, batch), out: make([]Event, 0, batch)}
	if err := p.add(wake, unix.EPOLLIN, -1, 0); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Poll) add(fd int, events uint32, slot, generation int32) error {
	ev := unix.EpollEvent{Events: events, Fd: slot, Pad: generation}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// Add watches fd for both directions, edge-triggered. slot is not negative.
// Closing fd takes it out of the set; the generation tells a late event of a
// closed descriptor from one of its successor in the same slot.
func (p *Poll) Add(fd int, slot, generation int32) error {
	return p.add(fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET, slot, generation)
}

// AddListener watches a listening descriptor, level-triggered.
func (p *Poll) AddListener(fd int, slot, generation int32) error {
	return p.add(fd, unix.EPOLLIN, slot, generation)
}

// Wait returns what is ready within d; d below zero waits for as long as it
// takes. The result is valid until the next Wait; it is empty after a timeout,
// a wake-up or an interruption.
func (p *Poll) Wait(d time.Duration) ([]Event, error) {
	n, e := p.wait(d)
	if e == unix.EINTR {
		n, e = 0, 0
	}
	if e != 0 {
		return nil, fmt.Errorf("epoll_wait: %w", e)
	}
	p.out = p.out[:0]
	for i := range p.raw[:n] {
		ev := &p.raw[i]
		if ev.Fd < 0 {
			var b [8]byte
			Read(p.wake, b[:])
			continue
		}
		p.out = append(p.out, Event{
			Slot: ev.Fd, Generation: ev.Pad,
			Readable: ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
			Writable: ev.Events&unix.EPOLLOUT != 0,
			Hangup:   ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0,
		})
	}
	return p.out, nil
}

// wait uses epoll_pwait2 for its nanosecond timeout: an open loop that sends
// 10,000 messages a second cannot be paced in milliseconds.
func (p *Poll) wait(d time.Duration) (int, syscall.Errno) {
	events, size := unsafe.Pointer(&p.raw[0]), uintptr(len(p.raw))
	if d == 0 {
		n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(events), size, 0, 0, 0)
		return count(n, e), e
	}
	if !p.coarse && d > 0 {
		ts := unix.NsecToTimespec(int64(d))
		n, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(events), size, uintptr(unsafe.Pointer(&ts)), 0, 0)
		if e != unix.ENOSYS {
			return count(n, e), e
		}
		p.coarse = true
	}
	ms := -1
	if d > 0 {
		ms = int((d + time.Millisecond - 1) / time.Millisecond)
	}
	n, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(events), size, uintptr(ms), 0, 0)
	return count(n, e), e
}

func count(n uintptr, e syscall.Errno) int {
	if e != 0 {
		return 0
	}
	return int(n)
}

// Wake makes a Wait on another goroutine return.
func (p *Poll) Wake() {
	one := [8]byte{0: 1}
	_, _ = unix.Write(p.wake, one[:])
}

// Close closes the set, not the descriptors in it.
func (p *Poll) Close() {
	unix.Close(p.wake)
	unix.Close(p.fd)
}
