// Package accesslog writes the access log: JSON lines that say which sessions
// were opened, how each of them ended, and what every plain request and every
// refusal was answered with.
//
// A Writer implements record.Log for the event loops and the plain HTTP server.
// Its logging methods may be called from any goroutine and never block: they
// encode the line on the caller's goroutine and copy it into a bounded queue
// under a mutex that is held for that copy alone. One goroutine of the Writer
// takes the queue in whole and writes it. A slow, blocked or full destination
// thus fills the queue and nothing else; what does not fit is dropped and
// counted.
//
//	w, err := accesslog.Open(accesslog.Options{Path: "/var/log/wsgate/access.log", Logf: logf})
//	...
//	w.Open(&record.Open{ID: id, Time: now, Route: "/chat"})
//	...
//	err = w.Reopen() // SIGUSR1, after the file has been renamed
//	...
//	err = w.Shutdown(ctx)
//
// # Lines
//
// Every line is one JSON object and ends with a newline. Fields come in the
// order given here. A field marked * is left out when it is empty, zero or
// false. Whatever bytes a peer sent, the line is valid JSON in valid UTF-8:
// control characters are escaped (U+007F to U+009F, U+2028 and U+2029 among
// them, which terminals and editors act upon), and each byte that is not part
// of valid UTF-8 becomes U+FFFD.
//
// Common to all lines:
//
//	time           when the line was made, RFC 3339 with up to nine decimals, UTC
//	type           "open", "close" or "request"
//	id             of the session or connection, 16 hexadecimal digits; the same in the open and close lines of a session
//	client *       address that the request is for: behind trusted proxies the one that they name
//
// "open", one for each upgrade that was answered with 101:
//
//	peer *         address and port of the socket's peer; left out for a unix socket
//	listener       listening address that accepted the connection
//	host           Host field, or the authority of an absolute-form target
//	target         request target as it was sent
//	proto *        HTTP/1.1, or HTTP/2 for a WebSocket by extended CONNECT
//	origin *       Origin field
//	user_agent *   User-Agent field
//	route          route that matched
//	pool           pool of the route
//	endpoint       endpoint that took the session
//	tries          endpoints tried, 1 when the first took it
//	upgrade_ms     milliseconds from the whole request head to the passed-on 101
//	subprotocol *  Sec-WebSocket-Protocol as the endpoint chose it
//	extensions *   Sec-WebSocket-Extensions as the endpoint chose them
//	tls_version *  TLSv1.3 or TLSv1.2; with it, here and in request lines:
//	tls_cipher     the cipher suite, as IANA names it
//	tls_name *     the host that the client named (SNI)
//	tls_resumed *  true: the handshake resumed a session
//	client_cert_subject, client_cert_fingerprint *  of the client's verified certificate, the latter SHA-256
//
// "close", one for each "open":
//
//	route, pool, endpoint  as in the open line
//	opened           when the session was opened, in the form of time
//	duration_ms      milliseconds from opened to time
//	bytes_up         bytes that the client sent, frame headers included
//	bytes_down       bytes that the endpoint sent, frame headers included
//	messages_up      whole messages that the client sent; 0 with frames: off
//	messages_down    whole messages that the endpoint sent; 0 with frames: off
//	code             close code (RFC 6455 7.4); 1005 for a Close without one, 1006 for an end without Close
//	reason *         reason in the Close frame
//	by               who ended the session: client, upstream, gateway, operator or internal
//	phase            what the session was doing: head, connect, upgrade, answer, relay or closing
//	why              what happened, one short word: close, fin, reset, idle_timeout and others
//	end_state        by and phase as two letters: C, U, G, O or I, then H, C, U, A, R or X (closing); - for none
//	violation *      first violation of the framing rules that was seen
//	violator *       who sent it: client or upstream
//	discarded *      bytes read after the gateway's own Close and not passed on
//	truncated *      true when a frame was cut in the middle
//	spliced_up *     part of bytes_up that went through a pipe
//	spliced_down *   part of bytes_down that went through a pipe
//
// "request", one for each plain HTTP request, each upgrade that was not
// answered with 101, and each refusal:
//
//	peer, listener, host, target, origin, user_agent, route, pool, endpoint  as in the open line, all left out when empty
//	method *       request method
//	proto *        HTTP/1.1, HTTP/1.0 or HTTP/2
//	tries          endpoints tried, 0 for none
//	upgrade *      true when it was a WebSocket upgrade
//	status         status sent to the client, 0 when none was
//	refusal *      reason of the gateway's own answer; left out when the answer is the endpoint's
//	detail *       what was wrong, for a person
//	sent           body bytes sent to the client
//	received       body bytes received from the client
//	duration_ms    milliseconds that the request took
//	by *, phase *, end_state *  as in the close line, when the request ended badly
package accesslog
