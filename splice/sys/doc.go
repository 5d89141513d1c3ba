// Package sys is the fence behind which all system calls of the gateway's fast
// path live: reading, writing and splicing of descriptors, accepting and
// connecting, epoll, timers, wake-ups and pipes. It decides nothing. Every
// call reports an Outcome, so that callers branch on "would block",
// "unsupported, nothing consumed" and "peer gone" instead of on numbers.
//
// # Raw system calls
//
// Calls that a turn of an event loop makes for every message go to the kernel
// through syscall.RawSyscall, which does not tell the Go scheduler that the
// thread may be away. That is right for calls that cannot sleep, and these
// cannot: sockets, pipes, event and timer descriptors made by this package are
// O_NONBLOCK, and epoll is asked with a timeout of zero. Calls that may take
// long in the kernel (closing, binding, creating pipes) use the ordinary way.
//
// # Goroutines and ownership
//
// All functions may be called from any goroutine; none keeps state. A
// descriptor has one owner: who receives it from Accept, Connect, Listen, Pipe
// and the like closes it, once. Using a descriptor on one goroutine while
// another closes it is an error of the caller. EINTR never reaches a caller.
//
// # Example
//
//	fd, peer, out, errno := sys.Accept(listener)
//	if out != sys.OK {
//		return errno
//	}
//	defer sys.Close(fd)
//	n, out, errno := sys.Kernel{}.Read(fd, buf)
//	switch out {
//	case sys.OK:
//		use(peer, buf[:n])
//	case sys.WouldBlock:
//		// wait for the next edge
//	case sys.EOF:
//		// half-close
//	}
package sys
