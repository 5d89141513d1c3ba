// Package certs provides the TLS configurations of listeners and upstreams: it
// reads the files that the configuration names, watches them, turns ticket keys,
// and obtains certificates by ACME.
//
// A Store outlives generations. Everything may be called from any goroutine;
// Config takes no lock and is meant to be called for every handshake.
//
//	store := certs.Open(certs.Options{Logf: logger.Printf})
//	defer store.Close()
//	l, err := store.Listener(&c.Listeners[0]) // fails as "wsgate check" does
//	...
//	err = l.Serve(listening.Addr())           // from now on ACME can be answered
//	conn := tls.Server(inner, l.Config().Clone())
//
// # Listeners
//
// Config returns what is current: one *tls.Config after the other, none of which
// is changed once it is there, but for its ticket keys (crypto/tls guards those).
// It is plain, without GetConfigForClient, so that a clone for one handshake is
// cheap; NextProtos has what alpn says and, with ACME, "acme-tls/1": a connection
// on which that is negotiated has nothing to say after its handshake. A
// KeyLogWriter is there only with key_log, and a clone with a writer of its own
// has to pass on to it.
//
// The certificate is that for exactly the name that the client asks for, else
// one for the wildcard above it, else the first of the file, for clients that
// ask for no name or an unknown one. Certificates with different types of key for
// one name stand beside each other: the client gets one that it can verify,
// rather ECDSA than RSA, whose signatures cost the gateway more.
//
// Without cipher_suites the suites of TLS 1.2 are the six with ECDHE and an AEAD:
// what RFC 9325 recommends and HTTP/2 allows.
//
// # Files
//
// Files are looked at every five seconds (their inode, size and time, through
// symbolic links, so that the swaps of certbot and Kubernetes are seen), and read
// on Reload. What has changed and is right is used for the handshakes from then
// on; sessions that are there are not touched. What is broken for ten seconds is
// logged once, with its path and the reason, and counted, while the last good
// one stays in use: certificate and key may be replaced one after the other. An
// expired certificate does not replace a valid one. From 14 days before its end
// on a certificate is warned of, once a day.
//
// A client CA that is replaced ends trust in the old one for resumed sessions,
// too. An OCSP response is stapled when it is about the certificate, signed by
// the issuer (the second of the chain; without a second nobody can tell), good
// and not expired; a bad one keeps nothing from starting.
//
// # Tickets
//
// By default keys are random, one for each address, and turn every tickets.rotate:
// the newest makes tickets, the two before it are taken still, so that a ticket is
// good for two to three times that long. They survive generations and nothing
// else. With tickets.file they come from a file that machines share, and turn
// when somebody writes it. It has a key a line, the first for new tickets, all of
// them (16 at most) taken:
//
//	# openssl rand -hex 32
//	d5f8...64 digits of hex, or 44 characters of base64
//
// or is 32 raw bytes, or 48 or 80 as nginx has them, of which the SHA-256 is the
// key. Tickets themselves are crypto/tls's, and mean nothing to nginx.
//
// # Upstreams
//
// Config(address) is for tls.Client as it is. Endpoints have addresses and not
// names: with server_name that is sent as SNI and verified, without it the
// certificate must be for the IP address, and no SNI is sent. Each endpoint has a
// cache of its own sessions.
//
// # ACME
//
// certmagic obtains and renews, with its files in acme.storage. tls-alpn-01 is
// answered in the handshakes of the listener, http-01 by HTTPChallenge, which
// whatever serves plain HTTP asks first. Until there is a certificate handshakes
// fail with an alert, are counted, and logged once a minute. With client_auth:
// require only http-01 is used, since a validation has no client certificate.
package certs
