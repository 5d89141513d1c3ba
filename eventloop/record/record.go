package record

import (
	"net/netip"
	"time"
)

// Who names the party that ended a session or refused a request: the first
// letter of the end state.
type Who byte

// The parties that can end a session.
const (
	Client   Who = 'C' // the downstream peer
	Upstream Who = 'U' // the endpoint
	Gateway  Who = 'G' // wsgate itself: a limit, a timeout, a refusal
	Operator Who = 'O' // a drain or a stop asked for from outside
	Internal Who = 'I' // a fault of wsgate: a recovered panic, a want of descriptors
)

// String returns the word used in logs and metric labels.
func (w Who) String() string {
	switch w {
	case Client:
		return "client"
	case Upstream:
		return "upstream"
	case Gateway:
		return "gateway"
	case Operator:
		return "operator"
	case Internal:
		return "internal"
	}
	return "none"
}

// Phase names what a session was doing when it ended: the second letter of
// the end state.
type Phase byte

// The phases of a session, in the order in which a session passes them.
const (
	PhaseTLS     Phase = 'T' // the client's TLS handshake
	PhaseHead    Phase = 'H' // reading the request head
	PhaseConnect Phase = 'C' // connecting to an endpoint
	PhaseUpgrade Phase = 'U' // request sent, waiting for the response head
	PhaseAnswer  Phase = 'A' // passing on an answer other than 101, or sending a refusal
	PhaseRelay   Phase = 'R' // relaying, no Close frame seen yet
	PhaseClosing Phase = 'X' // relaying, a Close frame has passed or was sent
)

// String returns the word used in logs and metric labels.
func (p Phase) String() string {
	switch p {
	case PhaseTLS:
		return "tls"
	case PhaseHead:
		return "head"
	case PhaseConnect:
		return "connect"
	case PhaseUpgrade:
		return "upgrade"
	case PhaseAnswer:
		return "answer"
	case PhaseRelay:
		return "relay"
	case PhaseClosing:
		return "closing"
	}
	return "none"
}

// ID identifies a session or a connection in the log: unique within a process
// and, because it starts from the clock, practically unique over restarts.
// It is written as 16 hexadecimal digits.
type ID uint64

// TLS is what is known about a client's TLS connection. It is not changed once
// made, and may be kept.
type TLS struct {
	Version     string // "TLSv1.3", "TLSv1.2"
	Cipher      string // as IANA names it
	Protocol    string // chosen by ALPN: "h2", "http/1.1", "" when the client named none
	ServerName  string // as the client sent it (SNI)
	Resumed     bool
	Subject     string // of the client's verified certificate, RFC 4514; "" without one
	Fingerprint string // SHA-256 of that certificate, hexadecimal
}

// Open describes a session whose upgrade has just been passed on. The byte
// slices point into buffers of the caller and are valid during the call only.
type Open struct {
	ID          ID
	Time        time.Time
	Client      netip.Addr     // who the request is for: behind trusted proxies the address they name
	Peer        netip.AddrPort // the socket's peer; invalid for a unix socket
	Listener    string
	Host        []byte
	Target      []byte
	Origin      []byte
	UserAgent   []byte
	Proto       string // "HTTP/1.1", or "HTTP/2" for an extended CONNECT
	Route       string
	Pool        string
	Endpoint    string
	Tries       int           // endpoints tried, 1 when the first took it
	UpgradeTime time.Duration // from the whole request head to the passed-on 101
	TLS         *TLS          // nil: the client's connection is not encrypted
	Subprotocol []byte        // as the endpoint chose it
	Extensions  []byte        // as the endpoint chose them
}

// Direction is the traffic of one half of a relay.
type Direction struct {
	Bytes    uint64 // payload and framing bytes read from the sender
	Messages uint64 // whole messages seen; 0 with frames: off
}

// Close describes how a session that had been opened ended.
type Close struct {
	ID         ID
	Time       time.Time
	Opened     time.Time
	Client     netip.Addr
	Route      string
	Pool       string
	Endpoint   string
	Up, Down   Direction // Up: client to endpoint; Down: endpoint to client
	Code       uint16    // RFC 6455 7.4 status code; 1005 for a Close without one, 1006 for an end without Close
	Reason     []byte    // the Close frame's reason, at most 123 bytes, not necessarily UTF-8
	Who        Who
	Phase      Phase
	Why        string // one of a fixed set of short words: "close", "fin", "reset", "idle_timeout" ...
	Violation  string // the first frame violation seen, "" for none
	Violator   Who    // who sent it; 0 for none
	Discarded  uint64 // bytes read and not passed on after the gateway's own Close
	Truncated  bool   // a frame was cut in the middle
	SplicedUp  uint64
	SplicedDwn uint64
}

// Request describes one plain HTTP request, one upgrade that was not answered
// with 101, or one refusal.
type Request struct {
	ID        ID
	Time      time.Time
	Client    netip.Addr
	Peer      netip.AddrPort
	Listener  string
	Method    []byte // empty when no request line could be read
	Host      []byte
	Target    []byte
	Origin    []byte
	UserAgent []byte
	Proto     string // "HTTP/1.1", "HTTP/1.0", "HTTP/2", "" when unknown
	Route     string // "" when none matched
	Pool      string
	Endpoint  string
	Tries     int
	Upgrade   bool   // it was a WebSocket upgrade
	TLS       *TLS   // nil: the client's connection is not encrypted, or not yet
	Status    int    // status sent to the client, 0 when none was
	Refusal   string // reason of the gateway's own answer, "" when the answer is the endpoint's
	Detail    string // one line for a person: what was wrong
	Sent      uint64 // body bytes to the client
	Received  uint64 // body bytes from the client
	Duration  time.Duration
	Who       Who
	Phase     Phase
}

// Log takes the records of all loops. Implementations copy what they keep,
// never block and may be called from any goroutine.
type Log interface {
	Open(*Open)
	Close(*Close)
	Request(*Request)
}

// Discard is the Log that keeps nothing.
type Discard struct{}

// Open implements Log.
func (Discard) Open(*Open) {}

// Close implements Log.
func (Discard) Close(*Close) {}

// Request implements Log.
func (Discard) Request(*Request) {}
