package config

import "time"

// TLS is how a listener terminates TLS. It has certificates, ACME or
// SelfSigned; files and ACME may come together, SelfSigned comes alone.
type TLS struct {
	// Certificates are in the order of the file. The first is for clients that
	// name no host, or one that no certificate is for.
	Certificates []Certificate
	// SelfSigned: a certificate made in memory at start, for trying things out.
	SelfSigned bool
	// MinVersion and MaxVersion are tls.VersionTLS12 or tls.VersionTLS13.
	MinVersion, MaxVersion uint16
	// CipherSuites are those of TLS 1.2, as crypto/tls numbers them; empty is
	// every one with an AEAD. Their order has no meaning, and those of TLS 1.3
	// cannot be chosen.
	CipherSuites []uint16
	// Curves are groups for the key exchange, as crypto/tls numbers them; empty
	// is what crypto/tls takes. Their order has no meaning.
	Curves []uint16
	// ALPN has "h2", "http/1.1" or both, in order of preference.
	ALPN    []string
	Tickets Tickets
	// ClientAuth is nil when no client certificate is asked for.
	ClientAuth *ClientAuth
	// KeyLog is the path of the file that the secrets of all sessions are
	// appended to, "" for none.
	KeyLog string
	// ACME is nil when no certificate is obtained by it.
	ACME *ACME
	Pos  Pos
}

// Certificate is a certificate chain with its key, as paths of PEM files.
type Certificate struct {
	Cert, Key string
	// OCSP is the path of a DER file with the answer to staple, "" for none.
	OCSP string
	Pos  Pos
}

// Tickets are the keys of resumption.
type Tickets struct {
	// Off: no session is resumed.
	Off bool
	// Rotate is how long a key makes new tickets; the two before it are still
	// taken. It has no meaning with a File.
	Rotate time.Duration
	// File is the path of a file with keys, "" for keys made at random.
	File string
}

// ClientAuth asks clients for a certificate.
type ClientAuth struct {
	// Mode is "require", or "request": none is fine, a bad one is not.
	Mode string
	// CA is the path of a PEM file with the certificates that clients' must
	// come from.
	CA string
}

// ACME obtains certificates (RFC 8555).
type ACME struct {
	// Domains are lower-case names, one at least, none twice, no wildcards.
	Domains []string
	// Email is for the account, "" for none.
	Email string
	// Directory is the https URL of the server.
	Directory string
	// Storage is the path of the folder for accounts, keys and certificates.
	Storage string
	// CA is the path of a PEM file with the certificates that the directory's
	// must come from, "" for the system's.
	CA string
	// Challenges has "tls-alpn-01", "http-01" or both.
	Challenges []string
	Pos        Pos
}

// UpstreamTLS is how endpoints are talked to over TLS.
type UpstreamTLS struct {
	// ServerName is sent as SNI and verified; "" verifies the IP address of the
	// endpoint and sends no SNI.
	ServerName string
	// CA is the path of a PEM file with the certificates that endpoints' must
	// come from, "" for the system's.
	CA string
	// Cert and Key are the paths of the client certificate, both or neither "".
	Cert, Key string
	// InsecureSkipVerify: nothing is verified.
	InsecureSkipVerify bool
	// MinVersion is tls.VersionTLS12 or tls.VersionTLS13.
	MinVersion uint16
	Pos        Pos
}

// LetsEncrypt is the default of ACME.Directory.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"
