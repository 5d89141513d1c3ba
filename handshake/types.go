package handshake

import "net/netip"

// Limits bound one message head. The zero value and a nil pointer stand for the
// defaults.
type Limits struct {
	Line   int // longest first line or field line, in bytes with its CRLF; 0 = Head
	Head   int // longest head, in bytes with the empty line at its end; 0 = 16 KiB
	Fields int // most field lines; 0 = 128
}

const (
	defaultHead   = 16 << 10
	defaultFields = 128
	maxHead       = 1 << 30 // spans are 32 bits wide
)

// bounds are Limits with the defaults filled in.
type bounds struct{ line, head, fields int }

func (l *Limits) bounds() bounds {
	n := bounds{head: defaultHead, fields: defaultFields}
	if l != nil {
		if l.Head > 0 {
			n.head = min(l.Head, maxHead)
		}
		if l.Fields > 0 {
			n.fields = l.Fields
		}
		n.line = l.Line
	}
	if n.line <= 0 || n.line > n.head {
		n.line = n.head
	}
	return n
}

// Span is a part of the buffer that was parsed: it holds offsets, so that the
// buffer may move, and is meaningful as long as the bytes are kept somewhere.
// The zero value is an absent part.
type Span struct{ Off, End uint32 }

// Of returns the bytes of s, where b is the buffer that was parsed.
func (s Span) Of(b []byte) []byte { return b[s.Off:s.End:s.End] }

// Len returns the length in bytes.
func (s Span) Len() int { return int(s.End - s.Off) }

// Field is one field line. Value is without the white space around it.
type Field struct {
	Name, Value Span
	Kind        Kind
	hop         bool // hop-by-hop by its kind or named in Connection: never passed on
}

// FramingKind says how the end of a body is found (RFC 9112 section 6.3).
type FramingKind uint8

const (
	NoBody     FramingKind = iota // the message ends with its head
	Length                        // Content-Length bytes follow, at least one
	Chunked                       // chunks and a trailer section follow
	UntilClose                    // responses only: the body ends with the connection
)

// Framing describes a body. The zero value is no body.
type Framing struct {
	Kind   FramingKind
	Length int64 // bytes, for Length
}

// Identity is what the gateway says about the client to the endpoint.
type Identity struct {
	// Peer is the address at the other end of the client's socket, invalid for a
	// unix socket: it is then left out of X-Forwarded-For and X-Real-IP, and
	// written as "_unix" in Forwarded (RFC 7239 section 6.3 asks for the underscore).
	Peer netip.Addr
	// Client is what ClientAddr found, for X-Real-IP; when invalid, Peer is used.
	Client    netip.Addr
	Trusted   bool // Peer is a trusted proxy: what it says about the client is kept
	TLS       bool // the client's connection is encrypted: proto is https
	Forwarded bool // write a Forwarded field (RFC 7239), too
	// CertSubject and CertFingerprint are of the client's verified certificate,
	// for X-Client-Cert-Subject and X-Client-Cert-Fingerprint; "" without one.
	// They hold no control bytes.
	CertSubject, CertFingerprint string
}

// Header is a field for Rules to set. Name must be a token, Value must hold no
// control bytes: both are written as they are.
type Header struct{ Name, Value string }

// Rules are the header rules of a route. A nil pointer means none. Setting
// replaces every field of that name, whoever sent or would have written it.
// Fields that Reserved names are not touched by any rule.
type Rules struct {
	RequestSet     []Header
	RequestRemove  []string
	ResponseSet    []Header
	ResponseRemove []string
	Host           string // Host for the endpoint; "" passes the client's on
}
