package record

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
	"unsafe"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRFC8448 opens and seals the application data of the simple 1-RTT
// handshake of RFC 8448 section 3.
func TestRFC8448(t *testing.T) {
	client := unhex(t, "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")
	server := unhex(t, "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
	var d Direction
	d.Suite = AES128GCM
	d.set(server)
	if want := unhex(t, "9f02283b6c9c07efc26bb9f2ac92e356"); !bytes.Equal(d.key(), want) {
		t.Errorf("server key %x, want %x", d.key(), want)
	}
	if want := unhex(t, "cf782b88dd83549aadf1e984"); !bytes.Equal(d.IV[:], want) {
		t.Errorf("server iv %x, want %x", d.IV, want)
	}
	d.set(client)
	if want := unhex(t, "17422dda596ed5d9acd890e3c63f5051"); !bytes.Equal(d.key(), want) {
		t.Errorf("client key %x, want %x", d.key(), want)
	}
	if want := unhex(t, "5b78923dee08579033e523d9"); !bytes.Equal(d.IV[:], want) {
		t.Errorf("client iv %x, want %x", d.IV, want)
	}
	wire := unhex(t, `17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66
		bc ab 3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d ea e6 3a ee bb
		21 69 49 15 e4`)
	plain := make([]byte, 50)
	for i := range plain {
		plain[i] = byte(i)
	}
	var s, c Conn
	if err := s.Init(AES128GCM, false, client, server); err != nil {
		t.Fatal(err)
	}
	if err := c.Init(AES128GCM, true, server, client); err != nil {
		t.Fatal(err)
	}
	k := NewCache(4)
	out, n, _, err := s.Open(k, nil, wire)
	if err != nil || n != len(wire) || !bytes.Equal(out, plain) {
		t.Fatalf("opened %x, %d bytes, %v", out, n, err)
	}
	if got := c.Seal(k, nil, plain); !bytes.Equal(got, wire) {
		t.Errorf("sealed\n%x, want\n%x", got, wire)
	}
}

// certificate makes a certificate for 127.0.0.1.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(crand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// oneRecord is a net.Conn that gives one record at a time and keeps what was
// written.
type oneRecord struct {
	net.Conn
	left    int
	head    []byte
	written bytes.Buffer
}

func (c *oneRecord) Read(p []byte) (int, error) {
	if c.left == 0 && len(c.head) == 0 {
		c.head = make([]byte, headerLen)
		if _, err := io.ReadFull(c.Conn, c.head); err != nil {
			return 0, err
		}
		c.left = int(c.head[3])<<8 | int(c.head[4])
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func (c *oneRecord) Write(p []byte) (int, error) {
	c.written.Write(p)
	return c.Conn.Write(p)
}

// pair is a crypto/tls client and a Conn on the server's side of the same
// connection, behind a handshake of crypto/tls on both sides.
func pair(t testing.TB, server, client *tls.Config) (*tls.Conn, *Conn, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	raw, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close(); peer.Close() })
	secrets := NewSecrets(nil)
	sc := server.Clone()
	sc.KeyLogWriter = secrets
	one := &oneRecord{Conn: peer}
	srv, cl := tls.Server(one, sc), tls.Client(raw, client)
	done := make(chan error, 1)
	go func() { done <- cl.Handshake() }()
	if err := srv.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	suite := Suite(srv.ConnectionState().CipherSuite)
	sent, err := CountOwn(suite, secrets.Server(), one.written.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	// A server sends a ticket to a client that could use it.
	if want := server.SessionTicketsDisabled || client.ClientSessionCache == nil; (sent == 0) != want {
		t.Fatalf("%d records of our own counted", sent)
	}
	c := new(Conn)
	if err := c.Init(suite, false, secrets.Client(), secrets.Server()); err != nil {
		t.Fatal(err)
	}
	c.SetSeq(0, sent)
	return cl, c, peer
}

// TestCryptoTLS exchanges random messages with a tls.Conn: full and resumed,
// with and without tickets, with client certificates, and with
// HelloRetryRequest.
func TestCryptoTLS(t *testing.T) {
	cert := certificate(t)
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	base := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
	base.SetSessionTicketKeys([][32]byte{{1}}) // or each clone has its own
	noTickets := base.Clone()
	noTickets.SessionTicketsDisabled = true
	mutual := base.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAnyClientCert, pool
	retry := base.Clone()
	retry.CurvePreferences = []tls.CurveID{tls.CurveP384}
	client := &tls.Config{
		RootCAs: pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{cert},
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}
	fresh := client.Clone()
	fresh.ClientSessionCache = nil
	fresh.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}
	for _, c := range []struct {
		name           string
		server, client *tls.Config
		resumed        bool
	}{
		{"full", base, client, false}, {"resumed", base, client, true},
		{"no tickets", noTickets, fresh, false}, {"client certificate", mutual, fresh, false},
		{"retry", retry, fresh, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, rec, raw := pair(t, c.server, c.client)
			if got := cl.ConnectionState().DidResume; got != c.resumed {
				t.Fatalf("resumed: %v", got)
			}
			exchange(t, cl, rec, raw)
		})
	}
}

