package load

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"wsgate/bench/rivals"
)

// peer starts a rival before the backend, and stops it when the test ends.
func peer(t *testing.T, name string, how rivals.TLS) (url string, cert rivals.Certificate) {
	t.Helper()
	g, _ := rivals.Find(name)
	binary, err := g.Look()
	if errors.Is(err, rivals.ErrMissing) {
		t.Skip(err)
	}
	dir := t.TempDir()
	if cert, err = rivals.NewCertificate(dir, how.Key); err != nil {
		t.Fatal(err)
	}
	set := rivals.Settings{Backends: []netip.AddrPort{netip.MustParseAddrPort(serve(t))}, Dir: dir, TLS: &rivals.Terminate{TLS: how, Certificate: cert}}
	// Somebody else may take the port meanwhile.
	for try := 0; ; try++ {
		set.Listen = freePort(t)
		file := filepath.Join(dir, g.File)
		if err := g.Configure(file, set); err != nil {
			t.Fatal(err)
		}
		out := new(bytes.Buffer)
		cmd := exec.Command(binary, g.Args(file)...)
		cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		if listening(set.Listen, ended) {
			t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); <-ended })
			return "wss://" + set.Listen.String(), cert
		}
		_ = cmd.Process.Kill()
		if <-ended; try == 2 {
			t.Fatalf("%s does not listen: %s", name, out)
		}
	}
}

// listening waits until somebody listens at addr or the process has ended.
func listening(addr netip.AddrPort, ended chan struct{}) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		if c, err := net.Dial("tcp", addr.String()); err == nil {
			c.Close()
			return true
		}
		select {
		case <-ended:
			return false
		case <-tick.C:
		}
	}
	return false
}

func freePort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

// TestRivalsOverTLS: OpenSSL's side of the protocol was not written here.
func TestRivalsOverTLS(t *testing.T) {
	for _, name := range []string{"nginx", "haproxy"} {
		for _, how := range []rivals.TLS{{Version: rivals.TLS13, Key: rivals.RSA}, {Version: rivals.TLS12, Key: rivals.ECDSA}} {
			t.Run(name+" "+how.Version, func(t *testing.T) {
				url, cert := peer(t, name, how)
				suite := tls.CipherSuiteName(how.Suite())
				want := TLSReport{Version: "TLS " + how.Version, Group: rivals.Group, Cipher: suite, KeyType: how.Key}
				for what, c := range map[string]Config{
					"echo":    {Mode: Echo, Conns: 10, InFlight: 2},
					"down":    {Mode: Down, Conns: 2, Size: 65536},
					"up":      {Mode: Up, Conns: 2, Size: 65536, InFlight: 2},
					"churn":   {Mode: Churn, Conns: 4},
					"resumed": {Mode: Churn, Conns: 4, TLS: &TLS{Resume: true}},
				} {
					if c.TLS == nil {
						c.TLS = &TLS{}
					}
					c.TLS.Version, c.TLS.Group, c.TLS.ServerName, c.TLS.Roots = how.Protocol(), tls.X25519, rivals.ServerName, cert.Roots
					r := mustRun(t, quickly(url, c))
					if r.Err() != nil || r.Closed != r.Opened {
						t.Errorf("%s: %v %q", what, r.Faults, r.Examples)
						continue
					}
					got := *r.TLS
					switch {
					case !c.TLS.Resume && (got.Full != r.Opened || got.Resumed != 0):
						t.Errorf("%s: %d opened, %v", what, r.Opened, r.TLS)
					case c.TLS.Resume && (got.Resumed == 0 || got.Full > int64(r.Conns)):
						t.Errorf("%s: %d opened, %v", what, r.Opened, r.TLS)
					}
					got.Full, got.Resumed, got.Handshake = 0, 0, Summary{}
					if got != want {
						t.Errorf("%s: got %v, want %v", what, &got, &want)
					}
				}
			})
		}
	}
}
