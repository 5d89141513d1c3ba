// Package config reads the configuration of the gateway: one YAML document,
// read strictly, with a default for everything that can have one.
//
// Load and Parse may be called from any goroutine; they share nothing and do no
// I/O but the reading of the file. A Config is not changed after they have
// returned it. They find every error of a file in one run, each with file,
// line, column, the line itself and the way out; only text that is not YAML at
// all ends the search, since what follows it cannot be understood.
//
//	c, errs := config.Load("wsgate.yaml")
//	if len(errs) > 0 {
//		fmt.Fprint(os.Stderr, errs.Error())
//		os.Exit(1)
//	}
//	for _, w := range c.Warnings {
//		log.Print(w.Error())
//	}
//
// # The file
//
// What has no default is upstreams and routes with an upstream each:
//
//	routes:
//	  - upstream: chat
//	upstreams:
//	  chat:
//	    endpoints:
//	      - 127.0.0.1:9001
//
// This is every key. Where a comment says "default", that is what the key has
// when it is left out; the others have their value here as the default, those
// under routes and upstreams, which are examples, apart. A section that is
// there in part keeps the defaults of the rest.
//
//	loops: 0                        # event loops, 0 to 1024; 0 = one per CPU
//	websocket_over_h2: false        # announce WebSockets over HTTP/2 (RFC 8441)
//	listeners:                      # addresses to accept on, each alone or as {address: ...}
//	  - address: 127.0.0.1:8080     # IP:port, [IPv6]:port, localhost:port or unix:/path; port 0 = the system's choice
//	  - address: 0.0.0.0:8443       # one with TLS, an example with every key
//	    plain_http: redirect        # HTTP without TLS on this port; redirect: to https; refuse: 400; serve: as if it had come by TLS; default redirect
//	    tls:                        # default: no TLS
//	      certificates:             # one at least, unless there is acme; chosen by the name that the client asks for, the first for all other names
//	        - cert: /etc/wsgate/example.pem # PEM, the chain without the root
//	          key: /etc/wsgate/example.key  # PEM
//	          ocsp: /etc/wsgate/example.ocsp # DER, the answer to staple; default none
//	      self_signed: false        # true, in place of certificates: one made in memory at start, for trying things out
//	      min_version: "1.2"        # "1.2" or "1.3"; default "1.2"
//	      max_version: "1.3"        # default "1.3"
//	      cipher_suites: [ECDHE-ECDSA-AES128-GCM-SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256] # of TLS 1.2, IANA's names or OpenSSL's, in no order; those of TLS 1.3 cannot be chosen; default all with ECDHE and an AEAD
//	      curves: [X25519MLKEM768, X25519, P-256] # also P-384, P-521, SecP256r1MLKEM768, SecP384r1MLKEM1024, in no order; default what Go takes
//	      alpn: [h2, http/1.1]      # without h2 no HTTP/2; default both
//	      tickets: {file: /etc/wsgate/tickets} # resumption; off; or {rotate: 1h}, how long a random key makes tickets, 1m to 168h, the two before it being taken still; file: keys that machines share; default {rotate: 1h}
//	      client_auth:              # default: no client certificate is asked for
//	        mode: request           # require; or request: none is fine, a bad one is not
//	        ca: /etc/wsgate/clients.pem # PEM, what client certificates must come from
//	      key_log: /tmp/keys.log    # secrets of all sessions, in the format of SSLKEYLOGFILE, for debugging; default none
//	      acme:                     # certificates obtained and renewed, beside those in files; default none
//	        domains: [example.com, www.example.com] # no wildcards
//	        email: admin@example.com # for the account; default none
//	        directory: https://acme-v02.api.letsencrypt.org/directory # default Let's Encrypt
//	        storage: /var/lib/wsgate/acme # folder for accounts, keys and certificates
//	        ca: /etc/wsgate/acme-ca.pem # PEM, what the directory's certificate must come from; default the system's
//	        challenges: [tls-alpn-01, http-01] # http-01 needs a listener that clients reach as port 80; default both
//	        agree: true             # to the terms of the certificate authority; required
//	routes:                         # the most specific host wins, then the most specific path of that host
//	  - host: "*.example.com"       # exact name or address, "*.example.com" for every name below, "*" for any; default "*"
//	    path: /chat                 # prefix by segments; "=/chat" is exactly that path; default /
//	    upstream: chat              # name under upstreams; required
//	    frames: observe             # observe: count and find boundaries; enforce: also close on protocol errors; off: opaque bytes; default observe
//	    message_limit: 1MiB         # size, 0 = no limit; not with frames: off; default limits.message
//	    idle_timeout: 2h            # duration, 1ms to 8760h; default timeouts.idle
//	    request_headers:            # fields of what goes to the endpoint; default none
//	      set: {X-Gateway: wsgate}  # written instead of what the client sent, in this order
//	      remove: [X-Internal]      # names in any case
//	    response_headers:           # fields of what goes to the client; default none
//	      set: {X-Served-By: wsgate}
//	      remove: [Server]
//	    upstream_host: chat.internal # host or host:port that replaces Host; default: Host is passed on
//	    forwarded: true             # write RFC 7239 Forwarded beside X-Forwarded-*; default false
//	    allow_encoded: true         # let %2f, %5c and %00 be in the path; default false
//	upstreams:
//	  chat:                         # 1 to 64 letters, digits, dots, hyphens and underscores
//	    policy: round_robin         # default round_robin
//	    endpoints:                  # one address at least: IP:port, [IPv6]:port, localhost:port or unix:/path
//	      - 127.0.0.1:9001
//	      - {address: 127.0.0.1:9002, weight: 2} # weight: share against the others', 1 to 65535; default 1
//	    tls:                        # true, false, or a mapping; default false
//	      server_name: chat.internal # sent as SNI and verified; default: the IP address of the endpoint is verified
//	      ca: /etc/wsgate/backends.pem # PEM, what endpoints' certificates must come from; default the system's
//	      cert: /etc/wsgate/client.pem # client certificate; default none
//	      key: /etc/wsgate/client.key # and its key
//	      insecure_skip_verify: false # true verifies nothing; default false
//	      min_version: "1.2"        # "1.2" or "1.3"; default "1.2"
//	trusted_proxies: []             # addresses and networks whose Forwarded and X-Forwarded-* are believed
//	timeouts:                       # durations such as 500ms, 30s, 1h30m; 1ms to 8760h
//	  request_head: 10s             # whole head of a request, from accept or its first byte
//	  request_body: 60s             # plain HTTP: between two reads of a request body
//	  connect: 3s                   # one connect to an endpoint
//	  upgrade: 10s                  # from the whole request head to the verified 101, over all tries
//	  response: 60s                 # plain HTTP: to the first byte of the response
//	  send: 60s                     # between two successful writes to a peer that has bytes waiting
//	  keepalive: 75s                # between two requests of a connection
//	  half_close: 30s               # from one side's end of stream to the end of the session
//	  close: 5s                     # for a frame boundary and the answer to the gateway's Close
//	  idle: 1h                      # a session without a byte in either direction; 0 = no limit
//	  drain: 30s                    # for all sessions to close when the gateway stops; 0 = ended at once
//	limits:                         # sizes in bytes (4096) or with KiB, MiB, GiB, TiB
//	  request_head: 16KiB           # request head, 256 to 1MiB
//	  message: 0                    # payload of a message as on the wire; 0 = no limit
//	  connections: 0                # client connections at a time; 0 = (descriptor limit - 128) / 2
//	  buffered: 256MiB              # bytes that wait for slow peers, over all sessions, 64KiB or more; 0 = no limit
//	  handshakes: 4096              # TLS handshakes at a time; 0 = no limit
//	tcp:                            # of client and endpoint connections; 0 = the kernel's value; keepalive is off when the first three are 0
//	  keepalive: 60s                # silence before the first probe, 1s to 32767s, whole seconds
//	  keepalive_interval: 15s       # between two probes, 1s to 32767s, whole seconds
//	  keepalive_count: 4            # unanswered probes before the peer is given up, 1 to 127
//	  user_timeout: 0               # how long sent bytes may stay unacknowledged, 1ms to 24h, milliseconds
//	access_log:                     # or access_log: off
//	  path: stderr                  # stderr, stdout, off, or a file with a slash in its path
//	  queue: 4MiB                   # lines that wait to be written, 64KiB to 1GiB; a full queue drops lines
//	admin:                          # or admin: off
//	  address: 127.0.0.1:9901       # as of listeners; "" or off = no admin server
//	  token_file: /etc/wsgate/token # file with the token that allows changes over TCP; default none
//
// # What is refused
//
// Unknown and repeated keys, keys without a value, values of another type or
// outside of their range, durations without a unit, sizes in other units, names
// of upstreams that are not there, upstreams without endpoints, endpoints that
// are there twice, host names as addresses, listeners that cannot be bound
// beside each other (localhost is 127.0.0.1, any other name is refused), routes
// for the same host and path, paths that no request has, header rules for fields
// that are hop-by-hop, frame the message or belong to the upgrade, and a message
// limit together with frames: off.
//
// Of TLS: versions below 1.2, cipher suites and curves that are unknown or not
// safe, a version that is on without one of either, a listener with tls and
// without certificates, plain_http without tls, wildcards for acme, acme
// without agree: true, a client certificate without its key, and endpoints
// behind unix sockets without a server_name. Endpoints have addresses, not
// names: without server_name the certificate of each must be for its IP address.
// The files that are named are read by package certs.
//
// Of YAML: anchors, aliases, merge keys, tags, directives, complex keys, more
// than one document, tabs as indentation, texts over several lines but for block
// texts (>- and the like), control characters, bytes that are not UTF-8, files
// over 4 MiB, more than 32 levels of nesting and more than 4096 keys in a
// mapping.
//
// An upstream that no route names is a warning, and so are insecure_skip_verify,
// key_log, self_signed, cipher suites that cannot be chosen, an endpoint that is a
// listener of the gateway, and an IPv4 listener beside an IPv6 wildcard of the
// same port.
package config
