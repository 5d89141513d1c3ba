package sock

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// QuickAck has the kernel acknowledge at once what fd receives next. It goes
// back to delaying by itself.
func QuickAck(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1); err != nil {
		return fmt.Errorf("TCP_QUICKACK: %w", err)
	}
	return nil
}
