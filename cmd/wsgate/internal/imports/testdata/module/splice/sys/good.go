package sys

import (
	"syscall"

	_ "golang.org/x/sys/unix"
)

func Getpid() { _, _, _ = syscall.RawSyscall(syscall.SYS_GETPID, 0, 0, 0) }
