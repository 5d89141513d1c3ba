package load

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// TLS says how a run speaks TLS. The zero value of a field is its default.
type TLS struct {
	ServerName string         // in SNI and in the certificate; empty: the URL's host
	Roots      *x509.CertPool // that the certificate has to lead to; nil: the system's
	Insecure   bool           // any certificate is taken
	Version    uint16         // exactly this one, as crypto/tls numbers it; 0: 1.2 or 1.3
	Group      tls.CurveID    // exactly this one; 0: what crypto/tls offers
	Cipher     uint16         // exactly this one, of TLS 1.2; 0: what crypto/tls offers
	Resume     bool           // offer the latest session of the run; without it every handshake is full
}

// groups are those that a run can be held to.
var groups = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.X25519MLKEM768}

// ParseTLSVersion reads "1.2" or "1.3"; "" is 0, either of them.
func ParseTLSVersion(name string) (uint16, error) {
	switch name {
	case "":
		return 0, nil
	case "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("TLS version %q: it is 1.2 or 1.3", name)
}

// ParseTLSGroup reads the name of a key exchange group; "" is 0, any.
func ParseTLSGroup(name string) (tls.CurveID, error) {
	var names []string
	for _, id := range groups {
		if groupName(id) == name {
			return id, nil
		}
		names = append(names, groupName(id))
	}
	if name == "" {
		return 0, nil
	}
	return 0, fmt.Errorf("TLS group %q: it is one of %v", name, names)
}

// ParseTLSCipher reads the standard name of a cipher suite of TLS 1.2, such as
// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256; "" is 0, any.
func ParseTLSCipher(name string) (uint16, error) {
	if name == "" {
		return 0, nil
	}
	for _, s := range suites12() {
		if s.Name == name {
			return s.ID, nil
		}
	}
	return 0, fmt.Errorf("TLS cipher %q: it is no cipher suite of TLS 1.2 that is known here", name)
}

// suites12 are the cipher suites of TLS 1.2 that crypto/tls has.
func suites12() []*tls.CipherSuite {
	all := slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites())
	return slices.DeleteFunc(all, func(s *tls.CipherSuite) bool { return !slices.Contains(s.SupportedVersions, tls.VersionTLS12) })
}

func (t *TLS) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("TLS "+format, args...))
		}
	}
	is12 := t.Version == tls.VersionTLS12
	check(t.Version == 0 || is12 || t.Version == tls.VersionTLS13, "version %#04x: it is 1.2 or 1.3", t.Version)
	check(t.Group == 0 || slices.Contains(groups, t.Group), "group %v is not known here", t.Group)
	check(t.Group != tls.X25519MLKEM768 || !is12, "group %s: it came with TLS 1.3, and the version is 1.2", groupName(t.Group))
	if t.Cipher != 0 {
		name := tls.CipherSuiteName(t.Cipher)
		check(is12, "cipher %s: it can be chosen only together with version 1.2", name)
		check(slices.ContainsFunc(suites12(), func(s *tls.CipherSuite) bool { return s.ID == t.Cipher }), "cipher %s: it is no cipher suite of TLS 1.2 that is known here", name)
	}
	check(!t.Insecure || t.Roots == nil, "roots: nobody looks at them when any certificate is taken")
	return errors.Join(errs...)
}

