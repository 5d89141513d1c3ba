package sys

import "syscall"

// Errno is the kernel's error number behind an Outcome; 0 when there is none.
type Errno = syscall.Errno

// Outcome says what a system call came to, in the terms callers branch on.
type Outcome uint8

// The outcomes.
const (
	// OK: the call did what was asked, possibly for fewer bytes.
	OK Outcome = iota
	// EOF: the peer has ended its stream (TCP: FIN) and all before it was read.
	EOF
	// WouldBlock: nothing happened; wait for readiness (EAGAIN). From a splice
	// it may mean an empty source as well as a full destination.
	WouldBlock
	// Gone: the peer cannot be reached any more, or never could.
	Gone
	// Unsupported: this call is not possible on this descriptor or kernel, and
	// nothing was consumed: another way may be tried.
	Unsupported
	// NoResource: the process or the system is out of descriptors or memory.
	NoResource
	// Fault: anything else, an error of the program most likely.
	Fault
)

var outcomeNames = [...]string{"ok", "eof", "would_block", "gone", "unsupported", "no_resource", "fault"}

// String returns a fixed lower-case word.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}

// Classify returns the Outcome an error number stands for; 0 is OK. It never
// returns EOF, which is no error.
func Classify(e Errno) Outcome {
	switch e {
	case 0:
		return OK
	case syscall.EAGAIN:
		return WouldBlock
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT, syscall.ECONNABORTED,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN,
		syscall.ECONNREFUSED, syscall.ENOTCONN:
		return Gone
	case syscall.EINVAL, syscall.ENOSYS, syscall.EOPNOTSUPP:
		return Unsupported
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS:
		return NoResource
	}
	return Fault
}

// IsReset tells, of the errno that came with Gone, whether an established
// connection was ended by a RST or a timeout with no FIN before it. Linux
// reports ECONNRESET for a RST, but EPIPE when the peer had sent its FIN
// first; EPIPE is also what every write after the first failure gets.
func IsReset(e Errno) bool {
	switch e {
	case syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.ECONNABORTED,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN:
		return true
	}
	return false
}

// asError keeps a zero Errno from becoming a non-nil error.
func asError(e Errno) error {
	if e == 0 {
		return nil
	}
	return e
}
