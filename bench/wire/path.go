package wire

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// The paths of the backend.
const (
	PathEcho   = "/echo"   // sends every message back
	PathSource = "/source" // sends messages until it is sent a Close
	PathSink   = "/sink"   // checks and acknowledges every message
	PathRoom   = "/room"   // sends every message to all members of its room
	PathSlow   = "/slow"   // echo that reads no faster than it is told to
	PathAbrupt = "/abrupt" // echo that ends without a Close
)

// MaxSize is the longest payload, in bytes, that the kit sends.
const MaxSize = 64 << 20

// AckSize is the length of a sink's acknowledgement: the stamp of the message
// that it answers, and one byte, the Fault it found.
const AckSize = StampSize + 1

// MaxSizesText is how long a [Sizes] may be in an [Order]: a request line of
// 4 KB passes every gateway.
const MaxSizesText = 3 << 10

// Order is what a connection asks of the backend, by path and query. A service
// reads what it needs; echo reads nothing.
type Order struct {
	Path  string
	Conn  uint32 // connection number in this run
	Seed  uint64 // of the run's Pattern
	Size  int    // payload bytes of every message
	Sizes *Sizes // in place of Size, to a source or sink

	Room  uint32 // which room of the run with this Seed
	Rate  int64  // bytes a second that a slow reader reads
	After uint32 // messages that an abrupt closer echoes before it ends
	Reset bool   // it ends with RST instead of an end of stream
}

// Target is o as a request target. A prefix, for gateways that route by
// path, goes in front.
func (o Order) Target(prefix string) string {
	b := append(make([]byte, 0, 128), prefix...)
	b = append(b, o.Path...)
	number := func(name string, n uint64) { b = strconv.AppendUint(append(b, name...), n, 10) }
	switch o.Path {
	case PathRoom:
		number("?seed=", o.Seed)
		number("&room=", uint64(o.Room))
		return string(b)
	case PathSlow:
		number("?rate=", uint64(o.Rate))
		return string(b)
	case PathAbrupt:
		number("?after=", uint64(o.After))
		if o.Reset {
			b = append(b, "&how=rst"...)
		}
		return string(b)
	}
	number("?conn=", uint64(o.Conn))
	number("&seed=", o.Seed)
	if o.Sizes != nil {
		b = append(append(b, "&sizes="...), o.Sizes.String()...)
	} else {
		number("&size=", uint64(o.Size))
	}
	return string(b)
}

// ParseOrder reads a request target: the last segment of its path names the
// service.
func ParseOrder(target string) (o Order, err error) {
	path, query, _ := strings.Cut(target, "?")
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		path = path[i:]
	}
	o.Path = path
	if o.Path == PathEcho {
		return o, nil
	}
	q, err := parseQuery(query)
	if err != nil {
		return o, err
	}
	switch o.Path {
	case PathSource, PathSink:
		o.Conn, o.Seed = uint32(q.number("conn", 32)), q.number("seed", 64)
		o.Size, o.Sizes = q.sizes()
	case PathRoom:
		o.Seed, o.Room = q.number("seed", 64), uint32(q.number("room", 32))
	case PathSlow:
		if o.Rate = int64(q.number("rate", 40)); o.Rate == 0 {
			q.fail("rate", errors.New("0 bytes a second"))
		}
	case PathAbrupt:
		if q.Has("after") {
			o.After = uint32(q.number("after", 32))
		}
		switch how := q.Get("how"); how {
		case "rst":
			o.Reset = true
		case "", "fin":
		default:
			q.fail("how", fmt.Errorf("%q is neither rst nor fin", how))
		}
	default:
		return o, fmt.Errorf("no service at %q", path)
	}
	return o, q.err
}

// query reads numbers until one is wrong.
type query struct {
	url.Values
	err error
}

func parseQuery(s string) (*query, error) {
	v, err := url.ParseQuery(s)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return &query{Values: v}, nil
}

func (q *query) fail(name string, err error) {
	if q.err == nil {
		q.err = fmt.Errorf("query: %s: %w", name, err)
	}
}

func (q *query) number(name string, bits int) uint64 {
	n, err := strconv.ParseUint(q.Get(name), 10, bits)
	if err != nil {
		q.fail(name, err)
	}
	return n
}

// sizes reads size, or sizes where there is one.
func (q *query) sizes() (size int, s *Sizes) {
	if text := q.Get("sizes"); text != "" {
		s, err := parseSizes(text)
		if err != nil {
			q.fail("sizes", err)
		}
		return 0, s
	}
	if size = int(q.number("size", 31)); size > MaxSize {
		q.fail("size", fmt.Errorf("%d is over %d", size, MaxSize))
	}
	return size, nil
}