// config is what every connection of a run to host uses.
func (t *TLS) config(host string) *tls.Config {
	c := &tls.Config{
		ServerName: t.ServerName, RootCAs: t.Roots, InsecureSkipVerify: t.Insecure,
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13,
		NextProtos: []string{"http/1.1"}, // what a browser offers for a WebSocket
		// Records grow to their full size at once: a slow start of records
		// would be part of what is measured.
		DynamicRecordSizingDisabled: true,
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	if t.Version != 0 {
		c.MinVersion, c.MaxVersion = t.Version, t.Version
	}
	if t.Group != 0 {
		c.CurvePreferences = []tls.CurveID{t.Group}
		if t.Version == tls.VersionTLS12 {
			c.CurvePreferences = offer12[slices.Index(offer12, t.Group):]
		}
	}
	if t.Cipher != 0 {
		c.CipherSuites = []uint16{t.Cipher}
	}
	if t.Resume {
		// The session of a server is found by its name, and there is one.
		c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return c
}

// offer12 is the order in which crypto/tls offers groups, whatever it is told.
// In TLS 1.2 they are the curves of certificates, too (RFC 8422 5.1): OpenSSL
// has none for a client that offers X25519 alone. So those behind the group
// asked for are offered after it.
var offer12 = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}

// verify refuses what was agreed on when it is not what was asked for.
func (t *TLS) verify(s tls.ConnectionState) error {
	if t.Group != 0 && s.CurveID != t.Group {
		return fmt.Errorf("the server chose group %s instead of %s", groupName(s.CurveID), groupName(t.Group))
	}
	return nil
}

// TLSReport is what the handshakes of a run came to. Where connections differ,
// a text says "mixed: " and lists what there was.
type TLSReport struct {
	Version   string  `json:"version"`  // "TLS 1.3"
	Group     string  `json:"group"`    // of the key exchange
	Cipher    string  `json:"cipher"`   // suite, by its standard name
	KeyType   string  `json:"key_type"` // of the server's certificate: "ECDSA P-256", "RSA 2048", "Ed25519"
	Full      int64   `json:"full"`     // handshakes
	Resumed   int64   `json:"resumed"`
	Handshake Summary `json:"handshake"` // from the ClientHello to the client's Finished
}

// String is r in one line, without times.
func (r *TLSReport) String() string {
	return fmt.Sprintf("%s, %s, %s, %s; handshakes: %d full, %d resumed", r.Version, r.Group, r.Cipher, r.KeyType, r.Full, r.Resumed)
}

// handshakes are those of one loop that came to their end.
type handshakes struct {
	full, resumed                   int64
	times                           *hdrhistogram.Histogram
	versions, groups, ciphers, keys []string // distinct
}

// add takes a handshake that took ns nanoseconds.
func (h *handshakes) add(s *tls.ConnectionState, ns int64) {
	if h.times == nil {
		h.times = newHistogram()
	}
	record(h.times, ns)
	if h.full++; s.DidResume {
		h.full--
		h.resumed++
	}
	h.versions = with(h.versions, tls.VersionName(s.Version))
	h.groups = with(h.groups, groupName(s.CurveID))
	h.ciphers = with(h.ciphers, tls.CipherSuiteName(s.CipherSuite))
	h.keys = with(h.keys, keyType(s.PeerCertificates[0]))
}

// merge adds what another loop has.
func (h *handshakes) merge(o *handshakes) {
	if o.times == nil {
		return
	}
	if h.times == nil {
		h.times = newHistogram()
	}
	h.times.Merge(o.times)
	h.full += o.full
	h.resumed += o.resumed
	h.versions, h.groups = with(h.versions, o.versions...), with(h.groups, o.groups...)
	h.ciphers, h.keys = with(h.ciphers, o.ciphers...), with(h.keys, o.keys...)
}

func (h *handshakes) report() *TLSReport {
	r := &TLSReport{
		Version: oneOrMixed(h.versions), Group: oneOrMixed(h.groups), Cipher: oneOrMixed(h.ciphers), KeyType: oneOrMixed(h.keys),
		Full: h.full, Resumed: h.resumed,
	}
	if h.times != nil {
		r.Handshake = summarize(h.times)
	}
	return r
}

// with is set and what of more is not in it.
func with(set []string, more ...string) []string {
	for _, v := range more {
		if !slices.Contains(set, v) {
			set = append(set, v)
		}
	}
	return set
}

func oneOrMixed(set []string) string {
	switch len(set) {
	case 0:
		return "none"
	case 1:
		return set[0]
	}
	return "mixed: " + strings.Join(slices.Sorted(slices.Values(set)), ", ")
}

func groupName(id tls.CurveID) string {
	switch id {
	case 0:
		return "none" // the key exchange of TLS 1.2 with RSA has none
	case tls.CurveP256:
		return "P-256"
	case tls.CurveP384:
		return "P-384"
	case tls.CurveP521:
		return "P-521"
	}
	return id.String()
}

func keyType(leaf *x509.Certificate) string {
	switch k := leaf.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return leaf.PublicKeyAlgorithm.String()
}
