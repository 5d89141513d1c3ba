package plain

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"wsgate/eventloop/record"
	"wsgate/handshake"
)

// TestTunnelIdle tells what an idle WebSocket over HTTP/2 costs in user memory
// (heap and stacks; a build for the race detector says nothing about that) and
// holds it to its goroutines: three a session, and three a connection.
func TestTunnelIdle(t *testing.T) {
	if !withExtendedConnect(t) {
		return
	}
	const sessions = 200
	for _, perConn := range []int{1, 50} {
		t.Run(fmt.Sprint(perConn), func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go func() {
				for {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					go idleEndpoint(c)
				}
			}()
			w := newWorld(t, nil, ln.Addr().String())
			w.log.opens, w.log.closes = make(chan record.Open, sessions), make(chan record.Close, sessions)
			addr := w.listen2(false)
			memory, routines := footprint()
			for range sessions / perConn {
				c := idleClient(t, addr, perConn)
				defer c.Close()
			}
			for range sessions {
				w.log.open()
			}
			memory2, routines2 := footprint()
			want := sessions*(3+1) + 3*sessions/perConn // with the endpoint's one
			if n := routines2 - routines; n > want {
				t.Errorf("%d goroutines for %d sessions, want %d", n, sessions, want)
			}
			t.Logf("%d a connection: %d bytes, %.2f goroutines a session, the endpoint's one included",
				perConn, (memory2-memory)/sessions, float64(routines2-routines)/sessions)
		})
	}
}

// footprint returns the bytes of live heap and stacks, and the goroutines.
func footprint() (int, int) {
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()
}

// idleEndpoint upgrades and waits for the end.
func idleEndpoint(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 1024)
	n, _ := c.Read(buf)
	_, key, _ := strings.Cut(string(buf[:n]), "Sec-WebSocket-Key: ")
	key, _, _ = strings.Cut(key, "\r\n")
	fmt.Fprintf(c, "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		handshake.AppendAccept(nil, []byte(key)))
	c.Read(buf[:1])
}

// idleClient opens n tunnels over one connection and keeps nothing but that.
func idleClient(b *testing.T, addr string, n int) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	io.WriteString(c, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	f.WriteSettings()
	var buf bytes.Buffer
	enc := hpack.NewEncoder(&buf)
	for i := range n {
		buf.Reset()
		for _, h := range [][2]string{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"}, {":path", "/"}, {":authority", "a"}, {"sec-websocket-version", "13"}} {
			enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
		}
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: buf.Bytes(), EndHeaders: true})
	}
	for open := 0; open < n; {
		fr, err := f.ReadFrame()
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := fr.(*http2.HeadersFrame); ok {
			open++
		}
	}
	return c
}
