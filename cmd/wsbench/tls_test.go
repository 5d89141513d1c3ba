package main

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"wsgate/bench/load"
	"wsgate/bench/rivals"
)

// terminate speaks TLS for a plain address until the test ends.
func terminate(t *testing.T, cert rivals.Certificate, addr string) (url string) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(cert.Chain, cert.Key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer client.Close()
				server, err := net.Dial("tcp", addr)
				if err != nil {
					return
				}
				defer server.Close()
				wg.Go(func() {
					_, _ = io.Copy(server, client)
					_ = server.(*net.TCPConn).CloseWrite()
				})
				_, _ = io.Copy(client, server)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return "wss://" + l.Addr().String()
}

func TestLoadOverTLS(t *testing.T) {
	cert, err := rivals.NewCertificate(t.TempDir(), rivals.ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	url := terminate(t, cert, startBackend(t)[0])
	cmd, _ := command(t, "load", "churn", url, "-c", "2", "--duration", "400ms", "--ca", cert.Chain, "--server-name", rivals.ServerName,
		"--tls-version", "1.2", "--tls-group", "P-384", "--tls-cipher", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "--resume", "--json")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var r load.Report
	if err := json.Unmarshal(out, &r); err != nil || r.TLS == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := load.TLSReport{
		Version: "TLS 1.2", Group: "P-384", Cipher: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", KeyType: rivals.ECDSA,
		Full: r.TLS.Full, Resumed: r.TLS.Resumed, Handshake: r.TLS.Handshake,
	}
	if *r.TLS != want || r.TLS.Resumed == 0 || r.FaultCount() != 0 {
		t.Fatalf("%s", out)
	}
	cmd, _ = command(t, "load", "echo", url, "-c", "2", "--duration", "100ms", "--insecure", "--tls-version", "1.3", "--tls-group", "X25519")
	if out, err = cmd.Output(); err != nil || !strings.Contains(string(out), "\ntls          TLS 1.3, X25519, ") || !strings.Contains(string(out), "handshakes: 2 full, 0 resumed\n") {
		t.Fatalf("%v\n%s", err, out)
	}
	// The system does not know this certificate.
	if code, stderr := exitCode(t, "load", "echo", url, "-c", "1", "--duration", "10ms", "--server-name", rivals.ServerName); code != 1 || !strings.Contains(stderr, "unknown authority") {
		t.Fatalf("exit %d, %q", code, stderr)
	}
}
