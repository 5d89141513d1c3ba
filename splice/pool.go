package splice

import (
	"sync/atomic"

	"github.com/valyala/bytebufferpool"
)

// BufferSize is the size in bytes of a scratch buffer and of a pending buffer.
const BufferSize = 32 << 10

// sealRoom is how much longer than BufferSize a full buffer becomes when it is
// sealed into TLS records.
const sealRoom = 256

// Buffer is a growing byte buffer from a Pool; its bytes are in B.
type Buffer = bytebufferpool.ByteBuffer

// Pool hands out byte buffers of one role. bytebufferpool calibrates itself on
// the lengths it gets back, so each role has a Pool of its own, and buffers of
// a fixed size go back with their length set to their capacity. The zero value
// with Size set is ready for use and safe for concurrent use.
type Pool struct {
	// Size is the capacity of the buffers handed out, in bytes.
	Size int
	pool bytebufferpool.Pool
}

// Get returns an empty buffer with a capacity of at least Size. It allocates
// only when the pool has none to give.
func (p *Pool) Get() *Buffer {
	b := p.pool.Get()
	if cap(b.B) < p.Size {
		b.B = make([]byte, 0, p.Size)
	}
	b.B = b.B[:0]
	return b
}

// Put takes b back. One that grew beyond Size is dropped, so that what is kept
// stays bounded. The caller must not touch b afterwards.
func (p *Pool) Put(b *Buffer) {
	if cap(b.B) > 2*p.Size {
		return
	}
	b.B = b.B[:cap(b.B)]
	p.pool.Put(b)
}

// Budget bounds the bytes in the pending buffers of all loops together
// (limits.buffered). It is safe for concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64
	pool  Pool
}

// NewBudget returns a Budget of limit bytes; 0 is no limit.
func NewBudget(limit int64) *Budget {
	return &Budget{limit: limit, pool: Pool{Size: BufferSize + sealRoom}}
}

// Used returns the bytes now lent out.
func (b *Budget) Used() int64 { return b.used.Load() }

// Over tells whether more is lent out than the limit allows. A half that reads
// first and then finds its peer slow has to put the bytes somewhere, so the
// limit can be passed by one buffer a loop until the loop has shed a session.
func (b *Budget) Over() bool { return b.limit > 0 && b.used.Load() > b.limit }

func (b *Budget) get() *Buffer {
	b.used.Add(BufferSize)
	return b.pool.Get()
}

func (b *Budget) put(buf *Buffer) {
	b.used.Add(-BufferSize)
	b.pool.Put(buf)
}
