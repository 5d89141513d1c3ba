package config

import (
	"net/netip"
	"time"
)

// Config is a whole configuration. It comes from Load or Parse with every
// default filled in and every value checked, and is not changed after that, so
// that any number of goroutines may read it.
type Config struct {
	// Loops is the number of event loops; 0 is one per CPU.
	Loops int
	// WebSocketOverH2: RFC 8441 is announced to HTTP/2 clients.
	WebSocketOverH2 bool
	// Listeners has one entry at least.
	Listeners []Listener
	// Routes are in the order of the file, one at least. Order has no meaning:
	// the most specific host and path win.
	Routes []Route
	// Upstreams are in the order of the file. Every name that a route has is
	// among them.
	Upstreams []Upstream
	// TrustedProxies are the peers whose Forwarded and X-Forwarded-* fields are
	// believed. Single addresses are prefixes of full length, IPv4-mapped
	// addresses are IPv4.
	TrustedProxies []netip.Prefix
	Timeouts       Timeouts
	Limits         Limits
	TCP            TCP
	AccessLog      AccessLog
	Admin          Admin

	// Warnings are findings that do not keep the gateway from running, sorted
	// by position.
	Warnings Errors

	file  string           // name of the file
	files map[string]Error // what findings about a named file begin with
}

// UpstreamKey is the name of an upstream's value, for Finding.
func UpstreamKey(name string) string { return "upstreams." + label(name) }

// Finding makes an error about the content of a file that the configuration
// names, with the place where it does; name is that of the value, such as
// "listeners[0].tls.certificates[1].key". A value that is not in the file, as
// one of a configuration that was put together in memory, has no place.
func (c *Config) Finding(name, msg, hint string) Error {
	e, ok := c.files[name]
	if !ok {
		e = Error{File: c.file}
	}
	e.Msg, e.Hint = name+": "+msg, hint
	return e
}

// Pos is a place in the file. Lines and columns count from 1, columns in
// characters; the zero value is no place.
type Pos struct {
	Line, Column int
}

// Listener is an address to accept connections on.
type Listener struct {
	// Address is "127.0.0.1:8080", "[::1]:8080" or "unix:/path". Port 0 lets
	// the system choose one.
	Address string
	// PlainHTTP is what HTTP without TLS gets where TLS is: "redirect", "refuse"
	// or "serve". It is "" when TLS is nil.
	PlainHTTP string
	// TLS is nil on a listener without it.
	TLS *TLS
	Pos Pos
}

// Route is what is done with the requests for a host and path.
type Route struct {
	// Host is a lower-case name or address without port, "*.example.com" for
	// every name below, or "*" for any.
	Host string
	// Path is normalised as the paths of requests are: a prefix by segments.
	Path string
	// Exact: the whole path must be Path.
	Exact bool
	// Upstream is the name of an entry of Config.Upstreams.
	Upstream string
	// Frames is "observe", "enforce" or "off".
	Frames string
	// Message overrides Limits.Message, in bytes, 0 for no limit; nil does not.
	Message *int64
	// Idle overrides Timeouts.Idle; 0 does not.
	Idle time.Duration
	// RequestHeaders change what goes to the endpoint, ResponseHeaders what
	// goes to the client.
	RequestHeaders  HeaderRules
	ResponseHeaders HeaderRules
	// UpstreamHost replaces Host in the request; "" passes it on.
	UpstreamHost string
	// Forwarded: RFC 7239 Forwarded is written beside X-Forwarded-*.
	Forwarded bool
	// AllowEncoded: %2f, %5c and %00 may be in the path of a request.
	AllowEncoded bool
	Pos          Pos
}

// HeaderRules change the fields of a head. No name is hop-by-hop, frames the
// message or belongs to the upgrade, and none is in both lists.
type HeaderRules struct {
	// Set are written in this order, each instead of the fields of its name.
	Set []Header
	// Remove are names as they are in the file; their case has no meaning.
	Remove []string
}

// Header is a field: a token and a value that is valid in a head (RFC 9110 5.5).
type Header struct {
	Name, Value string
}

