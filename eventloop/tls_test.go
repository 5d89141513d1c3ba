package eventloop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"wsgate/eventloop/record"
)

// identity is a certificate for 127.0.0.1 that signs itself, and the pool that
// trusts it.
type identity struct {
	cert tls.Certificate
	pool *x509.CertPool
}

func newIdentity(t testing.TB) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "te\r\nst"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	id := &identity{cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool: x509.NewCertPool()}
	id.pool.AddCert(leaf)
	return id
}

func (id *identity) server(max uint16) *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{id.cert}, MaxVersion: max}
	c.SetSessionTicketKeys([][32]byte{{1}})
	return c
}

func (id *identity) listener(max uint16) *ListenerTLS {
	c := id.server(max)
	return &ListenerTLS{Config: func() *tls.Config { return c }}
}

// dialTLS opens a WebSocket over TLS.
func (rg *rig) dialTLS(c *tls.Config) net.Conn {
	rg.t.Helper()
	d := ws.Dialer{Timeout: 20 * time.Second, TLSConfig: c}
	conn, br, _, err := d.Dial(context.Background(), "wss://"+rg.Addrs()[0]+"/chat")
	if err != nil {
		rg.t.Fatal(err)
	}
	rg.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if br != nil {
		return &bufferedConn{conn, br}
	}
	return conn
}

// tlsBackend is backend behind TLS.
func tlsBackend(t *testing.T, c *tls.Config, serve func(net.Conn)) string {
	t.Helper()
	return rawBackend(t, func(raw net.Conn) {
		conn := tls.Server(raw, c)
		defer conn.Close()
		if _, err := ws.Upgrade(conn); err == nil {
			serve(conn)
		}
	})
}

// TestSecureEcho: messages of all sizes come back over TLS on either side, or
// both, in both versions, full and resumed.
func TestSecureEcho(t *testing.T) {
	id := newIdentity(t)
	for _, max := range []uint16{tls.VersionTLS13, tls.VersionTLS12} {
		for _, sides := range []string{"client", "upstream", "both"} {
			t.Run(fmt.Sprintf("%s/%s", versionName(max), sides), func(t *testing.T) {
				o := rigOptions{loops: 2}
				var address string
				if sides != "upstream" {
					o.secure = id.listener(max)
				}
				if sides != "client" {
					o.upstream = &tls.Config{RootCAs: id.pool, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
					address = tlsBackend(t, id.server(max), echo)
				} else {
					address = backend(t, echo)
				}
				rg := newRig(t, o, address)
				client := &tls.Config{RootCAs: id.pool, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
				secureEcho(t, rg, client)
			})
		}
	}
}

func secureEcho(t *testing.T, rg *rig, client *tls.Config) {
	var wg sync.WaitGroup
	for i := range 12 {
		var c net.Conn
		if rg.secure {
			c = rg.dialTLS(client)
		} else {
			c = rg.dial()
		}
		wg.Add(1)
		work := func() {
			defer wg.Done()
			for _, size := range []int{0, 1, 125, 126, 4000, 16 << 10, 70_000, 400_000} {
				msg := bytes.Repeat([]byte{byte(i)}, size)
				go wsutil.WriteClientBinary(c, msg)
				got, err := wsutil.ReadServerBinary(c)
				if err != nil || !bytes.Equal(got, msg) {
					t.Errorf("%d bytes came back, want %d: %v", len(got), size, err)
					return
				}
			}
			ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "bye"))))
			if code := readClose(t, c); code != 1000 {
				t.Errorf("code %d", code)
			}
			c.Close()
		}
		if i == 0 {
			work() // files the ticket that the others resume with
		} else {
			go work()
		}
	}
	wg.Wait()
	if end := rg.lastClose(12); end.Who != record.Client || end.Code != 1000 || end.Why != "close" || end.Up.Messages != 8 {
		t.Errorf("logged %+v", end)
	}
	c, err := rg.Snapshot(context.Background())
	if err != nil || c.Relays != 0 || c.Buffers != 0 || c.Shaking != 0 || len(c.TLSFailures) != 0 {
		t.Errorf("counters %+v, %v", c, err)
	}
	full, resumed := uint64(0), uint64(0)
	for k, n := range c.Handshakes {
		switch k.Result {
		case "full":
			full += n
		case "resumed":
			resumed += n
		default:
			t.Errorf("%d handshakes: %v", n, k)
		}
	}
	if full == 0 || resumed == 0 {
		t.Errorf("%d full and %d resumed handshakes", full, resumed)
	}
}

