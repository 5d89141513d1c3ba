package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SetReset makes Close end a TCP connection with a RST; what has not been
// acknowledged yet is lost. Other sockets are not affected.
func SetReset(fd int) {
	l := unix.Linger{Onoff: 1}
	syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&l)), unsafe.Sizeof(l), 0)
}