// Upstream is a pool of endpoints.
type Upstream struct {
	// Name is 1 to 64 letters, digits, dots, hyphens and underscores.
	Name string
	// Policy is "round_robin".
	Policy string
	// Endpoints has one entry at least and no address twice.
	Endpoints []Endpoint
	// TLS is nil when endpoints are talked to without it.
	TLS *UpstreamTLS
	Pos Pos
}

// Endpoint is the address of a backend.
type Endpoint struct {
	// Address is "127.0.0.1:9001", "[::1]:9001" or "unix:/path".
	Address string
	// Weight is the endpoint's share against the others', 1 to 65535.
	Weight int
	Pos    Pos
}

// Timeouts are all above 0, except Idle and Drain, which may be 0.
type Timeouts struct {
	RequestHead time.Duration // the whole head of a request, from accept or its first byte
	RequestBody time.Duration // plain HTTP: between two reads of a request body
	Connect     time.Duration // one connect to an endpoint
	Upgrade     time.Duration // from the whole request head to the verified 101, over all tries
	Response    time.Duration // plain HTTP: to the first byte of the response
	Send        time.Duration // between two successful writes to a peer that has bytes waiting
	Keepalive   time.Duration // between two requests of a connection
	HalfClose   time.Duration // from one side's end of stream to the end of the session
	Close       time.Duration // for a frame boundary and the answer to the gateway's Close
	Idle        time.Duration // a session without a byte in either direction; 0 is no limit
	Drain       time.Duration // for all sessions to close when the gateway stops; 0 ends them at once
}

// Limits bound what clients may take.
type Limits struct {
	RequestHead int   // bytes of a request head, 256 to 1 MiB
	Message     int64 // payload bytes of a message as on the wire; 0 is no limit
	Connections int   // client connections at a time; 0 is what the descriptors allow
	Buffered    int64 // bytes that wait for slow peers, over all sessions; 0 is no limit
	Handshakes  int   // TLS handshakes at a time; 0 is no limit
}

// TCP are the options of client and endpoint connections. A 0 leaves the
// kernel's value; keepalive is off when the first three are all 0.
type TCP struct {
	Keepalive         time.Duration // silence before the first probe; whole seconds, rounded up
	KeepaliveInterval time.Duration // between two probes; whole seconds, rounded up
	KeepaliveCount    int           // unanswered probes before the peer is given up, at most 127
	UserTimeout       time.Duration // how long sent bytes may stay unacknowledged; milliseconds, rounded up
}

// AccessLog says where the access log goes.
type AccessLog struct {
	// Path is "stderr", "stdout", "off" or the path of a file.
	Path string
	// Queue bounds the bytes of the lines that wait to be written, 64 KiB to
	// 1 GiB.
	Queue int64
}

// Admin is the server for metrics and inspection.
type Admin struct {
	// Address is one as Listener.Address has, "" for none.
	Address string
	// TokenFile is the path of the file with the token that allows changes
	// over TCP, "" for none.
	TokenFile string
}

// Default returns a configuration with every default and without routes and
// upstreams, which have none.
func Default() *Config {
	return &Config{
		Listeners: []Listener{{Address: "127.0.0.1:8080"}},
		Timeouts: Timeouts{
			RequestHead: 10 * time.Second,
			RequestBody: 60 * time.Second,
			Connect:     3 * time.Second,
			Upgrade:     10 * time.Second,
			Response:    60 * time.Second,
			Send:        60 * time.Second,
			Keepalive:   75 * time.Second,
			HalfClose:   30 * time.Second,
			Close:       5 * time.Second,
			Idle:        time.Hour,
			Drain:       30 * time.Second,
		},
		Limits: Limits{RequestHead: 16 << 10, Buffered: 256 << 20, Handshakes: 4096},
		TCP: TCP{
			Keepalive:         60 * time.Second,
			KeepaliveInterval: 15 * time.Second,
			KeepaliveCount:    4,
		},
		AccessLog: AccessLog{Path: "stderr", Queue: 4 << 20},
		Admin:     Admin{Address: "127.0.0.1:9901"},
	}
}

// defaultRoute is a route of which nothing is set.
func defaultRoute() Route {
	return Route{Host: "*", Path: "/", Frames: "observe"}
}