// TestStalledHandshakes: clients that stop within or after their ClientHello
// delay nobody, and are ended by the time limit or the bound.
func TestStalledHandshakes(t *testing.T) {
	id := newIdentity(t)
	rg := newRig(t, rigOptions{loops: 2, secure: id.listener(0), shakes: 200, timeouts: func(x *Timeouts) { x.RequestHead = 20 * time.Second }}, backend(t, echo))
	hello := clientHello(t)
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range 1000 {
		c, err := net.Dial("tcp", rg.Addrs()[0])
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		if i%2 == 0 {
			c.Write(hello)
		} else {
			c.Write(hello[:1+i%len(hello)])
		}
	}
	c := rg.dialTLS(&tls.Config{RootCAs: id.pool})
	wsutil.WriteClientText(c, []byte("x"))
	if got, err := wsutil.ReadServerText(c); err != nil || string(got) != "x" {
		t.Fatalf("%q, %v", got, err)
	}
	eventually(t, "handshakes above the bound are closed", func() bool {
		s, err := rg.Snapshot(context.Background())
		return err == nil && s.Shaking <= 200 && s.Handshakes[record.TLSKey{Side: "client", Result: "shed"}] >= 290
	})
	s, err := rg.Snapshot(context.Background())
	if err != nil || s.Relays != 1 {
		t.Errorf("%d relays, %v", s.Relays, err)
	}
}

// clientHello is what a tls.Conn sends first.
func clientHello(t *testing.T) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	go tls.Client(b, &tls.Config{ServerName: "x", InsecureSkipVerify: true}).Handshake()
	buf := make([]byte, 8<<10)
	n, err := a.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	return buf[:n]
}

