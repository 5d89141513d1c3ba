package counts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
)

// ErrNotPermitted says that this system does not let strace trace: no counts
// of system calls can be had here.
var ErrNotPermitted = errors.New("strace may not trace here")

// Strace reports whether strace can count here: nil, [exec.ErrNotFound] where
// it is not installed, [ErrNotPermitted] where it may not.
func Strace(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "true").CombinedOutput()
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%w; make bench-deps installs it", err)
	}
	return straceError(err, out)
}

// straceError is err with what strace said.
func straceError(err error, out []byte) error {
	out = bytes.TrimSpace(out)
	if bytes.Contains(out, []byte("Operation not permitted")) || bytes.Contains(out, []byte("Permission denied")) {
		return fmt.Errorf("%w: %s", ErrNotPermitted, out)
	}
	return fmt.Errorf("strace: %w: %s", err, out)
}
