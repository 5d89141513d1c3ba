package plain

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
	"wsgate/eventloop/record"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// listen2 opens a listener whose connections are served as HTTP/2.
func (w *world) listen2(secure bool) string {
	w.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			w.served.Add(1)
			peer := c.RemoteAddr().(*net.TCPAddr).AddrPort()
			all.Go(func() {
				w.srv.serveH2(c, Conn{
					ID: 9, FD: -1, Peer: netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()),
					Listener: ln.Addr().String(), Accepted: time.Now(), Info: tlsOf(secure),
				})
			})
		}
	})
	// Before the world's own cleanup, which counts connections.
	w.t.Cleanup(func() {
		ln.Close()
		w.srv.each(served.kill)
		all.Wait()
	})
	return ln.Addr().String()
}

// pages returns a client of net/http that speaks HTTP/2 with prior knowledge.
func pages(t *testing.T) *http.Client {
	tr := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true}
	tr.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// h2client is a client that says frame by frame what the test wants.
type h2client struct {
	t    *testing.T
	conn net.Conn
	*http2.Framer
	mu      sync.Mutex // of writes
	enc     *hpack.Encoder
	buf     bytes.Buffer
	stream  map[uint32]*h2answer
	connect bool // SETTINGS_ENABLE_CONNECT_PROTOCOL was announced
	goaway  *http2.GoAwayFrame
	frames  uint32 // largest frame that the server takes
	streams uint32
	grant   bool // give window back at once
	quiet   bool // answer nothing: another goroutine writes, and may find the connection closed
}

// h2answer is what has come on a stream.
type h2answer struct {
	status  string
	interim []string
	fields  map[string]string
	trailer map[string]string
	data    []byte
	ended   bool
	reset   *http2.ErrCode
}

func dial2(t *testing.T, addr string) *h2client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	c := &h2client{t: t, conn: conn, Framer: http2.NewFramer(conn, conn), stream: make(map[uint32]*h2answer), grant: true}
	c.enc = hpack.NewEncoder(&c.buf)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	io.WriteString(conn, http2.ClientPreface)
	c.WriteSettings()
	return c
}

// headers opens a stream. fields are "name: value", pseudo fields first.
func (c *h2client) headers(id uint32, end bool, fields ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf.Reset()
	for _, f := range fields {
		i := strings.Index(f[1:], ":") + 1
		c.enc.WriteField(hpack.HeaderField{Name: f[:i], Value: strings.TrimPrefix(f[i+1:], " ")})
	}
	if err := c.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: c.buf.Bytes(), EndHeaders: true, EndStream: end,
	}); err != nil && !c.quiet {
		c.t.Fatal(err)
	}
}

// get opens a stream with a GET of path.
func (c *h2client) get(id uint32, path string, more ...string) {
	c.headers(id, true, append([]string{":method: GET", ":scheme: http", ":authority: a.example", ":path: " + path}, more...)...)
}

func (c *h2client) at(id uint32) *h2answer {
	a := c.stream[id]
	if a == nil {
		a = &h2answer{}
		c.stream[id] = a
	}
	return a
}

// step reads one frame and notes what it says. It answers what must be.
func (c *h2client) step() error {
	f, err := c.ReadFrame()
	if err != nil {
		return err
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return nil
		}
		if v, ok := f.Value(http2.SettingEnableConnectProtocol); ok && v == 1 {
			c.connect = true
		}
		c.frames, _ = f.Value(http2.SettingMaxFrameSize)
		c.streams, _ = f.Value(http2.SettingMaxConcurrentStreams)
		if !c.quiet {
			c.mu.Lock()
			c.WriteSettingsAck()
			c.mu.Unlock()
		}
	case *http2.MetaHeadersFrame:
		a := c.at(f.StreamID)
		fields := make(map[string]string)
		for _, h := range f.RegularFields() {
			fields[h.Name] = h.Value
		}
		switch st := f.PseudoValue("status"); {
		case st == "":
			a.trailer = fields
		case st < "200":
			a.interim = append(a.interim, fmt.Sprint(st, fields))
		default:
			a.status, a.fields = st, fields
		}
		a.ended = a.ended || f.StreamEnded()
	case *http2.DataFrame:
		a := c.at(f.StreamID)
		a.data = append(a.data, f.Data()...)
		a.ended = a.ended || f.StreamEnded()
		if n := uint32(len(f.Data())); n > 0 && c.grant && !c.quiet {
			c.mu.Lock()
			c.WriteWindowUpdate(0, n)
			if !f.StreamEnded() {
				c.WriteWindowUpdate(f.StreamID, n)
			}
			c.mu.Unlock()
		}
	case *http2.RSTStreamFrame:
		code := f.ErrCode
		c.at(f.StreamID).reset = &code
	case *http2.GoAwayFrame:
		g := *f
		c.goaway = &g
	case *http2.PingFrame:
		if !f.IsAck() && !c.quiet {
			c.mu.Lock()
			c.WritePing(true, f.Data)
			c.mu.Unlock()
		}
	}
	return nil
}

// until reads frames until done is true.
func (c *h2client) until(what string, done func() bool) {
	c.t.Helper()
	for !done() {
		if err := c.step(); err != nil {
			c.t.Fatalf("waiting for %s: %v; goaway %v", what, err, c.goaway)
		}
	}
}

// over waits for the end of a stream.
func (c *h2client) over(id uint32) *h2answer {
	c.t.Helper()
	a := c.at(id)
	c.until(fmt.Sprintf("the end of stream %d", id), func() bool { return a.ended || a.reset != nil })
	return a
}

// closed reads until the gateway has closed the connection.
func (c *h2client) closed() error {
	for {
		if err := c.step(); err != nil {
			return err
		}
	}
}

// tlsOf is what is known of a connection behind TLS.
func tlsOf(secure bool) *record.TLS {
	if !secure {
		return nil
	}
	return &record.TLS{Version: "TLSv1.3", Protocol: "h2"}
}
