package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"wsgate/splice/sys"
)

// socketMode of a unix socket: the operator's own.
const socketMode = 0o600

// listen opens the listening socket of an address of Options.
func listen(address string) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return net.Listen("tcp", address)
	}
	if !strings.HasPrefix(path, "/") {
		// An abstract socket ("@name") has no mode and would be open to all.
		return nil, fmt.Errorf("listen unix %q: the path must be absolute", path)
	}
	ln, err := listenUnix(path)
	if errors.Is(err, syscall.EADDRINUSE) && removeStale(path) {
		ln, err = listenUnix(path)
	}
	return ln, err
}

// listenUnix creates the socket file with its mode. Linux gives the file the
// mode that the socket has when it is bound, less the umask, so that there is
// no moment at which others could connect.
func listenUnix(path string) (net.Listener, error) {
	c := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if e := raw.Control(func(fd uintptr) { err = sys.SetMode(int(fd), socketMode) }); e != nil {
			return e
		}
		return err
	}}
	return c.Listen(context.Background(), "unix", path)
}

// removeStale removes a socket file that nobody listens behind, as a killed
// process leaves it. Two that start at once may both find it stale; then the
// later one has the address.
func removeStale(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return false
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED) && os.Remove(path) == nil
}
