package accesslog

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
	"time"

	"wsgate/splice/sys"
)

// fileMode of a log that Open creates, before the umask: others do not read
// who visited.
const fileMode = 0o640

// atomicWrite is how many bytes a write into a pipe takes without those of
// other writers in between (PIPE_BUF on Linux, pipe(7)).
const atomicWrite = 4096

// sink is a destination as the Writer's goroutine uses it. SetWriteDeadline is
// called by others, too, and fails when a write cannot be interrupted.
type sink interface {
	Write(b []byte) (int, error)
	SetWriteDeadline(t time.Time) error
	Stat() (os.FileInfo, error)
	Close() error
	// piece returns how much of b one Write should take: whole lines.
	piece(b []byte) []byte
}

// file is a sink that has the destination for itself.
type file struct{ *os.File }

func (file) piece(b []byte) []byte { return b }

// stream is a sink that other writers, the operator's log among them, share.
type stream struct{ *os.File }

// piece returns whole lines that a pipe takes in one go, or one line that is
// longer than that. b begins anywhere in a line and ends with one.
func (stream) piece(b []byte) []byte {
	if len(b) <= atomicWrite {
		return b
	}
	if i := bytes.LastIndexByte(b[:atomicWrite], '\n'); i >= 0 {
		return b[:i+1]
	}
	return b[:bytes.IndexByte(b, '\n')+1]
}

// openSink opens a path of Options other than off. It does not block: a FIFO
// without a reader is ENXIO.
func openSink(path string) (sink, error) {
	switch path {
	case Stderr:
		return duplicate(syscall.Stderr, path)
	case Stdout:
		return duplicate(syscall.Stdout, path)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, fileMode)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

// duplicate makes a descriptor that the Writer owns. Besides, os.File raises
// SIGPIPE when descriptor 1 or 2 itself has lost its reader, which would end
// the gateway.
func duplicate(fd int, name string) (sink, error) {
	d, err := sys.Dup(fd)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return stream{os.NewFile(uintptr(d), name)}, nil
}
