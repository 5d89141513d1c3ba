package eventloop

import (
	"os"
	call "syscall"

	_ "github.com/gobwas/ws"
	_ "wsgate/handshake"
	_ "wsgate/splice/frame"
)

// Stop is a constant, and a type, of package syscall.
var Stop os.Signal = call.SIGTERM

func Getpid() int {
	_, _, _ = call.Syscall(call.SYS_GETPID, 0, 0, 0)
	get := call.Getpid
	return get()
}
