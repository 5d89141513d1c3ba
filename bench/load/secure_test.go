package load

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// oneSecure is a loop with one connection that has sent its upgrade request to
// server, through a socket that holds little.
func oneSecure(t *testing.T, server func(c *tls.Conn)) (l *loop, c *conn) {
	t.Helper()
	id := identified(t, "ECDSA P-256")
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 4096); err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fds[1]), "server")
	other, err := net.FileConn(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server(tls.Server(other, &tls.Config{Certificates: []tls.Certificate{id.cert}}))
	}()
	cfg := Config{Conns: 1}
	cfg.defaults()
	cfg.TLS = &TLS{Roots: id.roots}
	r := &run{cfg: cfg, tls: cfg.TLS.config("gateway.test"), base: time.Now()}
	r.target.addr = netip.MustParseAddrPort("127.0.0.1:1")
	if l, err = newLoop(r, 0, 1); err != nil {
		t.Fatal(err)
	}
	r.loops = []*loop{l}
	t.Cleanup(func() { l.closeAll(); l.poll.Close(); <-ended; other.Close() })
	c = l.conns[0]
	c.fd, c.state = fds[0], connecting
	l.nextSlot, l.opening = 1, 1
	if err := l.poll.Add(c.fd, c.slot, c.generation); err != nil {
		t.Fatal(err)
	}
	turns(t, l, func() bool { return c.state == upgrading })
	return l, c
}

// turns lets l do its work until what is waited for has come.
func turns(t *testing.T, l *loop, done func() bool) {
	t.Helper()
	for range 3000 {
		if done() {
			return
		}
		if err := l.turn(l.now() + int64(10*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if len(l.examples) > 0 {
			t.Fatal(l.examples)
		}
	}
	t.Fatal("waited in vain")
}

// TestCiphertextWaitsForTheSocket: everything comes, in its order, though no
// flush finds room for what is waiting.
func TestCiphertextWaitsForTheSocket(t *testing.T) {
	leaks(t)
	long := make([]byte, 300_000)
	for i := range long {
		long[i] = byte(i * 7)
	}
	tests := map[string]func(l *loop, c *conn){
		"frames": func(l *loop, c *conn) { l.out = append(l.out[:0], long...) },
		"large message": func(l *loop, c *conn) {
			c.bulk.Set(bytes.Clone(long[:30]), long[30:200_000])
			l.out = append(l.out[:0], long[200_000:]...)
		},
	}
	for name, send := range tests {
		t.Run(name, func(t *testing.T) {
			leaks(t)
			full, got := make(chan struct{}), make(chan []byte, 1)
			l, c := oneSecure(t, func(s *tls.Conn) {
				b := make([]byte, 4096)
				n, err := s.Read(b)
				if i := bytes.Index(b[:n], []byte("\r\n\r\n")); err != nil || i < 0 || i+4 != n {
					t.Errorf("request %q, %v", b[:n], err)
				}
				<-full
				all := make([]byte, len(long))
				_, _ = io.ReadFull(s, all)
				got <- all
			})
			c.state = open
			send(l, c)
			l.finishTurn(c)
			if !c.tls.waiting() {
				t.Error("the socket took everything at once: nothing was tested")
			}
			close(full)
			turns(t, l, func() bool { return !c.tls.waiting() && len(c.pending) == 0 && c.bulk.Empty() })
			if !bytes.Equal(<-got, long) {
				t.Error("other bytes came than were sent")
			}
			c.state = none // nothing waits for its end
		})
	}
}

// TestSealedBehindCiphertextThatWaits: crypto/tls seals records of its own, an
// alert or a new key, at any time.
func TestSealedBehindCiphertextThatWaits(t *testing.T) {
	leaks(t)
	const size = 60_000 // sealed in one go
	full, ended := make(chan struct{}), make(chan error, 1)
	l, c := oneSecure(t, func(s *tls.Conn) {
		_, err := s.Read(make([]byte, 4096)) // the request
		<-full
		if err == nil {
			_, err = io.ReadFull(s, make([]byte, size))
		}
		if err == nil {
			_, err = s.Read(make([]byte, 1))
		}
		ended <- err
	})
	c.state = open
	l.out = append(l.out[:0], make([]byte, size)...)
	l.finishTurn(c)
	if len(c.tls.unsent) == 0 {
		t.Error("the socket took everything at once: nothing was tested")
	}
	c.tls.notify()
	l.finishTurn(c)
	close(full)
	var err error
	turns(t, l, func() bool {
		select {
		case err = <-ended:
			return true
		default:
			return false
		}
	})
	if err != io.EOF {
		t.Fatalf("the server saw %v instead of close_notify", err)
	}
	c.state = none // nothing waits for its end
}
