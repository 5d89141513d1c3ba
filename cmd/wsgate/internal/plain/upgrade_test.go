package plain

import (
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"wsgate/splice/sys"
)

const upgrade = "GET /ws HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// back waits for a connection that is given back and checks that it is alive.
func (w *world) back(c *client) Conn {
	w.t.Helper()
	var b Conn
	select {
	case b = <-w.returned:
	case <-time.After(patience):
		w.t.Fatal("nothing was given back")
	}
	fd, err := sys.Dup(b.FD)
	if err != nil {
		w.t.Fatal(err)
	}
	sys.Close(b.FD)
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	f.SetDeadline(time.Now().Add(patience))
	c.send("tail")
	got := make([]byte, 4)
	want := "tail"
	if n := len(upgrade); len(b.Unread) > n {
		w.t.Logf("%d bytes behind the head", len(b.Unread)-n)
	}
	if _, err := io.ReadFull(f, got); err != nil || string(got) != want {
		w.t.Errorf("read %q %v from the descriptor", got, err)
	}
	io.WriteString(f, "reply")
	if _, err := io.ReadFull(c.r, got); err != nil || string(got) != "repl" {
		w.t.Errorf("read %q %v at the client", got, err)
	}
	return b
}

func TestUpgradeFirst(t *testing.T) {
	w := newWorld(t, nil, refusing(t))
	c := w.dial()
	c.send(upgrade)
	if b := w.back(c); string(b.Unread) != upgrade || b.Requests != 0 || b.ID != 7 {
		t.Errorf("given back: %+v", b)
	}
}

func TestUpgradeAfterRequests(t *testing.T) {
	w := newWorld(t, nil, answering(t, nil).addr)
	c := w.dial()
	c.do("GET /a HTTP/1.1\r\n"+host+"\r\n").want(t, 200, "GET /a")
	c.do("POST /b HTTP/1.1\r\n"+host+"Content-Length: 3\r\n\r\nabc").want(t, 200, "POST /b")
	c.do("POST /c HTTP/1.1\r\n"+host+"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n").want(t, 200, "POST /c")
	c.send(upgrade)
	if b := w.back(c); string(b.Unread) != upgrade || b.Requests != 3 {
		t.Errorf("given back: %+v", b)
	}
}

// TestUpgradePipelined: an upgrade, and bytes behind it, wait behind a slow
// response and are then given back whole.
func TestUpgradePipelined(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			arrived, release := make(chan struct{}), make(chan struct{})
			addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				close(arrived)
				select {
				case <-release:
				case <-r.Context().Done():
					t.Error("the request was cancelled")
				}
				io.WriteString(w, "slow")
			})
			w := newWorld(t, nil, addr)
			c := w.dial()
			first := "GET / HTTP/1.1\r\n" + host + "\r\n"
			if method == "POST" {
				first = "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc"
			}
			c.send(first + upgrade + "\x81\x80abcd")
			<-arrived
			if n := len(w.returned); n != 0 {
				t.Errorf("%d given back before the response", n)
			}
			close(release)
			c.read(method).want(t, 200, "slow")
			b := w.back(c)
			if want := upgrade + "\x81\x80abcd"; string(b.Unread) != want {
				t.Errorf("unread %q, want %q", b.Unread, want)
			}
		})
	}
}

// TestUpgradeBehindRefusal: no upgrade leaves a connection that was refused.
func TestUpgradeBehindRefusal(t *testing.T) {
	w := newWorld(t, nil, answering(t, nil).addr)
	c := w.dial()
	c.send("POST / HTTP/1.1\r\n" + host + "Content-Length: x\r\n\r\n" + upgrade)
	if a := c.read("POST"); a.StatusCode != 400 {
		t.Errorf("status %d", a.StatusCode)
	}
	c.wantEnd()
	if n := len(w.returned); n != 0 {
		t.Errorf("%d given back", n)
	}
}

// TestUpgradeAfterClose: what follows a request with Connection: close is not looked at.
func TestUpgradeAfterClose(t *testing.T) {
	w := newWorld(t, nil, answering(t, nil).addr)
	c := w.dial()
	c.send("GET /a HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n" + upgrade)
	c.read("GET").want(t, 200, "GET /a")
	c.wantEnd()
	if n := len(w.returned); n != 0 {
		t.Errorf("%d given back", n)
	}
}
