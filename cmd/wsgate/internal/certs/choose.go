package certs

import (
	"crypto/tls"
	"slices"
	"strings"
)

// index finds the certificates for a name. It is not changed once it is built.
type index struct {
	exact map[string][]*tls.Certificate
	wild  map[string][]*tls.Certificate // by what is behind "*."
	// fallback are those for all other names: the first certificate, and those
	// that are for its name with another type of key.
	fallback []*tls.Certificate
}

// newIndex: certificates with an RSA key come behind the others for a name,
// which are cheaper to sign with; apart from that the order stays.
func newIndex(all []*tls.Certificate) *index {
	x := &index{exact: make(map[string][]*tls.Certificate), wild: make(map[string][]*tls.Certificate)}
	if len(all) == 0 {
		return x
	}
	first := all[0]
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b *tls.Certificate) int {
		switch rsaA, rsaB := isRSA(a), isRSA(b); {
		case rsaA == rsaB:
			return 0
		case rsaA:
			return 1
		}
		return -1
	})
	for _, c := range all {
		for _, name := range c.Leaf.DNSNames {
			m, key := x.place(name)
			if !slices.Contains(m[key], c) {
				m[key] = append(m[key], c)
			}
		}
	}
	x.fallback = []*tls.Certificate{first}
	if len(first.Leaf.DNSNames) > 0 {
		m, key := x.place(first.Leaf.DNSNames[0])
		x.fallback = m[key]
	}
	return x
}

// place is where the certificates for a name of a certificate are.
func (x *index) place(name string) (map[string][]*tls.Certificate, string) {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if below, ok := strings.CutPrefix(name, "*."); ok {
		return x.wild, below
	}
	return x.exact, name
}

// choose returns the certificate for a client: one for exactly the name, else
// one for the wildcard above it, else the default; of several the first that
// the client can verify. It is nil only when there is none at all.
func (x *index) choose(hello *tls.ClientHelloInfo) *tls.Certificate {
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	_, below, _ := strings.Cut(name, ".")
	exact, wild := x.exact[name], x.wild[below]
	for _, list := range [...][]*tls.Certificate{exact, wild} {
		for _, c := range list {
			if hello.SupportsCertificate(c) == nil {
				return c
			}
		}
	}
	// The handshake fails for a reason that the client is told.
	for _, list := range [...][]*tls.Certificate{exact, wild} {
		if len(list) > 0 {
			return list[0]
		}
	}
	if len(x.fallback) == 0 {
		return nil
	}
	anyone := *hello
	anyone.ServerName = "" // else it is part of what must be supported
	for _, c := range x.fallback {
		if anyone.SupportsCertificate(c) == nil {
			return c
		}
	}
	return x.fallback[0]
}
