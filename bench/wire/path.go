package wire

import (
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
)

// MaxSize is the longest payload, in bytes, that the kit sends.
const MaxSize = 64 << 20

// AckSize is the length of a sink's acknowledgement: the stamp of the message
// that it answers, and one byte, the Fault it found.
const AckSize = StampSize + 1

// Order is what a connection asks of the backend, by path and query.
type Order struct {
	Path string
	Conn uint32 // connection number in this run
	Seed uint64 // of the run's Pattern
	Size int    // payload bytes of every message
}

// Target is o as a request target. A prefix, for gateways that route by
// path, goes in front.
func (o Order) Target(prefix string) string {
	return prefix + o.Path + "?conn=" + strconv.FormatUint(uint64(o.Conn), 10) +
		"&seed=" + strconv.FormatUint(o.Seed, 10) + "&size=" + strconv.Itoa(o.Size)
}

// ParseOrder reads a request target: the last segment of its path names the
// service. Echo needs no query.
func ParseOrder(target string) (o Order, err error) {
	path, query, _ := strings.Cut(target, "?")
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		path = path[i:]
	}
	o.Path = path
	if o.Path == PathEcho {
		return o, nil
	}
	if o.Path != PathSource && o.Path != PathSink {
		return o, fmt.Errorf("no service at %q", path)
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return o, fmt.Errorf("query: %w", err)
	}
	number := func(name string, bits int) (n uint64) {
		if err == nil {
			if n, err = strconv.ParseUint(q.Get(name), 10, bits); err != nil {
				err = fmt.Errorf("query: %s: %w", name, err)
			}
		}
		return n
	}
	o.Conn = uint32(number("conn", 32))
	o.Seed = number("seed", 64)
	o.Size = int(number("size", 31))
	if err == nil && o.Size > MaxSize {
		err = fmt.Errorf("query: size: %d is over %d", o.Size, MaxSize)
	}
	return o, err
}
