package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// SetMode sets the permissions of fd. Linux gives the file of a unix socket the
// mode that the socket has when it is bound, less the umask.
func SetMode(fd int, mode os.FileMode) error {
	return os.NewSyscallError("fchmod", unix.Fchmod(fd, uint32(mode.Perm())))
}

// Unread returns how many bytes wait in the receive queue of a socket, 0 when
// that cannot be told.
func Unread(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return n
}

// PeekEnd tells how the stream that fd receives stands, without reading: EOF
// after a FIN that no unread byte precedes, Gone after a RST, OK while bytes
// wait and WouldBlock while the stream just goes on. It does not wait.
func PeekEnd(fd int) Outcome {
	set := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}
	if n, err := unix.Poll(set[:], 0); n <= 0 || err != nil {
		return WouldBlock
	}
	ev := set[0].Revents
	if ev&(unix.POLLERR|unix.POLLHUP) != 0 {
		return Gone
	}
	if ev&unix.POLLRDHUP == 0 {
		return OK
	}
	var b [1]byte
	n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	switch {
	case n > 0:
		return OK
	case err == unix.EAGAIN || err == unix.EINTR:
		return WouldBlock
	case err != nil:
		return Gone
	}
	return EOF
}
