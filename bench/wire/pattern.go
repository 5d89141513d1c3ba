package wire

import (
	"bytes"
	"encoding/binary"
)

// StampSize is how many bytes at the start of a payload name its message:
// 8 bytes that only this message of this run has, the connection and the
// sequence number, 4 bytes each, little-endian. Shorter payloads hold the
// first bytes of it.
const StampSize = 16

// slack is by how much the shared body is longer than the longest payload:
// messages start at different places in it, so that two messages of one size
// differ everywhere and not in their stamps alone.
const slack = 64 << 10

// Pattern derives payloads from connection and sequence number. Both ends of a
// run make theirs with the same seed.
type Pattern struct {
	seed uint64
	body []byte
}

// NewPattern makes the pattern for payloads of up to longest bytes. Seeds tell
// runs apart: a message left over from an earlier run is a foreign one.
func NewPattern(seed uint64, longest int) *Pattern {
	return &Pattern{seed: seed, body: NewBody(longest)}
}

// NewBody makes the bytes that payloads of up to longest bytes are cut from.
// They are the same in every run; one body serves any number of patterns.
func NewBody(longest int) []byte {
	b := make([]byte, BodySize(longest))
	x := uint64(0x9e3779b97f4a7c15)
	for i := 0; i < len(b); i += 8 {
		x += 0x9e3779b97f4a7c15
		binary.LittleEndian.PutUint64(b[i:], mix(x))
	}
	return b
}

// BodySize is how long the body for payloads of up to longest bytes is.
func BodySize(longest int) int { return (longest + slack + 7) &^ 7 }

// PatternOver is NewPattern over a body from [NewBody].
func PatternOver(seed uint64, body []byte) *Pattern { return &Pattern{seed: seed, body: body} }

// mix is the finalizer of splitmix64: every input bit changes half of the output.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (p *Pattern) check(conn, seq uint32) uint64 {
	return mix(mix(p.seed+0x9e3779b97f4a7c15) ^ mix(uint64(conn)<<32|uint64(seq)))
}

// Stamp returns the first bytes of message seq of conn.
func (p *Pattern) Stamp(conn, seq uint32) (s [StampSize]byte) {
	binary.LittleEndian.PutUint64(s[0:], p.check(conn, seq))
	binary.LittleEndian.PutUint32(s[8:], conn)
	binary.LittleEndian.PutUint32(s[12:], seq)
	return s
}

// BodyOffset is where in the shared body the payload behind the stamp of
// message seq of conn begins: a multiple of 16, so that a body masked once with
// a 4-byte key serves every frame with that key.
func (p *Pattern) BodyOffset(conn, seq uint32) int {
	return int(p.check(conn, seq)>>32%(slack/16)) * 16
}

// Body returns the bytes behind the stamp of message seq of conn, n bytes
// being the whole payload. They are shared and must not be written.
func (p *Pattern) Body(conn, seq uint32, n int) []byte {
	if n <= StampSize {
		return nil
	}
	off := p.BodyOffset(conn, seq)
	return p.body[off : off+n-StampSize]
}

// Append appends the n bytes of message seq of conn to dst. It allocates only
// to grow dst.
func (p *Pattern) Append(dst []byte, conn, seq uint32, n int) []byte {
	s := p.Stamp(conn, seq)
	dst = append(dst, s[:min(n, StampSize)]...)
	return append(dst, p.Body(conn, seq, n)...)
}

// Matches reports whether chunk is what message seq of conn, n bytes in all,
// holds from offset off on. off+len(chunk) is at most n.
func (p *Pattern) Matches(chunk []byte, conn, seq uint32, off, n int) bool {
	if off < StampSize {
		s := p.Stamp(conn, seq)
		k := min(len(chunk), min(n, StampSize)-off)
		if !bytes.Equal(chunk[:k], s[off:off+k]) {
			return false
		}
		chunk, off = chunk[k:], off+k
	}
	if len(chunk) == 0 {
		return true
	}
	at := p.BodyOffset(conn, seq) + off - StampSize
	return bytes.Equal(chunk, p.body[at:at+len(chunk)])
}

// Identify tells which message of this run starts with stamp, which has
// StampSize bytes; ok is false when none does.
func (p *Pattern) Identify(stamp []byte) (conn, seq uint32, ok bool) {
	conn, seq = binary.LittleEndian.Uint32(stamp[8:]), binary.LittleEndian.Uint32(stamp[12:])
	return conn, seq, binary.LittleEndian.Uint64(stamp) == p.check(conn, seq)
}
