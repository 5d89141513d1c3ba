package config

import (
	"crypto/tls"
	"net/url"
	"slices"
	"strings"
	"time"
)

var rotateRange = span{int64(time.Minute), 7 * 24 * int64(time.Hour), false}

// defaultTLS is the tls section of a listener of which nothing is set.
func defaultTLS(p Pos) *TLS {
	return &TLS{
		MinVersion: tls.VersionTLS12,
		MaxVersion: tls.VersionTLS13,
		ALPN:       []string{"h2", "http/1.1"},
		Tickets:    Tickets{Rotate: time.Hour},
		Pos:        p,
	}
}

// terminate reads the tls section of a listener.
func (d *decoder) terminate(v value, l *Listener) {
	t := defaultTLS(v.pos)
	l.TLS = t
	d.mapping(v, []key{
		{"certificates", func(v value) { d.certificates(v, t) }},
		{"self_signed", func(v value) { d.boolean(v, &t.SelfSigned) }},
		{"min_version", func(v value) { d.version(v, &t.MinVersion) }},
		{"max_version", func(v value) { d.version(v, &t.MaxVersion) }},
		{"cipher_suites", func(v value) { d.numbers(v, &t.CipherSuites, d.cipherSuite) }},
		{"curves", func(v value) { d.numbers(v, &t.Curves, d.curve) }},
		{"alpn", func(v value) { d.words(v, &t.ALPN, "h2", "http/1.1") }},
		{"tickets", func(v value) { d.tickets(v, &t.Tickets) }},
		{"client_auth", func(v value) {
			t.ClientAuth = &ClientAuth{}
			d.needed(v, []key{
				{"mode", func(v value) { d.choice(v, &t.ClientAuth.Mode, "require", "request") }},
				{"ca", func(v value) { d.named(v, &t.ClientAuth.CA) }},
			})
		}},
		{"key_log", func(v value) { d.named(v, &t.KeyLog) }},
		{"acme", func(v value) { d.acme(v, t) }},
	})
}

// named reads the path of a file that findings can be about (Config.Finding).
func (d *decoder) named(v value, dst *string) {
	d.file(v, dst)
	d.files[v.name] = d.finding(v.pos, "", "")
}

// needed reads a mapping in which the keys must be that are in must.
func (d *decoder) needed(v value, must []key, others ...key) {
	there := d.mapping(v, append(slices.Clone(must), others...))
	for _, k := range must {
		if !d.failed[v.name] && !there[k.name] {
			d.fail(v.pos, v.name+": "+k.name+" is missing", "")
		}
	}
}

func (d *decoder) certificates(v value, t *TLS) {
	d.sequence(v, func(i int, v value) {
		c := Certificate{Pos: v.pos}
		d.needed(v, []key{
			{"cert", func(v value) { d.named(v, &c.Cert) }},
			{"key", func(v value) { d.named(v, &c.Key) }},
		}, key{"ocsp", func(v value) { d.named(v, &c.OCSP) }})
		t.Certificates = put(t.Certificates, i, c)
	})
	d.filled(v)
}

// numbers reads a list of names that stand for numbers. A 0 is left out.
func (d *decoder) numbers(v value, dst *[]uint16, one func(value) (uint16, bool)) {
	var all []uint16
	d.sequence(v, func(_ int, v value) {
		id, ok := one(v)
		switch {
		case !ok || id == 0:
		case slices.Contains(all, id):
			text, _ := scalarText(v.node)
			d.wrong(v, show(text)+" is there twice", "")
		default:
			all = append(all, id)
		}
	})
	d.filled(v)
	*dst = all
}

// words reads a list of some of a few words.
func (d *decoder) words(v value, dst *[]string, known ...string) {
	var all []string
	d.sequence(v, func(_ int, v value) {
		var word string
		d.choice(v, &word, known...)
		switch {
		case word == "":
		case slices.Contains(all, word):
			d.wrong(v, show(word)+" is there twice", "")
		default:
			all = append(all, word)
		}
	})
	d.filled(v)
	*dst = all
}

func (d *decoder) tickets(v value, t *Tickets) {
	if d.off(v) {
		*t = Tickets{Off: true}
		return
	}
	if _, ok := scalarText(v.node); ok {
		d.wrong(v, "must be a mapping, or off", "write {rotate: 1h}, or {file: FILE}")
		return
	}
	there := d.mapping(v, []key{
		{"rotate", func(v value) { d.duration(v, &t.Rotate, rotateRange) }},
		{"file", func(v value) { d.named(v, &t.File) }},
	})
	if there["file"] {
		if there["rotate"] {
			d.fail(d.at(v.name+".rotate"), v.name+".rotate: keys from a file are not rotated", "the file is read again when it changes")
		}
		t.Rotate = 0
	}
}

