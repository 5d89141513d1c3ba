package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// httpBackend serves h on a port of its own and returns the address.
func (w *world) httpBackend(h http.Handler) string {
	w.t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Start()
	w.atEnd(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

// coderEcho is an echo server on coder/websocket. Messages are streamed back
// in fragments as they are read when stream is set, else as one frame.
func (w *world) coderEcho(deflate, stream bool) string {
	mode := websocket.CompressionDisabled
	if deflate {
		mode = websocket.CompressionContextTakeover
	}
	return w.httpBackend(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(rw, r, &websocket.AcceptOptions{
			InsecureSkipVerify:   true,
			CompressionMode:      mode,
			CompressionThreshold: 1,
			Subprotocols:         []string{"chat.v2", "chat.v1"},
		})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for coderEchoOne(r.Context(), c, stream) == nil {
		}
	}))
}

func coderEchoOne(ctx context.Context, c *websocket.Conn, stream bool) error {
	typ, r, err := c.Reader(ctx)
	if err != nil {
		return err
	}
	if !stream {
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		return c.Write(ctx, typ, b)
	}
	wr, err := c.Writer(ctx, typ)
	if err != nil {
		return err
	}
	if _, err := io.Copy(wr, r); err != nil {
		return err
	}
	return wr.Close()
}

// gobwasEcho is an echo server on gobwas/ws: upgrade by ws.Upgrader on the bare
// connection, messages through wsutil.
func (w *world) gobwasEcho() string {
	return w.rawBackend(func(c *wire) {
		if _, err := (ws.Upgrader{Protocol: func([]byte) bool { return true }}).Upgrade(c.Conn); err != nil {
			return
		}
		for {
			msg, op, err := wsutil.ReadClientData(c.Conn)
			if err != nil {
				return
			}
			c.extend()
			if err := wsutil.WriteServerMessage(c.Conn, op, msg); err != nil {
				return
			}
		}
	})
}

// rawBackend accepts connections and runs serve on each, on a goroutine of its
// own; the connection is closed when serve returns. serve must not end the test.
func (w *world) rawBackend(serve func(c *wire)) string {
	w.t.Helper()
	return w.rawBackendOn("127.0.0.1:0", serve)
}

// rawBackendOn is rawBackend on an address of the test's choice.
func (w *world) rawBackendOn(addr string, serve func(c *wire)) string {
	w.t.Helper()
	netw, at := network(addr)
	l, err := net.Listen(netw, at)
	if err != nil {
		w.t.Fatal(err)
	}
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			running.Go(func() {
				serve(newWire(w.t, c))
				c.Close()
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			})
		}
	})
	w.atEnd(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	if netw == "unix" {
		return addr
	}
	return l.Addr().String()
}

// readHead reads a request or response head, the empty line included, as the
// bytes it is made of.
func readHead(br *bufio.Reader) ([]byte, error) {
	var head []byte
	for {
		line, err := br.ReadSlice('\n')
		head = append(head, line...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return head, err
		}
		if bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			return head, nil
		}
		if len(head) > 1<<20 {
			return head, errors.New("head of more than 1 MiB")
		}
	}
}

// accept101 reads an upgrade request and answers it with a valid 101 for its
// key, with the further lines in extra. It returns the request's head.
func accept101(c *wire, extra ...string) ([]byte, error) {
	head, err := readHead(c.br)
	if err != nil {
		return head, err
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return head, err
	}
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + acceptOf(r.Header.Get("Sec-WebSocket-Key")) + "\r\n"
	for _, x := range extra {
		answer += x + "\r\n"
	}
	_, err = c.Write([]byte(answer + "\r\n"))
	return head, err
}

// A recorder keeps every byte that reached a backend.
type recorder struct {
	mu  sync.Mutex
	got []byte
}

func (r *recorder) add(b []byte) {
	r.mu.Lock()
	r.got = append(r.got, b...)
	r.mu.Unlock()
}

func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.got)
}

// recordingBackend writes down what it is sent. It answers every request head
// with an empty 200, so that a gateway that let one through would go on.
func (w *world) recordingBackend() (string, *recorder) {
	rec := &recorder{}
	addr := w.rawBackend(func(c *wire) {
		buf := make([]byte, 64<<10)
		var seen []byte
		for {
			n, err := c.Read(buf)
			rec.add(buf[:n])
			seen = append(seen, buf[:n]...)
			if err != nil {
				return
			}
			if i := bytes.Index(seen, []byte("\r\n\r\n")); i >= 0 {
				seen = seen[i+4:]
				if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")); err != nil {
					return
				}
			}
		}
	})
	return addr, rec
}

// upgradeAndEcho serves one request with a coder/websocket echo.
func upgradeAndEcho(rw http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(rw, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	for coderEchoOne(r.Context(), c, false) == nil {
	}
}
