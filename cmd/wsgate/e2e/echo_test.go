package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// echoSizes are message sizes around every boundary of the frame format, and
// up to where every message is many reads, writes and full pipes.
var echoSizes = []int{0, 1, 125, 126, 127, 4096, 65535, 65536, 65537, 1 << 20, largest(16<<20, 2<<20)}

// deflateSizes stop where compressing costs more than it can show.
var deflateSizes = []int{0, 1, 125, 126, 127, 4096, 65535, 65536, 65537, largest(2<<20, 300_000)}

// largest is the first size, or the second where a megabyte takes long.
func largest(size, slow int) int {
	if raced {
		return slow
	}
	return size
}

// echoServers starts one echo server of each kind and returns their routes.
func (w *world) echoServers() []routeConf {
	plain, _ := w.nodeServer(map[string]any{"deflate": false})
	deflate, _ := w.nodeServer(map[string]any{"deflate": true})
	fragments, _ := w.nodeServer(map[string]any{"deflate": true, "fragment": 100_000})
	return []routeConf{
		{path: "/ws-plain", to: []string{plain}},
		{path: "/ws-deflate", to: []string{deflate}},
		{path: "/ws-fragments", to: []string{fragments}},
		{path: "/coder-plain", to: []string{w.coderEcho(false, false)}},
		{path: "/coder-deflate", to: []string{w.coderEcho(true, true)}},
		{path: "/gobwas", to: []string{w.gobwasEcho()}},
	}
}

// Every client talks to every server, with messages of every size, as text and
// as binary, whole and in fragments, compressed and not, and gets each back.
func TestEchoEveryPair(t *testing.T) {
	w := newWorld(t)
	g := w.start(conf{routes: w.echoServers()})
	sessions := func(deflate bool, fragment int) []nodeSession {
		var out []nodeSession
		sizes := echoSizes
		if deflate {
			sizes = deflateSizes
		}
		for _, r := range g.conf.routes {
			out = append(out, nodeSession{
				URL: g.url(r.path), Deflate: deflate, Fragment: fragment, Sizes: sizes,
				Close: &nodeClose{Code: 4001, Reason: "bye " + r.path},
			})
		}
		return out
	}
	node := func(impl string, s []nodeSession) {
		for i, r := range nodeClient(t, impl, s) {
			if !r.OK || r.Echoes != 2*len(s[i].Sizes) {
				t.Errorf("%s deflate=%v fragment=%d to %s: %d echoes, %s", impl, s[i].Deflate, s[i].Fragment, r.URL, r.Echoes, r.Error)
			}
			if r.Code != 4001 && r.OK {
				t.Errorf("%s to %s: closed with %d %q", impl, r.URL, r.Code, r.Reason)
			}
		}
	}
	node("ws", sessions(false, 0))
	node("ws", append(sessions(true, 0), sessions(true, 70_000)...))
	node("undici", sessions(false, 0))
	for _, r := range g.conf.routes {
		if err := coderClient(g.url(r.path), websocket.CompressionDisabled, echoSizes); err != nil {
			t.Errorf("coder/websocket to %s: %v", r.path, err)
		}
		if err := coderClient(g.url(r.path), websocket.CompressionContextTakeover, deflateSizes); err != nil {
			t.Errorf("coder/websocket, compressed, to %s: %v", r.path, err)
		}
		if err := gobwasClient(g.url(r.path), echoSizes); err != nil {
			t.Errorf("gobwas/ws to %s: %v", r.path, err)
		}
	}
}

// payload is n bytes that do not repeat within a few KiB; as text it is ASCII.
func payload(n int, text bool) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(n), 7))
	for i := range b {
		b[i] = byte(r.Uint32() >> 24)
		if text {
			b[i] = 'a' + b[i]&15
		}
	}
	return b
}

// coderClient echoes every size through coder/websocket, and closes.
func coderClient(url string, mode websocket.CompressionMode, sizes []int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{CompressionMode: mode, CompressionThreshold: 1})
	if err != nil {
		return err
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	for i, n := range sizes {
		text := i%2 == 0
		typ := websocket.MessageBinary
		if text {
			typ = websocket.MessageText
		}
		sent := payload(n, text)
		// A writer that is written to in pieces sends fragments.
		wr, err := c.Writer(ctx, typ)
		if err != nil {
			return err
		}
		done := make(chan error, 1)
		go func() {
			for at := 0; at < len(sent); at += 200_000 {
				if _, err := wr.Write(sent[at:min(at+200_000, len(sent))]); err != nil {
					done <- err
					return
				}
			}
			done <- wr.Close()
		}()
		gotType, got, err := c.Read(ctx)
		if err != nil {
			return fmt.Errorf("%d bytes: %w", n, err)
		}
		if err := <-done; err != nil {
			return fmt.Errorf("%d bytes: %w", n, err)
		}
		if gotType != typ || !bytes.Equal(got, sent) {
			return fmt.Errorf("%d bytes came back as %d others, type %v", n, len(got), gotType)
		}
	}
	return c.Close(websocket.StatusNormalClosure, "done")
}

// gobwasClient echoes every size through gobwas/ws, without compression.
func gobwasClient(url string, sizes []int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, br, _, err := ws.Dial(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if br != nil { // bytes that came with the 101
		return fmt.Errorf("%d bytes before the first message", br.Buffered())
	}
	for i, n := range sizes {
		op := ws.OpBinary
		if i%2 == 1 {
			op = ws.OpText
		}
		sent := payload(n, op == ws.OpText)
		done := make(chan error, 1)
		go func() { done <- wsutil.WriteClientMessage(conn, op, bytes.Clone(sent)) }()
		got, gotOp, err := wsutil.ReadServerData(conn)
		if err != nil {
			return fmt.Errorf("%d bytes: %w", n, err)
		}
		if err := <-done; err != nil {
			return fmt.Errorf("%d bytes: %w", n, err)
		}
		if gotOp != op || !bytes.Equal(got, sent) {
			return fmt.Errorf("%d bytes came back as %d others, opcode %x", n, len(got), gotOp)
		}
	}
	return gobwasClose(conn)
}

// gobwasClose sends a Close, requires one back and end of stream behind it.
func gobwasClose(conn net.Conn) error {
	f := ws.MaskFrameInPlace(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "done")))
	if err := ws.WriteFrame(conn, f); err != nil {
		return err
	}
	h, err := ws.ReadHeader(conn)
	if err != nil {
		return fmt.Errorf("after Close: %w", err)
	}
	if h.OpCode != ws.OpClose || h.Length > 125 {
		return fmt.Errorf("after Close: a frame with opcode %x of %d bytes", h.OpCode, h.Length)
	}
	if _, err := io.CopyN(io.Discard, conn, h.Length); err != nil {
		return fmt.Errorf("in the Close: %w", err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err := tcp.CloseWrite(); err != nil {
			return err
		}
	}
	if n, err := io.Copy(io.Discard, conn); err != nil || n > 0 {
		return fmt.Errorf("behind the Close: %d bytes, %v", n, err)
	}
	return nil
}
