package config

import (
	"crypto/tls"
	"fmt"
	"strings"
)

func (p *printer) listener(l *Listener) {
	p.line(1, "- address", quote(l.Address))
	if l.TLS == nil {
		return
	}
	p.line(2, "plain_http", l.PlainHTTP)
	p.head(2, "tls")
	p.terminate(l.TLS)
}

func (p *printer) terminate(t *TLS) {
	if len(t.Certificates) > 0 {
		p.head(3, "certificates")
	}
	for _, c := range t.Certificates {
		p.line(4, "- cert", quote(c.Cert))
		p.line(5, "key", quote(c.Key))
		p.text(5, "ocsp", c.OCSP)
	}
	if t.SelfSigned {
		p.line(3, "self_signed", "true")
	}
	p.line(3, "min_version", quote(versionText(t.MinVersion)))
	p.line(3, "max_version", quote(versionText(t.MaxVersion)))
	p.list(3, "cipher_suites", t.CipherSuites, tls.CipherSuiteName)
	p.list(3, "curves", t.Curves, curveText)
	p.line(3, "alpn", "["+strings.Join(t.ALPN, ", ")+"]")
	switch {
	case t.Tickets.Off:
		p.line(3, "tickets", "off")
	case t.Tickets.File != "":
		p.line(3, "tickets", "{file: "+quote(t.Tickets.File)+"}")
	default:
		p.line(3, "tickets", "{rotate: "+durationText(int64(t.Tickets.Rotate))+"}")
	}
	if t.ClientAuth != nil {
		p.head(3, "client_auth")
		p.line(4, "mode", t.ClientAuth.Mode)
		p.line(4, "ca", quote(t.ClientAuth.CA))
	}
	p.text(3, "key_log", t.KeyLog)
	if t.ACME != nil {
		p.acme(t.ACME)
	}
}

func (p *printer) acme(a *ACME) {
	p.head(3, "acme")
	p.head(4, "domains")
	for _, name := range a.Domains {
		p.item(5, quote(name))
	}
	p.text(4, "email", a.Email)
	p.line(4, "directory", quote(a.Directory))
	p.line(4, "storage", quote(a.Storage))
	p.text(4, "ca", a.CA)
	p.line(4, "challenges", "["+strings.Join(a.Challenges, ", ")+"]")
	p.line(4, "agree", "true")
}

func (p *printer) upstreamTLS(t *UpstreamTLS) {
	p.head(2, "tls")
	p.text(3, "server_name", t.ServerName)
	p.text(3, "ca", t.CA)
	p.text(3, "cert", t.Cert)
	p.text(3, "key", t.Key)
	p.line(3, "insecure_skip_verify", fmt.Sprint(t.InsecureSkipVerify))
	p.line(3, "min_version", quote(versionText(t.MinVersion)))
}

// text writes a text that may be left out.
func (p *printer) text(depth int, key, value string) {
	if value != "" {
		p.line(depth, key, quote(value))
	}
}

// list writes numbers by their names; none is left out.
func (p *printer) list(depth int, key string, ids []uint16, name func(uint16) string) {
	if len(ids) == 0 {
		return
	}
	names := make([]string, 0, len(ids))
	for _, id := range ids {
		names = append(names, name(id))
	}
	p.line(depth, key, "["+strings.Join(names, ", ")+"]")
}
