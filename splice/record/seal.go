package record

import "encoding/binary"

// Overhead returns how many bytes Seal makes of n bytes at most, a KeyUpdate
// included.
func Overhead(n int) int {
	const each = headerLen + 1 + tagLen
	return n + (n/maxPlain+1)*each + each + 5
}

// Seal appends p as records of application data, full ones but for the last. A
// KeyUpdate that is due goes first: one that the peer has asked for needs to be
// sent before the next data only (RFC 8446 4.6.3). dst must not overlap p. It
// allocates nothing when the ciphers are at hand and dst has room
// (Overhead(len(p))).
func (c *Conn) Seal(k *Cache, dst, p []byte) []byte {
	for len(p) > 0 {
		if c.flags&(oweUpdate|askUpdate) != 0 || c.out.Seq >= c.out.Suite.limit() {
			dst = c.AppendKeyUpdate(k, dst, c.flags&askUpdate != 0)
		}
		n := min(len(p), maxPlain)
		dst = c.append(k, dst, typeData, p[:n])
		p = p[n:]
	}
	return dst
}

// AppendAlert appends an alert; close_notify is a warning, all others are fatal
// (RFC 8446 6). Nothing may be sealed after it.
func (c *Conn) AppendAlert(k *Cache, dst []byte, a Alert) []byte {
	level := byte(2)
	if a == AlertCloseNotify {
		level = 1
	}
	return c.append(k, dst, typeAlert, []byte{level, byte(a)})
}

// AppendKeyUpdate appends a KeyUpdate, which asks the peer for its own if
// request is set. What is sealed next is under the next key (RFC 8446 4.6.3).
func (c *Conn) AppendKeyUpdate(k *Cache, dst []byte, request bool) []byte {
	msg := []byte{msgKeyUpdate, 0, 0, 1, 0}
	if request {
		msg[4] = 1
		c.flags |= askedFor
	}
	dst = c.append(k, dst, typeHandshake, msg)
	c.flags &^= oweUpdate | askUpdate
	c.out.update()
	k.Drop(c)
	return dst
}

// append appends one record. p is not longer than maxPlain.
func (c *Conn) append(k *Cache, dst []byte, typ byte, p []byte) []byte {
	e := k.get(c)
	e.nonce(&c.out)
	size := len(p) + 1 + tagLen
	e.header = [headerLen]byte{typeData, 3, 3, byte(size >> 8), byte(size)}
	dst = append(dst, e.header[:]...)
	start := len(dst)
	// Sealing in place needs content and type in one piece.
	dst = append(dst, p...)
	dst = append(dst, typ)
	dst = e.out.Seal(dst[:start], e.iv[:], dst[start:], e.header[:])
	// The limits keep this from ever coming round.
	c.out.Seq++
	return dst
}

// nonce sets e.iv to the nonce of d's next record (RFC 8446 5.3).
func (e *entry) nonce(d *Direction) {
	e.iv = d.IV
	low := e.iv[nonceLen-8:]
	binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^d.Seq)
}

// CountOwn returns how many of the last records of wire, whole records that our
// side has written, were sealed under secret: the sequence number of the next
// one. A server may have sent tickets behind its Finished, which no one counts.
func CountOwn(suite Suite, secret, wire []byte) (seq uint64, err error) {
	k := NewCache(1)
	var c Conn
	if err := c.Init(suite, true, secret, secret); err != nil {
		return 0, err
	}
	defer c.Wipe()
	defer k.Drop(&c)
	for len(wire) > headerLen {
		n := headerLen + int(binary.BigEndian.Uint16(wire[3:]))
		if n > len(wire) {
			return 0, faultShort
		}
		if wire[0] == typeData {
			was := c.in.Seq
			if _, _, _, err := c.Open(k, nil, wire[:n]); err != nil && was > 0 {
				return 0, err
			}
		}
		wire = wire[n:]
	}
	return c.in.Seq, nil
}
