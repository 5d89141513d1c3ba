package record

import "encoding/binary"

// Open opens the first record of wire and appends its application data to dst,
// which must not overlap wire. n is the length of the record, 0 when wire does
// not hold it whole; wire is not changed. An error is an *Error and final. It
// allocates nothing when the ciphers are at hand, dst has room, and the record
// holds data.
func (c *Conn) Open(k *Cache, dst, wire []byte) (out []byte, n int, event Event, err error) {
	if len(wire) < headerLen {
		return dst, 0, None, nil
	}
	if c.flags&readClosed != 0 {
		return dst, 0, None, faultAfterClose
	}
	size := int(binary.BigEndian.Uint16(wire[3:]))
	switch {
	case wire[0] != typeData:
		// RFC 8446 5: everything is protected now. A change_cipher_spec is
		// allowed before the peer's Finished only.
		return dst, 0, None, faultOuterType
	case size > maxSealed:
		return dst, 0, None, faultTooLong
	case size < tagLen+1:
		return dst, 0, None, faultShort
	case len(wire) < headerLen+size:
		return dst, 0, None, nil
	}
	n = headerLen + size
	if c.in.Seq == 1<<64-1 {
		return dst, n, None, faultSequence
	}
	e := k.get(c)
	e.nonce(&c.in)
	copy(e.header[:], wire[:headerLen])
	start := len(dst)
	out, bad := e.in.Open(dst, e.iv[:], wire[headerLen:n], e.header[:])
	if bad != nil {
		return dst, n, None, faultMAC
	}
	c.in.Seq++
	if c.in.Seq >= c.in.Suite.limit() && c.flags&askedFor == 0 {
		c.flags |= askUpdate
	}
	// RFC 8446 5.4: the content type is the last byte that is not zero.
	end := len(out) - 1
	for end >= start && out[end] == 0 {
		end--
	}
	if end < start {
		return dst, n, None, faultNoType
	}
	if end-start > maxPlain || len(out)-start > maxPlain+1 {
		return dst, n, None, faultTooLong
	}
	typ, inner := out[end], out[start:end]
	if typ == typeData {
		if c.message != nil {
			return dst, n, None, faultInterleaved
		}
		if len(inner) > 0 {
			c.useless = 0
			return out[:end], n, None, nil
		}
		return dst, n, None, c.idle()
	}
	if err := c.idle(); err != nil {
		return dst, n, None, err
	}
	switch typ {
	case typeAlert:
		event, err = c.alerted(inner)
	case typeHandshake:
		event, err = c.handshake(k, inner)
	default:
		err = faultInnerType
	}
	return dst, n, event, err
}

// idle bounds the records that move nothing.
func (c *Conn) idle() error {
	if c.useless++; c.useless > maxUseless {
		return faultUseless
	}
	return nil
}

// alerted judges an alert (RFC 8446 6).
func (c *Conn) alerted(p []byte) (Event, error) {
	switch {
	case c.message != nil:
		return None, faultInterleaved
	case len(p) != 2:
		return None, faultAlert
	case Alert(p[1]) == AlertCloseNotify:
		c.flags |= readClosed
		return CloseNotify, nil
	case Alert(p[1]) == AlertUserCanceled:
		return None, nil // followed by a close_notify (6.1)
	}
	c.flags |= readClosed
	return None, &Error{Alert: Alert(p[1]), Remote: true, text: "the peer sent an alert"}
}

// handshake takes post-handshake messages (RFC 8446 4.6), which may be cut in
// any way over records.
func (c *Conn) handshake(k *Cache, p []byte) (event Event, err error) {
	if len(p) == 0 {
		return None, faultEmpty // RFC 8446 5.1
	}
	if c.message != nil {
		if len(*c.message)+len(p) > maxMessage+4+maxPlain {
			return None, faultMessageTooLong
		}
		*c.message = append(*c.message, p...)
		p = *c.message
	}
	for len(p) >= 4 {
		kind, size := p[0], int(p[1])<<16|int(p[2])<<8|int(p[3])
		if err := c.allowed(kind, size); err != nil {
			return None, err
		}
		if len(p) < 4+size {
			break
		}
		body := p[4 : 4+size]
		p = p[4+size:]
		if kind == msgNewSessionTicket {
			event = Ticket
			continue
		}
		// RFC 8446 5.1: a message in front of a key change ends its record.
		if len(p) > 0 {
			return None, faultKeyBoundary
		}
		if err := c.updated(k, body[0]); err != nil {
			return None, err
		}
		event = Updated
	}
	c.hold(p)
	return event, nil
}

// allowed tells whether a post-handshake message may be sent to us.
func (c *Conn) allowed(kind byte, size int) error {
	switch kind {
	case msgNewSessionTicket:
		if c.flags&isClient == 0 {
			return faultMessage
		}
		if size > maxMessage {
			return faultMessageTooLong
		}
		return nil
	case msgKeyUpdate:
		if size != 1 {
			return faultKeyUpdate
		}
		return nil
	}
	// A CertificateRequest among them: post-handshake authentication was not
	// offered (RFC 8446 4.6.2).
	return faultMessage
}

// updated: the peer's next record is under its next key (RFC 8446 4.6.3).
func (c *Conn) updated(k *Cache, request byte) error {
	switch request {
	case 0:
	case 1:
		c.flags |= oweUpdate
	default:
		return faultKeyUpdateValue
	}
	c.in.update()
	c.flags &^= askUpdate | askedFor
	k.Drop(c)
	return nil
}

// hold keeps the beginning of a message.
func (c *Conn) hold(p []byte) {
	if len(p) == 0 {
		c.message = nil
		return
	}
	m := append([]byte(nil), p...)
	c.message = &m
}
