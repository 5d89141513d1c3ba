package wire

import (
	"bytes"
	"errors"

	"github.com/gobwas/ws"
)

// ErrReserved is a frame with reserved bits: the kit negotiates no extension.
var ErrReserved = errors.New("reserved bits set and no extension was negotiated (RFC 6455 5.2)")

// Decoder finds the frames of a stream. It keeps a header that came in pieces
// and no payload. The zero value is ready for the receiver's first frame.
type Decoder struct {
	Header ws.Header // of the frame that was opened last
	left   int64     // payload bytes of it that have not come
	inside bool      // between an opened frame and its last byte
	state  ws.State  // fragmentation, and which side receives
	n      uint8     // header bytes in part
	part   [ws.MaxHeaderSize]byte
	buf    [ws.MaxHeaderSize]byte
	r      bytes.Reader
}

// Start makes d ready for a new stream. client says who receives: a client
// must not get masked frames, a server must not get bare ones.
func (d *Decoder) Start(client bool) {
	*d = Decoder{state: ws.StateServerSide}
	if client {
		d.state = ws.StateClientSide
	}
}

// Inside reports whether the stream stands inside a frame or header.
func (d *Decoder) Inside() bool { return d.inside || d.n > 0 }

// size is how long the header is whose first two bytes are given.
func headerSize(b1 byte) int {
	n := 2
	switch b1 & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b1&0x80 != 0 {
		n += 4
	}
	return n
}

// Open consumes the header of the next frame from p. It holds that no frame is
// open. used is how much of p went into it; ok is false when the header is not
// complete, and then all of p was used. It does not allocate.
func (d *Decoder) Open(p []byte) (used int, ok bool, err error) {
	head := p
	if d.n > 0 || len(p) < 2 || len(p) < headerSize(p[1]) {
		for {
			want := 2
			if d.n >= 2 {
				want = headerSize(d.part[1])
			}
			if int(d.n) == want {
				break
			}
			if used == len(p) {
				return used, false, nil
			}
			k := copy(d.part[d.n:want], p[used:])
			d.n += uint8(k)
			used += k
		}
		head = d.part[:d.n]
		d.n = 0
	} else {
		used = headerSize(p[1])
		head = p[:used]
	}
	d.r.Reset(head)
	if d.Header, err = ws.ReadHeaderBuffer(&d.r, d.buf[:]); err != nil {
		return used, false, err
	}
	if d.Header.Rsv != 0 {
		return used, false, ErrReserved
	}
	if err := ws.CheckHeader(d.Header, d.state); err != nil {
		return used, false, err
	}
	if d.Header.OpCode.IsData() || d.Header.OpCode == ws.OpContinuation {
		d.state = d.state.Clear(ws.StateFragmented)
		if !d.Header.Fin {
			d.state = d.state.Set(ws.StateFragmented)
		}
	}
	d.left, d.inside = d.Header.Length, true
	return used, true, nil
}

// Opened reports whether a frame is open: its payload comes next.
func (d *Decoder) Opened() bool { return d.inside }

// Payload consumes payload of the open frame from p: chunk is it, still
// masked, at offset off of the frame. last says that the frame ends with it,
// and is then closed. An empty frame gives one empty last chunk.
func (d *Decoder) Payload(p []byte) (chunk []byte, off int64, last bool) {
	off = d.Header.Length - d.left
	k := min(d.left, int64(len(p)))
	d.left -= k
	if d.left == 0 {
		d.inside = false
	}
	return p[:k], off, d.left == 0
}

// AppendHeader appends the header of an unfragmented frame with n bytes of
// payload to dst; a mask is written when masked is set.
func AppendHeader(dst []byte, op ws.OpCode, n int, masked bool, mask [4]byte) []byte {
	b1 := byte(0)
	if masked {
		b1 = 0x80
	}
	dst = append(dst, 0x80|byte(op))
	switch {
	case n < 126:
		dst = append(dst, b1|byte(n))
	case n < 1<<16:
		dst = append(dst, b1|126, byte(n>>8), byte(n))
	default:
		v := uint64(n)
		dst = append(dst, b1|127, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	if masked {
		dst = append(dst, mask[:]...)
	}
	return dst
}
