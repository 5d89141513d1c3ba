package splice

import (
	"crypto/tls"
	"errors"
	"fmt"

	"wsgate/splice/record"
)

// End is one of the two ends of a relay: a non-blocking descriptor and, unless
// bytes go over it as they are, the TLS connection on it.
type End struct {
	FD  int
	TLS *TLS
}

type tlsFlags uint8

const (
	sawNotify tlsFlags = 1 << iota // the peer's close_notify
	sawEnd                         // the end of the peer's stream
	sentClose                      // our close_notify, or a fatal alert, has been sealed
	ahead                          // part may hold a whole record
)

// TLS is a TLS connection from the end of its handshake on. It does no I/O of
// its own: a Codec reads, opens, seals and writes. It belongs to whoever owns
// the descriptor; the Codec that it was used with must Forget it before another
// one is used, and Release ends it.
//
// While nothing is under way it holds keys and counters only (package record),
// or, for TLS 1.2, a tls.Conn.
type TLS struct {
	rec    record.Conn
	old    *tls.Conn // TLS 1.2, or a cipher suite that package record does not know
	filing *tls.Conn // client side: files the session tickets that come until Filed
	wire   *Wire     // below old or filing
	part   *Buffer   // bytes of records that have not been opened
	left   *Buffer   // opened and not yet given to the caller, from leftAt on
	out    *Buffer   // sealed and not yet written, from outAt on: see Codec.Write
	fail   error

	leftAt int32
	outAt  int32
	owed   int32 // plaintext bytes that out stands for
	flags  tlsFlags
}

// Handshake is what a handshake has left behind.
type Handshake struct {
	Conn    *tls.Conn // its handshake is complete
	Wire    *Wire     // below Conn; settled
	Client  bool      // our side is the client
	Secrets *record.Secrets
	// Sent are the records that Conn has written last, whole ones: with TLS 1.3
	// at least those behind our Finished.
	Sent []byte
}

// NewTLS goes on where a handshake has ended. A TLS 1.3 connection leaves its
// tls.Conn with the traffic secrets; TLS 1.2 stays on it.
func NewTLS(h *Handshake) (*TLS, error) {
	t := new(TLS)
	st := h.Conn.ConnectionState()
	if st.Version != tls.VersionTLS13 || !record.Supported(st.CipherSuite) {
		t.old, t.wire = h.Conn, h.Wire
		return t, nil
	}
	read, write := h.Secrets.Client(), h.Secrets.Server()
	if h.Client {
		read, write = write, read
	}
	if len(read) == 0 || len(write) == 0 {
		return nil, errors.New("tls: the handshake has told no traffic secrets")
	}
	suite := record.Suite(st.CipherSuite)
	sent, err := record.CountOwn(suite, write, h.Sent)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	if err := t.rec.Init(suite, h.Client, read, write); err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	t.rec.SetSeq(0, sent)
	if h.Client {
		t.filing, t.wire = h.Conn, h.Wire
	}
	return t, nil
}

// Hold takes wire bytes that were read before the Codec takes over.
func (t *TLS) Hold(c *Codec, p []byte) {
	c.stash(t, p)
}

// Filed ends the filing of session tickets, with what that costs in memory.
func (t *TLS) Filed() {
	if t.filing != nil {
		t.filing, t.wire = nil, nil
	}
}

// Partial tells whether a part of a record is held.
func (t *TLS) Partial() bool { return t.part != nil }

// Buffered tells whether plaintext, or a whole record, is held: there is
// something to read although the descriptor may be empty.
func (t *TLS) Buffered() bool { return t.left != nil || t.part != nil && t.flags&ahead != 0 }

// Truncated tells whether the peer's stream has ended without close_notify
// (RFC 8446 6.1).
func (t *TLS) Truncated() bool { return t.flags&(sawEnd|sawNotify) == sawEnd }

// Failure is why the peer's records cannot be read any more: a
// *record.Error for a fault of the peer's or an alert that it sent; nil when
// they can.
func (t *TLS) Failure() error { return t.fail }

// closing tells whether our close_notify, or a fatal alert, has been sealed:
// nothing more is sent.
func (t *TLS) closing() bool { return t.flags&sentClose != 0 }

// Unsent returns the sealed bytes that Codec.Write could not write, and how
// many bytes of plaintext at the front of its argument they stand for. They
// are the caller's now.
func (t *TLS) Unsent(c *Codec) (wire []byte, plain int) {
	if t.out == nil {
		return nil, 0
	}
	wire = append([]byte(nil), t.out.B[t.outAt:]...)
	plain = int(t.owed)
	c.drop(&t.out)
	t.outAt, t.owed = 0, 0
	return wire, plain
}

// Owe hands sealed bytes over that the handshake could not write. They go out
// before everything else.
func (t *TLS) Owe(c *Codec, wire []byte) {
	t.out = c.budget.get()
	t.out.B = append(t.out.B, wire...)
	t.outAt, t.owed = 0, 0
}

// Unwritten tells whether sealed bytes wait to be written.
func (t *TLS) Unwritten() bool { return t.out != nil }

// Mute keeps close_notify from being sealed: the connection ends within a
// record.
func (t *TLS) Mute() { t.flags |= sentClose }