// exchange sends messages of many sizes both ways, and a KeyUpdate of ours in
// between.
func exchange(t *testing.T, cl *tls.Conn, rec *Conn, raw net.Conn) {
	k := NewCache(2)
	rnd := rand.New(rand.NewPCG(1, 2))
	var in []byte
	buf := make([]byte, 64<<10)
	for i := range 120 {
		msg := make([]byte, 1+rnd.IntN(40<<10))
		for j := range msg {
			msg[j] = byte(rnd.Uint32())
		}
		sent := make(chan error, 1)
		go func() { _, err := cl.Write(msg); sent <- err }()
		var got []byte
		for len(got) < len(msg) {
			out, n, _, err := rec.Open(k, got, in)
			if err != nil {
				t.Fatal(err)
			}
			got = out
			in = in[n:]
			if n == 0 {
				m, err := raw.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				in = append(append([]byte(nil), in...), buf[:m]...)
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, msg) {
			t.Fatalf("message %d arrived changed", i)
		}
		var wire []byte
		if i%10 == 5 {
			wire = rec.AppendKeyUpdate(k, wire, i%20 == 5)
		}
		go raw.Write(rec.Seal(k, wire, msg))
		back := make([]byte, len(msg))
		if _, err := io.ReadFull(cl, back); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if !bytes.Equal(back, msg) {
			t.Fatalf("message %d came back changed", i)
		}
	}
	if rec.in.Epoch == 0 {
		t.Error("the client never updated its keys, although it was asked to")
	}
}

// TestSameRandom: two handshakes with the same client random keep their own
// keys, because nothing is looked up by it.
func TestSameRandom(t *testing.T) {
	cert := certificate(t)
	server := &tls.Config{Certificates: []tls.Certificate{cert}}
	var conns [2]*Conn
	for i := range conns {
		client := &tls.Config{InsecureSkipVerify: true, Rand: zeros{}}
		cl, rec, raw := pair(t, server, client)
		conns[i] = rec
		exchange(t, cl, rec, raw)
	}
	if conns[0].in.Secret == conns[1].in.Secret || conns[0].out.Secret == conns[1].out.Secret {
		t.Error("two connections share a secret")
	}
}

// zeros is a source that makes every client random the same.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func twin(t testing.TB, suite Suite) (a, b *Conn) {
	t.Helper()
	n := suite.hash().Size()
	one, two := bytes.Repeat([]byte{1}, n), bytes.Repeat([]byte{2}, n)
	a, b = new(Conn), new(Conn)
	if err := errors.Join(a.Init(suite, false, one, two), b.Init(suite, true, two, one)); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// TestBitFlips: no changed byte of a record is ever taken for data.
func TestBitFlips(t *testing.T) {
	for _, suite := range []Suite{AES128GCM, AES256GCM, ChaCha20} {
		a, _ := twin(t, suite)
		wire := a.Seal(NewCache(1), nil, []byte("hello"))
		for i := range wire {
			for bit := range 8 {
				bad := bytes.Clone(wire)
				bad[i] ^= 1 << bit
				_, b := twin(t, suite)
				out, n, _, err := b.Open(NewCache(1), nil, bad)
				if len(out) > 0 {
					t.Fatalf("%#x: byte %d, bit %d: opened %q", suite, i, bit, out)
				}
				if err == nil && n > 0 {
					t.Fatalf("%#x: byte %d, bit %d: no error", suite, i, bit)
				}
				if err == nil && i != 3 && i != 4 {
					t.Fatalf("%#x: byte %d, bit %d: waits for more", suite, i, bit)
				}
			}
		}
	}
}

// TestFaults: what a peer must not send gets the alert that RFC 8446 names.
func TestFaults(t *testing.T) {
	k := NewCache(8)
	seal := func(c *Conn, typ byte, p []byte) []byte { return c.append(k, nil, typ, p) }
	for _, c := range []struct {
		name  string
		typ   byte
		body  []byte
		alert Alert
	}{
		{"ticket to a server", typeHandshake, []byte{msgNewSessionTicket, 0, 0, 1, 0}, AlertUnexpectedMessage},
		{"certificate request", typeHandshake, []byte{13, 0, 0, 1, 0}, AlertUnexpectedMessage},
		{"long key update", typeHandshake, []byte{msgKeyUpdate, 0, 0, 2, 0, 0}, AlertDecodeError},
		{"odd key update", typeHandshake, []byte{msgKeyUpdate, 0, 0, 1, 2}, AlertIllegalParameter},
		{"something behind a key update", typeHandshake, []byte{msgKeyUpdate, 0, 0, 1, 0, msgKeyUpdate}, AlertUnexpectedMessage},
		{"empty handshake", typeHandshake, nil, AlertUnexpectedMessage},
		{"padding only", 0, make([]byte, 10), AlertUnexpectedMessage},
		{"unknown type", 99, []byte{1}, AlertUnexpectedMessage},
		{"change cipher spec", 20, []byte{1}, AlertUnexpectedMessage},
		{"malformed alert", typeAlert, []byte{1}, AlertDecodeError},
	} {
		a, b := twin(t, AES128GCM)
		_, _, _, err := a.Open(k, nil, seal(b, c.typ, c.body))
		if alert, due := AlertDue(err); err == nil || !due || alert != c.alert {
			t.Errorf("%s: %v, want %v", c.name, err, c.alert)
		}
	}
	a, b := twin(t, AES128GCM)
	if _, _, ev, err := a.Open(k, nil, b.AppendAlert(k, nil, AlertCloseNotify)); ev != CloseNotify || err != nil {
		t.Errorf("close_notify: %v, %v", ev, err)
	}
	a, b = twin(t, AES128GCM)
	_, _, _, err := a.Open(k, nil, b.AppendAlert(k, nil, AlertBadRecordMAC))
	if _, due := AlertDue(err); err == nil || due {
		t.Errorf("an alert of the peer's: %v", err)
	}
	a, b = twin(t, AES128GCM)
	for i := range maxUseless + 1 {
		if _, _, _, err = a.Open(k, nil, seal(b, typeData, nil)); err != nil && i < maxUseless {
			t.Fatalf("empty record %d: %v", i, err)
		}
	}
	if err != faultUseless {
		t.Errorf("empty records in a row: %v", err)
	}
	a, _ = twin(t, AES128GCM)
	if _, _, _, err := a.Open(k, nil, []byte{typeData, 3, 3, 0x41, 0x01}); err != faultTooLong {
		t.Errorf("a record of 2^14+257 bytes: %v", err)
	}
}

// TestKeyUpdateCut: a KeyUpdate cut into single bytes is one all the same, and
// the answer goes out with the next data.
func TestKeyUpdateCut(t *testing.T) {
	k := NewCache(8)
	a, b := twin(t, AES256GCM)
	msg := []byte{msgKeyUpdate, 0, 0, 1, 1}
	for i := range msg {
		_, _, ev, err := a.Open(k, nil, b.append(k, nil, typeHandshake, msg[i:i+1]))
		if err != nil || (ev == Updated) != (i == len(msg)-1) {
			t.Fatalf("byte %d: %v, %v", i, ev, err)
		}
	}
	b.out.update()
	k.Drop(b)
	if out, _, _, err := a.Open(k, nil, b.Seal(k, nil, []byte("x"))); err != nil || string(out) != "x" {
		t.Fatalf("after the update: %q, %v", out, err)
	}
	wire := a.Seal(k, nil, []byte("y"))
	_, n, ev, err := b.Open(k, nil, wire)
	if err != nil || ev != Updated {
		t.Fatalf("the answer: %v, %v", ev, err)
	}
	if out, _, _, err := b.Open(k, nil, wire[n:]); err != nil || string(out) != "y" {
		t.Fatalf("behind the answer: %q, %v", out, err)
	}
}

// TestLimits: keys change before they are used up, in both directions.
func TestLimits(t *testing.T) {
	k := NewCache(8)
	a, b := twin(t, AES128GCM)
	a.out.Seq, b.in.Seq = a.out.Suite.limit(), a.out.Suite.limit()
	wire := a.Seal(k, nil, []byte("x"))
	_, n, ev, err := b.Open(k, nil, wire)
	if err != nil || ev != Updated || a.out.Epoch != 1 {
		t.Fatalf("our own limit: %v, %v, epoch %d", ev, err, a.out.Epoch)
	}
	if out, _, _, err := b.Open(k, nil, wire[n:]); err != nil || string(out) != "x" {
		t.Fatalf("%q, %v", out, err)
	}
	a, b = twin(t, AES128GCM)
	a.in.Seq, b.out.Seq = a.in.Suite.limit()-1, a.in.Suite.limit()-1
	if _, _, _, err := a.Open(k, nil, b.append(k, nil, typeData, []byte("x"))); err != nil {
		t.Fatal(err)
	}
	if _, _, ev, err := b.Open(k, nil, a.Seal(k, nil, []byte("y"))); ev != Updated || err != nil {
		t.Fatalf("the peer is not asked: %v, %v", ev, err)
	}
	if b.flags&oweUpdate == 0 {
		t.Error("the peer's keys are used up and it has not been asked for new ones")
	}
	a.in.Seq = 1<<64 - 1
	if _, _, _, err := a.Open(k, nil, b.append(k, nil, typeData, []byte("x"))); err != faultSequence {
		t.Errorf("the last sequence number: %v", err)
	}
}

// TestCache: the ciphers of a bounded number of connections are kept, those
// used last.
func TestCache(t *testing.T) {
	k := NewCache(2)
	conns := make([]*Conn, 3)
	for i := range conns {
		conns[i], _ = twin(t, AES128GCM)
		conns[i].Seal(k, nil, []byte("x"))
	}
	if k.Len() != 2 || k.Built() != 3 || conns[0].entry != nil || conns[1].entry == nil {
		t.Fatalf("%d held, %d built", k.Len(), k.Built())
	}
	conns[1].Seal(k, nil, []byte("x"))
	conns[0].Seal(k, nil, []byte("x"))
	if conns[2].entry != nil || conns[1].entry == nil || k.Built() != 4 {
		t.Error("the connection used last was dropped")
	}
	for _, c := range conns {
		k.Drop(c)
	}
	if k.Len() != 0 || k.first != nil || k.last != nil {
		t.Error("something is left")
	}
}

// TestAllocations: with the ciphers at hand nothing is allocated.
func TestAllocations(t *testing.T) {
	for _, suite := range []Suite{AES128GCM, AES256GCM, ChaCha20} {
		a, b := twin(t, suite)
		ka, kb := NewCache(1), NewCache(1)
		msg := make([]byte, 64)
		wire := make([]byte, 0, Overhead(len(msg)))
		plain := make([]byte, 0, 256)
		if n := testing.AllocsPerRun(100, func() {
			w := a.Seal(ka, wire, msg)
			if _, _, _, err := b.Open(kb, plain, w); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%#x: %v allocations", suite, n)
		}
	}
}

// TestSize: what an idle connection costs.
func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 256 {
		t.Errorf("a Conn takes %d bytes", n)
	}
}

// TestWipe: no secret is left.
func TestWipe(t *testing.T) {
	a, _ := twin(t, AES128GCM)
	a.Wipe()
	if *a != (Conn{}) {
		t.Error("something is left")
	}
}

// FuzzCuts opens a stream of records that is cut anywhere.
func FuzzCuts(f *testing.F) {
	f.Add([]byte{1, 5, 200, 3}, uint16(300))
	f.Add([]byte{0, 0, 0}, uint16(1))
	f.Fuzz(func(t *testing.T, cuts []byte, size uint16) {
		k := NewCache(2)
		a, b := twin(t, ChaCha20)
		msg := bytes.Repeat([]byte("0123456789"), int(size)/5+1)
		wire := a.Seal(k, nil, msg)
		wire = a.AppendKeyUpdate(k, wire, true)
		wire = a.Seal(k, wire, msg)
		wire = a.AppendAlert(k, wire, AlertCloseNotify)
		var got, in []byte
		for i := 0; len(wire) > 0; i++ {
			n := len(wire)
			if i < len(cuts) {
				n = min(n, 1+int(cuts[i]))
			}
			in = append(in, wire[:n]...)
			wire = wire[n:]
			for {
				out, n, ev, err := b.Open(k, got, in)
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					break
				}
				got, in = out, in[n:]
				if ev == CloseNotify && len(in)+len(wire) > 0 {
					t.Fatal("close_notify before the end")
				}
			}
		}
		if !bytes.Equal(got, append(bytes.Clone(msg), msg...)) {
			t.Fatal("what came out is not what went in")
		}
	})
}
