package config

import (
	"crypto/tls"
	"slices"
	"strings"
)

// version reads a version of TLS.
func (d *decoder) version(v value, dst *uint16) {
	text, _, ok := d.scalar(v)
	if !ok {
		return
	}
	bare := strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(text), "tls"), "v"))
	switch {
	case text == "1.2":
		*dst = tls.VersionTLS12
	case text == "1.3":
		*dst = tls.VersionTLS13
	case bare == "1.2" || bare == "1.3":
		d.wrong(v, show(text)+" is not a version", `write "`+bare+`"`)
	case bare == "1" || bare == "1.0" || bare == "1.1":
		d.wrong(v, show(text)+" is not safe any more (RFC 8996)", `write "1.2" or "1.3"`)
	default:
		d.wrong(v, show(text)+" is not a version", `write "1.2" or "1.3"`)
	}
}

// versionText writes a version so that version reads it.
func versionText(v uint16) string {
	if v == tls.VersionTLS13 {
		return "1.3"
	}
	return "1.2"
}

// groups are the key exchanges that crypto/tls has, each with the names that it
// goes by elsewhere.
var groups = [...]struct {
	id    tls.CurveID
	names []string // the first is the one that is shown
}{
	{tls.X25519MLKEM768, []string{"X25519MLKEM768"}},
	{tls.SecP256r1MLKEM768, []string{"SecP256r1MLKEM768"}},
	{tls.SecP384r1MLKEM1024, []string{"SecP384r1MLKEM1024"}},
	{tls.X25519, []string{"X25519"}},
	{tls.CurveP256, []string{"P-256", "secp256r1", "prime256v1", "CurveP256", "P256"}},
	{tls.CurveP384, []string{"P-384", "secp384r1", "CurveP384", "P384"}},
	{tls.CurveP521, []string{"P-521", "secp521r1", "CurveP521", "P521"}},
}

// hybrid: the group is one of TLS 1.3 alone.
func hybrid(id uint16) bool {
	switch tls.CurveID(id) {
	case tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024:
		return true
	}
	return false
}

// curve reads the name of a group.
func (d *decoder) curve(v value) (uint16, bool) {
	text, _, ok := d.scalar(v)
	if !ok {
		return 0, false
	}
	shown := make([]string, 0, len(groups))
	for _, g := range groups {
		for _, name := range g.names {
			if strings.EqualFold(name, text) {
				return uint16(g.id), true
			}
		}
		shown = append(shown, g.names[0])
	}
	d.wrong(v, "unknown curve "+show(text), suggest(text, "curves", shown))
	return 0, false
}

// curveText writes a group so that curve reads it.
func curveText(id uint16) string {
	for _, g := range groups {
		if uint16(g.id) == id {
			return g.names[0]
		}
	}
	return ""
}

// cipherSuite reads the name of a cipher suite, that of the IANA registry or
// OpenSSL's. One of TLS 1.3 is ok and 0.
func (d *decoder) cipherSuite(v value) (id uint16, ok bool) {
	text, _, ok := d.scalar(v)
	if !ok {
		return 0, false
	}
	var known []string
	for _, c := range tls.CipherSuites() {
		if !slices.Contains(c.SupportedVersions, tls.VersionTLS12) {
			if strings.EqualFold(text, c.Name) {
				d.warn(v.pos, v.name+": "+show(text)+" is a suite of TLS 1.3, which cannot be chosen", "all three of TLS 1.3 are always on")
				return 0, true
			}
			continue
		}
		if strings.EqualFold(text, c.Name) || strings.EqualFold(text, openSSLName(c.Name)) {
			return c.ID, true
		}
		known = append(known, c.Name, openSSLName(c.Name))
	}
	for _, c := range tls.InsecureCipherSuites() {
		if strings.EqualFold(text, c.Name) || strings.EqualFold(text, openSSLName(c.Name)) {
			d.wrong(v, show(text)+" is not safe", "suites with ECDHE and GCM or CHACHA20 are")
			return 0, false
		}
	}
	if strings.ContainsAny(text, ":!+@") {
		d.wrong(v, show(text)+" is not one cipher suite", "list the suites one by one, each by its name")
		return 0, false
	}
	hint := suggest(text, "cipher suites", known)
	if nearest(text, known) == "" {
		hint = "such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or ECDHE-RSA-AES128-GCM-SHA256"
	}
	d.wrong(v, "unknown cipher suite "+show(text), hint)
	return 0, false
}

// openSSLName is OpenSSL's name of a suite of TLS 1.2 (openssl-ciphers(1)).
func openSSLName(name string) string {
	switch name {
	case "TLS_RSA_WITH_3DES_EDE_CBC_SHA":
		return "DES-CBC3-SHA"
	case "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA":
		return "ECDHE-RSA-DES-CBC3-SHA"
	}
	name = strings.TrimSuffix(name, "_128_SHA") + strings.Repeat("_SHA", strings.Count(name, "RC4_128_SHA"))
	return strings.TrimPrefix(strings.NewReplacer(
		"TLS_", "", "_WITH_", "-", "AES_128", "AES128", "AES_256", "AES256", "_CBC", "", "POLY1305_SHA256", "POLY1305", "_", "-",
	).Replace(name), "RSA-")
}
