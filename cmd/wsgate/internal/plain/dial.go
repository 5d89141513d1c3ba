package plain

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"wsgate/lb"
	"wsgate/splice/sys"
)

// errStalled: an endpoint has taken nothing for Settings.Send.
var errStalled = errors.New("endpoint takes no bytes")

// unixKey ends the host names that stand for unix sockets in the transport's
// table of connections.
const unixKey = ".unix:80"

// secureKey ends the host names that stand for endpoints behind TLS: what an
// upstream verifies by is its own, so that connections are not shared with
// another upstream's.
const secureKey = ".tls:80"

// endpointKey returns the host under which the transport keeps the connections
// of a pool to one of its endpoints.
func endpointKey(p *lb.Pool, address string) string {
	if p.TLS == nil {
		return dialKey(address)
	}
	return hex.EncodeToString([]byte(p.Name)) + "." + hex.EncodeToString([]byte(address)) + secureKey
}

// secureAddress returns the address in a host that endpointKey has made.
func secureAddress(key string) (address string, ok bool) {
	name, ok := strings.CutSuffix(key, secureKey)
	if !ok {
		return "", false
	}
	_, name, _ = strings.Cut(name, ".")
	b, err := hex.DecodeString(name)
	return string(b), err == nil
}

// dialKey returns the host under which the transport keeps connections to an
// endpoint's address.
func dialKey(address string) string {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return hex.EncodeToString([]byte(path)) + unixKey
	}
	return address
}

// dialError is a connect that has failed: the endpoint has seen nothing of the
// request.
type dialError struct {
	err     error
	timeout bool
	tls     bool // the TLS handshake has failed
}

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// isNoResource tells that the gateway itself lacks descriptors or memory.
func isNoResource(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ENOBUFS)
}

// dial connects to the endpoint that key stands for.
func (u *upstream) dial(ctx context.Context, network, key string) (net.Conn, error) {
	if address, ok := secureAddress(key); ok {
		return u.dialTLS(ctx, exchangeOf(ctx), address)
	}
	set := u.srv.opt.Current()
	if name, ok := strings.CutSuffix(key, unixKey); ok {
		path, err := hex.DecodeString(name)
		if err != nil {
			return nil, &dialError{err: err}
		}
		network, key = "unix", string(path)
	}
	d := net.Dialer{Timeout: set.Connect, KeepAlive: -1}
	if network != "unix" {
		d.Control = func(_, _ string, raw syscall.RawConn) error {
			var err error
			if e := raw.Control(func(fd uintptr) { err = sys.SetTCP(int(fd), &set.TCP) }); e != nil {
				return e
			}
			return err
		}
	}
	c, err := d.DialContext(ctx, network, key)
	if err != nil {
		var ne net.Error
		return nil, &dialError{err: err, timeout: errors.As(err, &ne) && ne.Timeout()}
	}
	return &endpointConn{Conn: c, limit: set.Send}, nil
}

// dialEndpoint connects to an endpoint of the exchange's pool.
func (u *upstream) dialEndpoint(ctx context.Context, x *exchange, address string) (net.Conn, error) {
	if x.route.Pool.TLS != nil {
		return u.dialTLS(ctx, x, address)
	}
	return u.dial(ctx, "tcp", dialKey(address))
}

// dialTLS connects to an endpoint of the exchange's pool and shakes hands with
// it. Both together have the time limit of a connect twice.
func (u *upstream) dialTLS(ctx context.Context, x *exchange, address string) (net.Conn, error) {
	config := x.route.Pool.TLS(address)
	raw, err := u.dial(ctx, "tcp", dialKey(address))
	if err != nil {
		return nil, err
	}
	if limit := x.set.Connect; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	e := raw.(*endpointConn)
	c := tls.Client(e.Conn, config)
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, &dialError{err: err, timeout: errors.Is(err, context.DeadlineExceeded), tls: true}
	}
	return &endpointConn{Conn: c, limit: e.limit}, nil
}

// endpointConn is a connection to an endpoint with a time limit on writes.
type endpointConn struct {
	net.Conn
	limit  time.Duration
	user   atomic.Pointer[attempt] // the attempt that has used it last
	broken atomic.Bool
}

// Write fails when the endpoint takes nothing for limit. When the endpoint has
// closed or reset the connection it reports success and drops the bytes: a
// response may be waiting to be read, and if none is, the read side says so.
func (c *endpointConn) Write(p []byte) (int, error) {
	done := 0
	for !c.broken.Load() {
		if c.limit > 0 {
			c.SetWriteDeadline(time.Now().Add(c.limit))
		}
		n, err := c.Conn.Write(p[done:])
		done += n
		switch {
		case err == nil:
			return done, nil
		case errors.Is(err, os.ErrDeadlineExceeded) && n > 0:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return done, errStalled
		case errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
			c.broken.Store(true)
		default:
			return done, err
		}
	}
	return len(p), nil
}

// Close tells the attempt in progress, whose body nobody needs any more.
func (c *endpointConn) Close() error {
	err := c.Conn.Close()
	if a := c.user.Load(); a != nil {
		a.connClosed()
	}
	return err
}
