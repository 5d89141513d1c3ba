package frame

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Codes that stand for what was on the wire and are never there themselves
// (RFC 6455 7.4.1).
const (
	noStatus = uint16(ws.StatusNoStatusRcvd) // 1005: a Close without a code
	abnormal = uint16(ws.StatusAbnormalClosure)
	tlsFault = 1015
)

// maxReason is what a Close frame has room for behind its code.
const maxReason = ws.MaxControlFramePayloadSize - 2

// closeCapture holds the payload of a Close frame, unmasked.
type closeCapture struct {
	key    [4]byte
	masked bool
	n      uint8
	data   [ws.MaxControlFramePayloadSize]byte
}

// add takes the next bytes of the payload, as they are on the wire.
func (c *closeCapture) add(p []byte) {
	k := copy(c.data[c.n:], p)
	if c.masked {
		ws.Cipher(c.data[c.n:int(c.n)+k], c.key, int(c.n))
	}
	c.n += uint8(k)
}

// CloseSeen tells whether a whole Close frame has gone past.
func (s *Scanner) CloseSeen() bool { return s.state&closeSeen != 0 }

// Closed returns what the first Close frame says once it has gone past whole:
// its code, 1005 if it has none, and its reason, unmasked. The reason is the
// Scanner's memory, valid until the next Init, and may be any bytes.
func (s *Scanner) Closed() (code uint16, reason []byte, ok bool) {
	if s.state&closeSeen == 0 {
		return 0, nil, false
	}
	if s.close == nil {
		return noStatus, nil, true
	}
	return binary.BigEndian.Uint16(s.close.data[:]), s.close.data[2:s.close.n], true
}

// AppendClose appends a Close frame, masked with key if masked is set. A code
// that must not be on the wire (1005, 1006, 1015) and 0 give a frame without
// payload; a reason of more than 123 bytes is cut behind a whole character.
func AppendClose(dst []byte, code uint16, reason string, masked bool, key [4]byte) []byte {
	h := ws.Header{Fin: true, OpCode: ws.OpClose, Masked: masked}
	if masked {
		h.Mask = key
	}
	var payload []byte
	if code != 0 && code != noStatus && code != abnormal && code != tlsFault {
		payload = ws.NewCloseFrameBody(ws.StatusCode(code), cut(reason))
		h.Length = int64(len(payload))
	}
	if masked {
		ws.Cipher(payload, key, 0)
	}
	w := bytes.NewBuffer(dst)
	// A bytes.Buffer takes everything, and the header is valid.
	_ = ws.WriteFrame(w, ws.Frame{Header: h, Payload: payload})
	return w.Bytes()
}

// cut shortens reason to what a Close frame takes.
func cut(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	n := maxReason
	for n > maxReason-utf8.UTFMax && !utf8.RuneStart(reason[n]) {
		n--
	}
	return reason[:n]
}
