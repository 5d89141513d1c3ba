package certs

import (
	"cmp"
	"slices"
	"time"
)

// CertificateStatus is what is known of a certificate that a listener serves.
type CertificateStatus struct {
	// Listener is the address of the listener.
	Listener string
	// File is the path of the chain, "self-signed", or "acme:" and a domain.
	File string
	// Names are the host names and addresses that it is for.
	Names []string
	// NotAfter is its end, Loaded when it was read or obtained.
	NotAfter, Loaded time.Time
	// Staple is when its OCSP response ends; zero without one.
	Staple time.Time
}

// Status is a snapshot for metrics.
type Status struct {
	// Certificates are sorted by listener and file, one for each entry of the
	// configuration.
	Certificates []CertificateStatus
	// Reloaded and Failed count parts that were read anew while running:
	// certificates, OCSP responses, authorities and ticket keys.
	Reloaded, Failed uint64
	// Missing counts handshakes for which there was no certificate yet.
	Missing uint64
	// Obtained and Refused count certificates by ACME, and failed tries.
	Obtained, Refused uint64
}

// publish keeps what Status shows of a listener's files.
func (l *Listener) publish() {
	list := make([]CertificateStatus, 0, len(l.certs))
	for _, c := range l.certs {
		s := CertificateStatus{Listener: l.address, File: c.file, Names: names(c.pair.Leaf), NotAfter: c.pair.Leaf.NotAfter, Loaded: c.loaded}
		if c.staple != nil {
			s.Staple = c.staple.NextUpdate
		}
		list = append(list, s)
	}
	l.status.Store(&list)
}

// Status returns a snapshot. It waits for no file.
func (s *Store) Status() Status {
	st := Status{
		Reloaded: s.ok.Load(), Failed: s.failed.Load(), Missing: s.missing.Load(),
		Obtained: s.obtained.Load(), Refused: s.refused.Load(),
	}
	s.list.RLock()
	defer s.list.RUnlock()
	for l := range s.listeners {
		st.Certificates = append(st.Certificates, *l.status.Load()...)
		if l.acme != nil {
			st.Certificates = append(st.Certificates, l.acme.status(l.address)...)
		}
	}
	slices.SortFunc(st.Certificates, func(a, b CertificateStatus) int {
		return cmp.Or(cmp.Compare(a.Listener, b.Listener), cmp.Compare(a.File, b.File))
	})
	// While generations change places, an address has two listeners.
	st.Certificates = slices.CompactFunc(st.Certificates, func(a, b CertificateStatus) bool {
		return a.Listener == b.Listener && a.File == b.File
	})
	return st
}
