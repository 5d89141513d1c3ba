package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// certificate makes a certificate for 127.0.0.1 with openssl, in the files
// NAME.pem and NAME.key of the world's folder.
func (w *world) certificate(name string) (cert, key string) {
	w.t.Helper()
	cert, key = filepath.Join(w.dir, name+".pem"), filepath.Join(w.dir, name+".key")
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN="+name, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1").CombinedOutput()
	if err != nil {
		w.t.Fatalf("openssl: %v\n%s", err, out)
	}
	return cert, key
}

// secure is a tls section with that certificate.
func secure(cert, key string, more ...string) []string {
	return append([]string{"tls:", fmt.Sprintf("  certificates: [{cert: %q, key: %q}]", cert, key)}, more...)
}

func trust(t *testing.T, cert string) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool}
}

// npm ws and undici over wss, in both versions, get every message back.
func TestSecureNode(t *testing.T) {
	gatewayOnly(t)
	w := newSerialWorld(t)
	cert, key := w.certificate("node")
	t.Setenv("NODE_EXTRA_CA_CERTS", cert)
	for _, version := range []string{"1.3", "1.2"} {
		c := conf{routes: w.echoServers(), secure: secure(cert, key, fmt.Sprintf("  max_version: %q", version))}
		g := w.start(c)
		for _, impl := range []string{"ws", "undici"} {
			var sessions []nodeSession
			for _, r := range g.conf.routes {
				sessions = append(sessions, nodeSession{
					URL: strings.Replace(g.url(r.path), "ws:", "wss:", 1), Deflate: true, Sizes: deflateSizes,
					Close: &nodeClose{Code: 4001, Reason: "bye"},
				})
			}
			for i, r := range nodeClient(t, impl, sessions) {
				if !r.OK || r.Echoes != 2*len(deflateSizes) || r.Code != 4001 {
					t.Errorf("%s, TLS %s, to %s: %d echoes, code %d, %s", impl, version, sessions[i].URL, r.Echoes, r.Code, r.Error)
				}
			}
		}
		if n := g.scrape().sum("wsgate_tls_errors_total"); n != 0 {
			t.Errorf("%v TLS errors", n)
		}
	}
}

// curl gets pages over HTTP/2 and HTTP/1.1, and is sent to https by the same
// port.
func TestSecureCurl(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	cert, key := w.certificate("curl")
	c := simple(w.httpBackend(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(rw, "%s %s", r.Header.Get("X-Forwarded-Proto"), r.URL)
	})))
	c.secure = secure(cert, key)
	g := w.start(c)
	url := "https://" + g.listeners[0] + "/a?b"
	for _, args := range [][]string{{"--http2"}, {"--http1.1"}, {"--http2", "--tls-max", "1.2"}} {
		args = append(args, "-sS", "--cacert", cert, "-w", " %{http_version}", "--max-time", "20", url)
		out, err := exec.Command("curl", args...).CombinedOutput()
		want := "https /a?b 2"
		if args[0] == "--http1.1" {
			want = "https /a?b 1.1"
		}
		if err != nil || string(out) != want {
			t.Errorf("curl %q: %q, %v", args, out, err)
		}
	}
	out, err := exec.Command("curl", "-sS", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "http://"+g.listeners[0]+"/a?b").CombinedOutput()
	if want := "301 " + url; err != nil || string(out) != want {
		t.Errorf("plain: %q, want %q, %v", out, want, err)
	}
}

// openssl updates its keys in the middle of a session, and asks for ours.
func TestSecureKeyUpdate(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	cert, key := w.certificate("openssl")
	c := simple(w.httpBackend(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(rw, "page %s;", r.URL)
	})))
	c.secure = secure(cert, key)
	g := w.start(c)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", "s_client", "-connect", g.listeners[0], "-CAfile", cert, "-verify_return_error", "-crlf")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ask := func(path string) {
		fmt.Fprintf(in, "GET %s HTTP/1.1\nHost: localhost\n\n", path)
		eventually(t, 20*time.Second, path+" from openssl", func() bool { return strings.Contains(out.String(), "page "+path+";") })
	}
	ask("/1")
	for i, update := range []string{"k", "K"} { // s_client: update our keys; and ask for the server's
		fmt.Fprintln(in, update)
		eventually(t, 20*time.Second, "KEYUPDATE", func() bool { return strings.Count(out.String(), "KEYUPDATE") > i })
		ask(fmt.Sprintf("/%d", i+2))
	}
	in.Close()
	cmd.Wait()
	if n := g.scrape().sum("wsgate_tls_errors_total"); n != 0 {
		t.Errorf("%v TLS errors\n%s", n, out.String())
	}
}

// A certificate that changes is served at once after SIGHUP, a broken one is
// not, and the session that is open is not touched.
func TestSecureCertificateSwap(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	cert, key := w.certificate("one")
	other, otherKey := w.certificate("two")
	c := simple(w.coderEcho(false, false))
	c.secure = secure(cert, key)
	g := w.start(c)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	dial := func(trusted *tls.Config) *websocket.Conn {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: trusted}}
		ws, _, err := websocket.Dial(ctx, "wss://"+g.listeners[0]+"/", &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		w.clients = append(w.clients, func() { ws.CloseNow() })
		return ws
	}
	echo := func(ws *websocket.Conn) {
		t.Helper()
		if err := ws.Write(ctx, websocket.MessageText, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, got, err := ws.Read(ctx); err != nil || string(got) != "x" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	first, second := trust(t, cert), trust(t, other)
	ws := dial(first)
	echo(ws)
	for _, f := range [][2]string{{other, cert}, {otherKey, key}} {
		if err := os.Rename(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	g.signal(syscall.SIGHUP)
	g.waitLine("SIGHUP: 1 certificate files taken over")
	echo(dial(second))
	if err := os.WriteFile(cert, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.signal(syscall.SIGHUP)
	g.waitLine("the last good one stays in use")
	echo(dial(second))
	echo(ws)
}

// lockedBuffer takes what a process writes while a test looks at it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
