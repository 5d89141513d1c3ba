package load

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// identity is a server's certificate and what a client needs to trust it.
type identity struct {
	cert  tls.Certificate
	roots *x509.CertPool
}

// identities are made once for all tests, by the type of their key.
var identities = sync.OnceValues(func() (map[string]identity, error) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	all := map[string]identity{}
	for name, key := range map[string]crypto.Signer{"ECDSA P-256": ec, "RSA 2048": rs, "Ed25519": ed} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), DNSNames: []string{"gateway.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			return nil, err
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		id := identity{cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots: x509.NewCertPool()}
		id.roots.AddCert(leaf)
		all[name] = id
	}
	return all, nil
})

func identified(t *testing.T, key string) identity {
	t.Helper()
	all, err := identities()
	if err != nil {
		t.Fatal(err)
	}
	return all[key]
}

// A front terminates TLS in front of a plain address.
type front struct {
	cfg  *tls.Config                         // of the server
	wrap func(conn int, c net.Conn) net.Conn // the transport under TLS; nil leaves it as it is
	last bool                                // it ends what it sends only after the client has
}

// listen starts the front until the test ends.
func (f *front) listen(t *testing.T, addr string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for id := 0; ; id++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if f.wrap != nil {
				c = f.wrap(id, c)
			}
			wg.Go(func() { f.terminate(tls.Server(c, f.cfg), addr) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return "wss://" + l.Addr().String()
}

func (f *front) terminate(client *tls.Conn, addr string) {
	defer client.Close()
	if client.Handshake() != nil {
		return
	}
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	})
	_, _ = io.Copy(client, server)
	if f.last {
		wg.Wait()
	}
	_ = client.CloseWrite()
	wg.Wait()
}

// accepting hands connections to serve, until the test ends.
func accepting(t *testing.T, serve func(c net.Conn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return "wss://" + l.Addr().String()
}

// tapped is a transport whose writes go through a function.
type tapped struct {
	net.Conn
	write func(b []byte) (int, error)
}

func (c *tapped) Write(b []byte) (int, error) { return c.write(b) }

// heard is a transport that keeps what it has read.
type heard struct {
	net.Conn
	mu sync.Mutex
	b  []byte
}

func (c *heard) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	c.b = append(c.b, b[:n]...)
	c.mu.Unlock()
	return n, err
}

// records are the content types of the records in what was read, and whether
// they fill it.
func (c *heard) records() (types []byte, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.b
	for len(b) >= 5 {
		n := 5 + int(b[3])<<8 + int(b[4])
		if n > len(b) {
			break
		}
		types = append(types, b[0])
		b = b[n:]
	}
	return types, len(b) == 0
}
