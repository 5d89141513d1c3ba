package plain

import (
	"io"
	"sync"

	"wsgate/splice"
	"wsgate/splice/sys"
)

// unreadMax bounds the plaintext of further requests that is read while one is
// being answered: behind TLS the end of the client's stream can only be seen by
// reading up to it.
const unreadMax = 16 << 10

// codecs lends what TLS connections need while bytes flow. An idle connection
// holds none.
type codecs struct {
	pool   sync.Pool
	budget *splice.Budget
}

// with runs f with a codec and the TLS connection. net/http reads and writes on
// two goroutines, so every call is made under the connection's lock; f must not
// block. It returns false, and does not run f, when the TLS connection has been
// ended.
func (c *conn) with(f func(*splice.Codec, *splice.TLS)) bool {
	c.tlsLock.Lock()
	defer c.tlsLock.Unlock()
	if c.info.TLS == nil {
		return false
	}
	k, ok := c.srv.codecs.pool.Get().(*splice.Codec)
	if !ok {
		k = splice.NewCodec(sys.Kernel{}, c.srv.codecs.budget, 1)
	}
	f(k, c.info.TLS)
	if c.info.TLS != nil {
		k.Forget(c.info.TLS)
	}
	c.srv.codecs.pool.Put(k)
	return true
}

// take reads what the client has sent, decrypted.
func (c *conn) take(p []byte) (int, error) {
	if !c.secure {
		return c.file.Read(p)
	}
	n, out := 0, sys.WouldBlock
	err := c.raw.Read(func(fd uintptr) bool {
		if !c.with(func(k *splice.Codec, t *splice.TLS) {
			n, _, out = k.Read(splice.End{FD: int(fd), TLS: t}, p)
		}) {
			out = sys.Gone
		}
		return out != sys.WouldBlock
	})
	switch {
	case n > 0:
		return n, nil
	case err != nil:
		return 0, err
	case out == sys.EOF:
		return 0, io.EOF
	}
	c.alert()
	return 0, errGone
}

// put writes to the client, encrypted. After an error the caller comes again
// with the bytes that were not taken, or not at all.
func (c *conn) put(p []byte) (int, error) {
	if !c.secure {
		return c.file.Write(p)
	}
	done, out := 0, sys.WouldBlock
	err := c.raw.Write(func(fd uintptr) bool {
		if !c.with(func(k *splice.Codec, t *splice.TLS) {
			for out = sys.OK; done < len(p) && out == sys.OK; {
				var n int
				n, out = k.Write(splice.End{FD: int(fd), TLS: t}, p[done:])
				done += n
			}
		}) {
			out = sys.Gone
		}
		return out != sys.WouldBlock
	})
	if err == nil && out != sys.OK {
		err = errGone
	}
	return done, err
}

// alert tells the client why its records cannot be read.
func (c *conn) alert() {
	c.raw.Control(func(fd uintptr) {
		c.with(func(k *splice.Codec, t *splice.TLS) {
			if wire := k.SealAlert(t); len(wire) > 0 {
				k.IO.Write(int(fd), wire, false)
			}
		})
	})
}

// shutdown ends our direction of the stream.
func (c *conn) shutdown(fd int) sys.Outcome {
	if c.secure {
		c.with(func(k *splice.Codec, t *splice.TLS) { k.Shutdown(splice.End{FD: fd, TLS: t}) })
		return sys.OK
	}
	return sys.Kernel{}.Shutdown(fd)
}

// secureEnd is streamEnd behind TLS: what comes before the end is kept for the
// next request.
func (c *conn) secureEnd(fd int) error {
	for len(c.pending()) < unreadMax {
		if len(c.buf) == cap(c.buf) {
			c.buf = append(make([]byte, 0, len(c.buf)+4<<10), c.buf...)
		}
		n, out := 0, sys.WouldBlock
		c.with(func(k *splice.Codec, t *splice.TLS) {
			n, _, out = k.Read(splice.End{FD: fd, TLS: t}, c.buf[len(c.buf):cap(c.buf)])
		})
		c.buf = c.buf[:len(c.buf)+n]
		switch {
		case out == sys.OK:
		case out == sys.WouldBlock:
			return nil
		case out == sys.EOF && len(c.pending()) == 0:
			return io.EOF
		case out == sys.EOF:
			return nil // the business of the request in front of it
		default:
			return errGone
		}
	}
	if sys.PeekEnd(fd) == sys.Gone {
		return errGone
	}
	return nil
}

// endTLS ends the TLS connection; polite: with a close_notify.
func (c *conn) endTLS(polite bool) {
	if !c.secure {
		return
	}
	end := func(fd uintptr) {
		c.with(func(k *splice.Codec, t *splice.TLS) {
			if polite && !t.Unwritten() {
				if wire := k.SealClose(t); len(wire) > 0 {
					k.IO.Write(int(fd), wire, false)
				}
			}
			k.Release(t)
			c.info.TLS = nil
		})
	}
	if c.raw == nil || c.raw.Control(end) != nil {
		polite = false
		end(0)
	}
}
