// Package sock is the fence around the raw system calls of the benchmark kit:
// non-blocking TCP sockets and epoll. Everything above it sees typed outcomes.
//
// A [Poll] belongs to one goroutine, which should be locked to its thread;
// only [Poll.Wake] may be called from elsewhere. Functions on descriptors may
// be called from any goroutine that owns the descriptor.
//
//	poll, err := sock.NewPoll(256)
//	fd, err := sock.Connect(target, netip.Addr{})
//	err = poll.Add(fd, slot, generation)
//	events, err := poll.Wait(-1)
//	n, outcome := sock.Read(fd, buf)
//
// Read and write go through raw system calls, without telling the Go scheduler:
// the descriptors never block, and the kit must cost less than what it measures.
package sock
