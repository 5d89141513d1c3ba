package certs

import (
	"crypto/tls"
	"testing"

	"wsgate/cmd/wsgate/internal/config"
)

// BenchmarkClone is what every handshake pays for a configuration of its own.
func BenchmarkClone(b *testing.B) {
	store := Open(Options{Every: -1})
	defer store.Close()
	s := section()
	s.SelfSigned = true
	l, err := store.Listener(&config.Listener{Address: "127.0.0.1:443", TLS: s})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = l.Config().Clone()
	}
}

// BenchmarkChoose is the choice among a thousand certificates.
func BenchmarkChoose(b *testing.B) {
	ca := newAuthority(b, "CA")
	var all []*tls.Certificate
	for i := range 1000 {
		pair := ca.issue(request{}, string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676))+".test").pair(b)
		all = append(all, &pair)
	}
	x := newIndex(all)
	hello := &tls.ClientHelloInfo{
		ServerName: "aba.test", SupportedVersions: []uint16{tls.VersionTLS13}, CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.X25519}, SupportedPoints: []uint8{0},
	}
	b.ReportAllocs()
	for b.Loop() {
		if x.choose(hello) == nil {
			b.Fatal("none")
		}
	}
}
