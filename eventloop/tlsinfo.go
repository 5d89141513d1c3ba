package eventloop

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"

	"wsgate/eventloop/record"
	tlsrecord "wsgate/splice/record"
)

// tlsInfo is what the log and the endpoints are told about a connection.
func tlsInfo(conn *tls.Conn, server bool) *record.TLS {
	st := conn.ConnectionState()
	info := &record.TLS{
		Version:    versionName(st.Version),
		Cipher:     tls.CipherSuiteName(st.CipherSuite),
		Protocol:   st.NegotiatedProtocol,
		ServerName: st.ServerName,
		Resumed:    st.DidResume,
	}
	if server && len(st.VerifiedChains) > 0 {
		leaf := st.VerifiedChains[0][0]
		sum := sha256.Sum256(leaf.Raw)
		info.Subject = printable(leaf.Subject.String())
		info.Fingerprint = hex.EncodeToString(sum[:])
	}
	return info
}

// printable escapes what must not be in a header field as RFC 4514 2.4 does:
// a certificate's names may hold any character.
func printable(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			b.WriteByte('\\')
			b.WriteString(hex.EncodeToString([]byte{c}))
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func versionName(v uint16) string {
	switch v {
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return "unknown"
}

// handshakeFailure is the word for a failed handshake in counters.
func handshakeFailure(err error) string {
	var alert tls.AlertError
	var header tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.Is(err, errShakeTimeout):
		return "timeout"
	case errors.Is(err, errShakeShed):
		return "shed"
	case errors.Is(err, errShakeGone), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "eof"
	case errors.As(err, &header):
		return "garbage"
	case errors.As(err, &op) && op.Op == "remote error", errors.As(err, &alert):
		return "alert"
	}
	var invalid *tls.CertificateVerificationError
	if errors.As(err, &invalid) {
		return "certificate"
	}
	return "refused"
}

// failureName is the word for a connection whose records cannot be read.
func failureName(err error) string {
	var e *tlsrecord.Error
	if errors.As(err, &e) {
		if e.Remote {
			return "alert_received"
		}
		return e.Alert.String()
	}
	return "bad_record"
}

func (l *Loop) countHandshake(sd side, version, result string) {
	name := "client"
	if sd == upstream {
		name = "upstream"
	}
	l.counters.Handshakes[record.TLSKey{Side: name, Version: version, Result: result}]++
}

// portOf returns the port of a listening address, "" for none or that of
// https.
func portOf(listener string) string {
	ap, err := netip.ParseAddrPort(listener)
	if err != nil || ap.Port() == 443 {
		return ""
	}
	_, port, _ := net.SplitHostPort(listener)
	return port
}

// shakeUpstream begins the handshake with the endpoint.
func (s *session) shakeUpstream(l *Loop) {
	address := s.endpoint.Address
	config := s.att.pool.TLS
	h := l.newShake(s, upstream, netip.Addr{}, endpointAddr(s.att.pool.Name+" "+address))
	l.g.shakeWith(h, func() *tls.Config { return config(address) })
}

// endpointAddr is an endpoint as a net.Addr: session tickets are kept under it.
type endpointAddr string

func (endpointAddr) Network() string  { return "tcp" }
func (a endpointAddr) String() string { return string(a) }