func (d *decoder) acme(v value, t *TLS) {
	a := &ACME{Directory: LetsEncrypt, Challenges: []string{"tls-alpn-01", "http-01"}, Pos: v.pos}
	t.ACME = a
	agree := false
	d.needed(v, []key{
		{"domains", func(v value) { d.domains(v, a) }},
		{"storage", func(v value) { d.named(v, &a.Storage) }},
		{"agree", func(v value) {
			d.boolean(v, &agree)
			if !agree && !d.failed[v.name] {
				d.wrong(v, "the terms of the certificate authority must be agreed to", "read them, then write agree: true")
			}
		}},
	},
		key{"email", func(v value) { d.email(v, &a.Email) }},
		key{"directory", func(v value) { d.directory(v, &a.Directory) }},
		key{"ca", func(v value) { d.named(v, &a.CA) }},
		key{"challenges", func(v value) { d.words(v, &a.Challenges, "tls-alpn-01", "http-01") }},
	)
}

func (d *decoder) domains(v value, a *ACME) {
	d.sequence(v, func(_ int, v value) {
		text, _, ok := d.scalar(v)
		name := strings.TrimSuffix(strings.ToLower(text), ".")
		switch {
		case !ok:
		case strings.Contains(name, "*"):
			d.wrong(v, show(text)+" is a wildcard, which these challenges cannot prove", "list the names one by one")
		case !validHost(name):
			d.wrong(v, show(text)+" is not a host name", "write example.com")
		case slices.Contains(a.Domains, name):
			d.wrong(v, show(text)+" is there twice", "")
		default:
			a.Domains = append(a.Domains, name)
		}
	})
	d.filled(v)
}

// email reads an address: one at sign with something on both sides, nothing
// that a mailto URI would have to escape (RFC 8555 7.3).
func (d *decoder) email(v value, dst *string) {
	text, _, ok := d.scalar(v)
	if !ok {
		return
	}
	local, host, found := strings.Cut(text, "@")
	if !found || local == "" || !validHost(strings.ToLower(host)) ||
		strings.ContainsFunc(local, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),:;<>@[\]?&%`, c) }) {
		d.wrong(v, show(text)+" is not an email address", "write admin@example.com")
		return
	}
	*dst = text
}

func (d *decoder) directory(v value, dst *string) {
	text, _, ok := d.scalar(v)
	if !ok {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" ||
		strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		d.wrong(v, show(text)+" is not an https URL", "write "+LetsEncrypt)
		return
	}
	*dst = text
}

// upstreamTLS reads tls: true, false or a mapping.
func (d *decoder) upstreamTLS(v value, u *Upstream) {
	t := &UpstreamTLS{MinVersion: tls.VersionTLS12, Pos: v.pos}
	if _, ok := scalarText(v.node); ok {
		on := false
		if d.boolean(v, &on); on {
			u.TLS = t
		}
		return
	}
	u.TLS = t
	there := d.mapping(v, []key{
		{"server_name", func(v value) { d.serverName(v, &t.ServerName) }},
		{"ca", func(v value) { d.named(v, &t.CA) }},
		{"cert", func(v value) { d.named(v, &t.Cert) }},
		{"key", func(v value) { d.named(v, &t.Key) }},
		{"insecure_skip_verify", func(v value) { d.boolean(v, &t.InsecureSkipVerify) }},
		{"min_version", func(v value) { d.version(v, &t.MinVersion) }},
	})
	for _, pair := range [...][2]string{{"cert", "key"}, {"key", "cert"}} {
		if there[pair[0]] && !there[pair[1]] {
			d.fail(d.at(v.name+"."+pair[0]), v.name+": "+pair[1]+" is missing", "a client certificate is a cert and a key")
		}
	}
}

// serverName reads a host name: addresses are no SNI (RFC 6066 3).
func (d *decoder) serverName(v value, dst *string) {
	text, _, ok := d.scalar(v)
	if !ok {
		return
	}
	name := strings.TrimSuffix(strings.ToLower(text), ".")
	if _, literal := hostIP(name); literal {
		d.wrong(v, show(text)+" is an address", "without server_name the address of the endpoint is verified")
		return
	}
	if !validHost(name) {
		d.wrong(v, show(text)+" is not a host name", "write backend.example.com")
		return
	}
	*dst = name
}
