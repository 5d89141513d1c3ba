package accesslog

import (
	"fmt"

	"wsgate/splice/sys"
)

// The two buffers of the queue are mapped outside of the Go heap. A page of
// them that no line has reached takes no memory, and their size does not move
// the garbage collector's target, which would let the heap of an idle gateway
// grow by as much.

// keepResident is how many bytes of a buffer stay in memory after a burst.
const keepResident = 256 << 10

// queues maps two empty buffers with the capacity n.
func queues(n int) (front, back []byte, err error) {
	var b [2][]byte
	for i := range b {
		b[i], err = sys.MapMemory(n)
		if err != nil {
			if i == 1 {
				unmap(b[0])
			}
			return nil, nil, fmt.Errorf("queue of %d bytes: %w", n, err)
		}
	}
	return b[0][:0], b[1][:0], nil
}

// release gives the memory of a buffer whose contents are done with back to
// the kernel and keeps the address range.
func release(b []byte) { sys.ReleaseMemory(b[:cap(b)]) }

// unmap takes the buffer out of the address space: no slice of it may be used
// any more.
func unmap(b []byte) { sys.UnmapMemory(b[:cap(b)]) }
