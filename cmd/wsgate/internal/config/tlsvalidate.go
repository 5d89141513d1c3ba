package config

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// checkTLS judges the tls sections of listeners.
func (d *decoder) checkTLS(c *Config) {
	h2 := false
	for i := range c.Listeners {
		l := &c.Listeners[i]
		name := fmt.Sprintf("listeners[%d]", i)
		if l.TLS == nil {
			if p, ok := d.places[name+".plain_http"]; ok && l.PlainHTTP != "" {
				d.fail(p, name+".plain_http: has a meaning only with tls", "without tls, all HTTP is plain and served")
			}
			continue
		}
		if l.PlainHTTP == "" {
			l.PlainHTTP = "redirect"
		}
		h2 = h2 || slices.Contains(l.TLS.ALPN, "h2")
		if !d.failed[name+".tls"] {
			d.checkCertificates(name+".tls", l.TLS)
			d.checkProtocols(name+".tls", l.TLS)
		}
	}
	if p, ok := d.places["websocket_over_h2"]; ok && c.WebSocketOverH2 && !h2 {
		d.warn(p, "websocket_over_h2: no listener has tls with h2", "")
	}
}

// checkCertificates: there is one, and what is for trying out is noticed.
func (d *decoder) checkCertificates(name string, t *TLS) {
	_, files := d.places[name+".certificates"]
	at := func(key string) Pos { return d.at(name + "." + key) }
	switch {
	case d.failed[name+".self_signed"] || d.failed[name+".acme"]:
	case t.SelfSigned && (files || t.ACME != nil):
		d.fail(at("self_signed"), name+".self_signed: not together with other certificates", "")
	case t.SelfSigned:
		d.warn(at("self_signed"), name+".self_signed: no client trusts the certificate; a new one is made at every start", "it is for trying things out")
	case !files && t.ACME == nil:
		d.fail(t.Pos, name+": certificates is missing", "list a cert and a key, or obtain them with acme")
	}
	if t.KeyLog != "" {
		d.warn(at("key_log"), name+".key_log: the secrets of all sessions are written to "+show(t.KeyLog), "whoever has this file reads everything; remove it when done")
	}
	if p := name + ".acme"; t.ACME != nil && !slices.Contains(t.ACME.Challenges, "http-01") && t.ClientAuth != nil && t.ClientAuth.Mode == "require" && !d.failed[p] {
		d.fail(at("acme"), p+": tls-alpn-01 cannot come through with client_auth: require", "add http-01 to challenges")
	}
}

// checkProtocols: every version has a suite and a group.
func (d *decoder) checkProtocols(name string, t *TLS) {
	if t.MinVersion > t.MaxVersion {
		d.fail(d.at(name+".min_version"), fmt.Sprintf("%s.min_version: %s is above max_version, which is %s", name, versionText(t.MinVersion), versionText(t.MaxVersion)), "")
		return
	}
	has12 := t.MinVersion == tls.VersionTLS12
	suites := name + ".cipher_suites"
	if p, ok := d.places[suites]; ok && !d.failedBelow(suites) {
		switch {
		case len(t.CipherSuites) == 0 && has12:
			d.fail(p, suites+": none is of TLS 1.2, which is on", `add one, or write min_version: "1.3"`)
		case len(t.CipherSuites) > 0 && !has12:
			d.warn(p, suites+": those of TLS 1.2 are not used with min_version 1.3", "")
		}
	}
	curves := name + ".curves"
	if p, ok := d.places[curves]; ok && !d.failedBelow(curves) && has12 && !slices.ContainsFunc(t.Curves, func(id uint16) bool { return !hybrid(id) }) {
		d.fail(p, curves+": none is of TLS 1.2, which is on", `add X25519, or write min_version: "1.3"`)
	}
	if p, ok := d.places[name+".alpn"]; ok && !d.failedBelow(name+".alpn") && !slices.Contains(t.ALPN, "http/1.1") {
		d.warn(p, name+".alpn: without http/1.1 most clients cannot open WebSockets", "")
	}
}

// failedBelow tells whether a value or one in it is not as it should be.
func (d *decoder) failedBelow(name string) bool {
	if d.failed[name] {
		return true
	}
	for f := range d.failed {
		if strings.HasPrefix(f, name+"[") {
			return true
		}
	}
	return false
}

// checkUpstreamTLS judges the tls section of an upstream.
func (d *decoder) checkUpstreamTLS(u *Upstream) {
	name := fmt.Sprintf("upstreams.%s.tls", label(u.Name))
	if u.TLS == nil || d.failed[name] {
		return
	}
	if u.TLS.InsecureSkipVerify {
		d.warn(d.at(name+".insecure_skip_verify"), name+".insecure_skip_verify: anyone between gateway and endpoints can read and change everything", "name their certificate authority with ca instead")
		if u.TLS.CA != "" {
			d.warn(d.at(name+".ca"), name+".ca: has no meaning with insecure_skip_verify", "")
		}
		return
	}
	for _, e := range u.Endpoints {
		if strings.HasPrefix(e.Address, "unix:") && u.TLS.ServerName == "" && !d.failed[name+".server_name"] {
			d.fail(u.TLS.Pos, name+": server_name is missing", show(e.Address)+" has no name that could be verified")
			return
		}
	}
}
