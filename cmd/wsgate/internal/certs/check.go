package certs

import (
	"errors"
	"fmt"
	"os"
	"time"

	"wsgate/cmd/wsgate/internal/config"
)

// Check reads every file that the tls sections of c name. It returns what would
// keep the gateway from starting, and what would not: both with the place in
// the configuration. Nothing is changed or connected to.
func Check(c *config.Config, now time.Time) (errs, warnings config.Errors) {
	k := &checker{c: c, now: now}
	for i := range c.Listeners {
		if t := c.Listeners[i].TLS; t != nil {
			k.listener(fmt.Sprintf("listeners[%d].tls", i), t)
		}
	}
	for i := range c.Upstreams {
		if u := &c.Upstreams[i]; u.TLS != nil {
			name := config.UpstreamKey(u.Name) + ".tls"
			k.pool(name+".ca", u.TLS.CA)
			k.pair(name, u.TLS.Cert, u.TLS.Key, "")
		}
	}
	return k.errs, k.warnings
}

type checker struct {
	c              *config.Config
	now            time.Time
	errs, warnings config.Errors
}

func (k *checker) fail(name string, err error) {
	hint := ""
	var f *fault
	if errors.As(err, &f) {
		hint = f.hint
	}
	k.errs = append(k.errs, k.c.Finding(name, err.Error(), hint))
}

func (k *checker) warn(name, msg, hint string) {
	k.warnings = append(k.warnings, k.c.Finding(name, msg, hint))
}

func (k *checker) listener(name string, t *config.TLS) {
	for i, c := range t.Certificates {
		k.pair(fmt.Sprintf("%s.certificates[%d]", name, i), c.Cert, c.Key, c.OCSP)
	}
	if t.ClientAuth != nil {
		k.pool(name+".client_auth.ca", t.ClientAuth.CA)
	}
	if t.Tickets.File != "" {
		data, err := read(t.Tickets.File)
		if err == nil {
			_, err = parseTickets(data)
		}
		if err != nil {
			k.fail(name+".tickets.file", err)
		}
	}
	if a := t.ACME; a != nil {
		if info, err := os.Stat(a.Storage); err == nil && !info.IsDir() {
			k.fail(name+".acme.storage", errors.New("is not a folder"))
		}
		k.pool(name+".acme.ca", a.CA)
	}
}

// pool checks the certificates of an authority; "" is none.
func (k *checker) pool(name, path string) {
	if path == "" {
		return
	}
	data, err := read(path)
	if err == nil {
		_, err = parsePool(data)
	}
	if err != nil {
		k.fail(name, err)
	}
}

// pair checks a certificate, its key and what to staple; "" is none.
func (k *checker) pair(name, cert, key, staple string) {
	if cert == "" {
		return
	}
	chain, certErr := read(cert)
	if certErr != nil {
		k.fail(name+".cert", certErr)
	}
	private, keyErr := read(key)
	if keyErr != nil {
		k.fail(name+".key", keyErr)
	}
	if certErr != nil || keyErr != nil {
		return
	}
	pair, err := parsePair(chain, private)
	if err != nil {
		at := name + ".cert"
		var f *fault
		if errors.As(err, &f) && f.path == 1 {
			at = name + ".key"
		}
		k.fail(at, err)
		return
	}
	leaf := pair.Leaf
	switch {
	case k.now.After(leaf.NotAfter):
		k.warn(name+".cert", "expired on "+day(leaf.NotAfter), "")
	case k.now.Before(leaf.NotBefore):
		k.warn(name+".cert", "is valid only from "+leaf.NotBefore.UTC().Format(time.RFC3339)+" on", "")
	case k.now.After(leaf.NotAfter.Add(-warnAhead)):
		k.warn(name+".cert", "expires on "+day(leaf.NotAfter), "")
	}
	if staple == "" {
		return
	}
	der, err := read(staple)
	if err == nil {
		_, err = parseStaple(der, pair, k.now)
	}
	if err != nil {
		k.warn(name+".ocsp", err.Error(), "nothing is stapled until that is put right")
	}
}