// TestClearTextOnTLS: the first byte tells plain HTTP from TLS.
func TestClearTextOnTLS(t *testing.T) {
	id := newIdentity(t)
	for _, c := range []struct {
		name, request string
		text          ClearText
		status        int
		location      string
	}{
		{"get", "GET /a?b=c HTTP/1.1\r\nHost: example.com:81\r\n\r\n", Redirect, 301, "https://example.com:81/a?b=c"},
		{"post", "POST /a HTTP/1.1\r\nHost: example.com:81\r\nContent-Length: 2\r\n\r\nhi", Redirect, 308, "https://example.com:81/a"},
		{"no port", "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", Redirect, 301, "https://[::1]:PORT/"},
		{"bad host", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", Redirect, 400, ""},
		{"no host", "GET / HTTP/1.0\r\n\r\n", Redirect, 400, ""},
		{"split", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n Location: b\r\n\r\n", Redirect, 400, ""},
		{"refuse", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", Refuse, 400, ""},
		{"serve", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", Serve, 204, ""},
		{"garbage", "\x15\x03\x01\x00\x02\x02\x28", Redirect, 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			secure := id.listener(0)
			secure.ClearText = c.text
			rg := newRig(t, rigOptions{secure: secure}, backend(t, echo))
			conn, err := net.Dial("tcp", rg.Addrs()[0])
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(conn, c.request)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, port, _ := net.SplitHostPort(rg.Addrs()[0])
			want := strings.ReplaceAll(c.location, "PORT", port)
			if res.StatusCode != c.status || res.Header.Get("Location") != want {
				t.Errorf("%d to %q, want %d to %q", res.StatusCode, res.Header.Get("Location"), c.status, want)
			}
		})
	}
}

// TestTLSEnds: close_notify is passed on as end of stream and told apart from a
// stream that is cut; a bad record gets its alert.
func TestTLSEnds(t *testing.T) {
	id := newIdentity(t)
	for _, max := range []uint16{tls.VersionTLS13, tls.VersionTLS12} {
		t.Run(versionName(max), func(t *testing.T) {
			ended := make(chan error, 4)
			rg := newRig(t, rigOptions{secure: id.listener(max)}, backend(t, func(c net.Conn) {
				_, err := io.Copy(io.Discard, c)
				ended <- err
				wsutil.WriteServerText(c, []byte("after"))
			}))
			client := &tls.Config{RootCAs: id.pool}

			c := rg.dialTLS(client)
			c.(*tls.Conn).CloseWrite()
			if err := <-ended; err != nil {
				t.Errorf("the endpoint saw %v", err)
			}
			if got, err := wsutil.ReadServerText(c); err != nil || string(got) != "after" {
				t.Errorf("behind the half-close: %q, %v", got, err)
			}
			if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("the end for the client: %d, %v: no close_notify", n, err)
			}
			c.Close()
			if end := rg.lastClose(1); end.Why != "fin" || end.Who != record.Client {
				t.Errorf("close_notify: logged %+v", end)
			}

			c = rg.dialTLS(client)
			c.(*tls.Conn).NetConn().(*net.TCPConn).CloseWrite()
			<-ended
			if end := rg.lastClose(2); end.Why != "tls_truncated" || end.Who != record.Client {
				t.Errorf("cut: logged %+v", end)
			}
			c.Close()

			c = rg.dialTLS(client)
			c.(*tls.Conn).NetConn().Write(append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...))
			_, err := c.Read(make([]byte, 1))
			if err == nil || !strings.Contains(err.Error(), "bad record MAC") {
				t.Errorf("a bad record: %v", err)
			}
			<-ended
			if end := rg.lastClose(3); end.Why != "tls_error" || end.Who != record.Client {
				t.Errorf("bad record: logged %+v", end)
			}
			s, err := rg.Snapshot(context.Background())
			if err != nil || len(s.TLSFailures) != 1 {
				t.Errorf("counted %v, %v", s.TLSFailures, err)
			}
		})
	}
}

// TestUpstreamCertificate: an endpoint that cannot prove who it is gets no
// request.
func TestUpstreamCertificate(t *testing.T) {
	id, other := newIdentity(t), newIdentity(t)
	rg := newRig(t, rigOptions{upstream: &tls.Config{RootCAs: other.pool}}, tlsBackend(t, id.server(0), echo))
	_, _, _, err := ws.Dialer{Timeout: 10 * time.Second}.Dial(context.Background(), "ws://"+rg.Addrs()[0]+"/chat")
	if status, ok := err.(ws.StatusError); !ok || int(status) != 502 {
		t.Errorf("%v, want 502", err)
	}
	eventually(t, "the retry is counted", func() bool {
		s, err := rg.Snapshot(context.Background())
		return err == nil && s.Handshakes[record.TLSKey{Side: "upstream", Result: "certificate"}] == 1 && s.Retries["tls"] == 1
	})
}

// TestClientCertificate: what a certificate says cannot break the head that it
// is put into.
func TestClientCertificate(t *testing.T) {
	id := newIdentity(t)
	secure := id.server(0)
	secure.ClientAuth, secure.ClientCAs = tls.RequireAndVerifyClientCert, id.pool
	heads := make(chan string, 1)
	rg := newRig(t, rigOptions{secure: &ListenerTLS{Config: func() *tls.Config { return secure }}}, rawBackend(t, func(c net.Conn) {
		buf := make([]byte, 8<<10)
		n, _ := c.Read(buf)
		heads <- string(buf[:n])
	}))
	d := ws.Dialer{
		Timeout: 10 * time.Second, TLSConfig: &tls.Config{RootCAs: id.pool, Certificates: []tls.Certificate{id.cert}},
		Header: ws.HandshakeHeaderHTTP{"X-Client-Cert-Subject": []string{"CN=root"}},
	}
	d.Dial(context.Background(), "wss://"+rg.Addrs()[0]+"/chat")
	head := <-heads
	if !strings.Contains(head, "\r\nX-Client-Cert-Subject: CN=te\\0d\\0ast\r\n") || strings.Count(head, "X-Client-Cert-Subject") != 1 ||
		!strings.Contains(head, "X-Client-Cert-Fingerprint: ") || !strings.Contains(head, "X-Forwarded-Proto: https\r\n") {
		t.Errorf("the endpoint was sent\n%s", head)
	}
}
