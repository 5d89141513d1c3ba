package sys

import "golang.org/x/sys/unix"

// Event is one readiness event as epoll_wait stores it; Fd and Pad are the low
// and the high half of the data given to EpollAdd.
type Event = unix.EpollEvent

// Readiness bits of an Event, as epoll_ctl(2) names them.
const (
	In      = unix.EPOLLIN
	Out     = unix.EPOLLOUT
	ReadHup = unix.EPOLLRDHUP
	Hup     = unix.EPOLLHUP
	Err     = unix.EPOLLERR
	Edge    = unix.EPOLLET & 0xffffffff
)
