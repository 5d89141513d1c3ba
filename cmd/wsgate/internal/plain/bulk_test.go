package plain

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"wsgate/eventloop/route"
)

// TestDownloadBackPressure: an endpoint that sends much to a client that does
// not read is held back; then every byte arrives.
func TestDownloadBackPressure(t *testing.T) {
	const total = 256 << 20
	held := make(chan int, 1)
	b := newRawBackend(t, func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", total)
		piece := make([]byte, 64<<10)
		sent := 0
		for sent < total {
			c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
			n, err := c.Write(piece[:min(len(piece), total-sent)])
			sent += n
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return
			}
		}
		held <- sent
		c.SetWriteDeadline(time.Now().Add(patience))
		for sent < total {
			n, err := c.Write(piece[:min(len(piece), total-sent)])
			sent += n
			if err != nil {
				return
			}
		}
	})
	w := newWorld(t, nil, b.addr)
	c := w.dial()
	c.send("GET / HTTP/1.1\r\n" + host + "\r\n")
	if n := <-held; n > 64<<20 {
		t.Errorf("%d bytes were taken from the endpoint while nobody read", n)
	}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, res.Body); err != nil || n != total {
		t.Errorf("%d bytes, %v", n, err)
	}
	if r := w.log.next(); r.Sent != total || r.Who != 0 {
		t.Errorf("record %+v", r)
	}
}

// TestUploadBackPressure: the same the other way round.
func TestUploadBackPressure(t *testing.T) {
	const total = 256 << 20
	for _, chunked := range []bool{false, true} {
		t.Run(fmt.Sprint(chunked), func(t *testing.T) {
			release := make(chan struct{})
			addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
				<-release
				n, err := io.Copy(io.Discard, r.Body)
				fmt.Fprint(w, n, err)
			})
			w := newWorld(t, nil, addr)
			c := w.dial()
			piece := make([]byte, 64<<10)
			unit := piece
			if chunked {
				c.send("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n")
				unit = []byte("10000\r\n" + string(piece) + "\r\n")
			} else {
				c.send(fmt.Sprintf("POST / HTTP/1.1\r\n"+host+"Content-Length: %d\r\n\r\n", total))
			}
			left := total / len(piece) * len(unit)
			all := left
			for left > 0 {
				c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
				at := (all - left) % len(unit)
				n, err := c.Write(unit[at:])
				left -= n
				if errors.Is(err, os.ErrDeadlineExceeded) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if taken := all - left; taken > 64<<20 {
				t.Errorf("%d bytes were taken while the endpoint read nothing", taken)
			}
			close(release)
			c.SetWriteDeadline(time.Now().Add(patience))
			for left > 0 {
				at := (all - left) % len(unit)
				n, err := c.Write(unit[at:])
				left -= n
				if err != nil {
					t.Fatal(err)
				}
			}
			if chunked {
				c.send("0\r\n\r\n")
			}
			c.read("POST").want(t, 200, fmt.Sprint(total, nil))
			if r := w.log.next(); r.Received != total {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// TestStalledEndpoint: an endpoint that stops reading an upload is given up.
func TestStalledEndpoint(t *testing.T) {
	stop := make(chan struct{})
	b := newRawBackend(t, func(c net.Conn) { <-stop })
	t.Cleanup(func() { close(stop) })
	w := newWorld(t, func(_ *route.Route, s *Settings) { s.Send = 100 * time.Millisecond }, b.addr)
	c := w.dial()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		fmt.Fprintf(c.Conn, "POST / HTTP/1.1\r\n"+host+"Content-Length: %d\r\n\r\n", 1<<30)
		piece := make([]byte, 64<<10)
		for range 1 << 14 {
			if _, err := c.Conn.Write(piece); err != nil {
				return
			}
		}
	}()
	if a := c.read("POST"); a.StatusCode != 504 {
		t.Errorf("status %d", a.StatusCode)
	}
	c.Close()
	<-sent
}
