// Package plain serves what arrives on a client connection and is no WebSocket
// upgrade: pages, logins, uploads, long polling. A loop reads the first request
// head of a connection; when it asks for no upgrade the loop hands descriptor
// and unread bytes to Server.Serve, and net/http with httputil.ReverseProxy
// goes on from there, over the same routes, pools and log as the loops.
//
// net/http never reads from the client itself. Its net.Conn is a filter that
// judges every request of the connection with handshake.Request.Parse and
// handshake.Body, as the loop has judged the first:
//
//   - One request at a time is passed on. The next head is parsed once net/http
//     has answered the request before, so the filter may always write an answer
//     of its own, and a pipelined upgrade waits behind a slow response.
//   - net/http is given a head that the filter writes from the accepted one:
//     method, framing and persistence, with "/" as target. The proxy takes
//     target, host and fields from the accepted head itself. So net/http has
//     nothing left to object to and nothing to read in another way.
//   - Bodies are passed on as they came, verified byte by byte.
//   - While a request is served the filter looks at the socket without taking
//     bytes from it: the end of the client's stream cancels the request, a
//     pipelined request stays in the kernel.
//   - Before an upgrade request net/http is told that the stream has ended.
//     When it lets go, descriptor and unread bytes go back to a loop.
//
// # HTTP/2
//
// A connection for which ALPN has settled on h2 is served by serveH2, over a
// net.Conn that carries plain text. net/http does the protocol: it is linked
// anyway, its fixes come with the toolchain, and x/net's server is the same
// code. Each stream's request is written down as the HTTP/1.1 head that it
// stands for and judged by the parser above; the rest of the way is the same.
//
// A meter below net/http looks at the frame headers. net/http bounds what a
// client can make it hold: 250 streams and as many handlers, a quarter of a
// megabyte of body a stream and one a connection, the size of a header block
// (CVE-2023-45288), the control frames that wait to be sent. What a client that
// reads its answers can make it do, the meter bounds: streams reset before an
// answer (CVE-2023-44487) and frames that carry nothing. Such a client gets
// ENHANCE_YOUR_CALM, and the connection closes.
//
// What net/http answers by itself is not in the access log: 431 for a header
// list more than four times over the limit, 400 for a field of the connection
// (RFC 9113 8.2.2), and resets, which are counted. h2spec, strict: 143 of 146;
// the test names the rest.
//
// # WebSockets over HTTP/2
//
// An extended CONNECT (RFC 8441) is opened as an HTTP/1.1 upgrade with a key of
// the gateway's own, and relayed with the state machine of the loops: the same
// routes, limits, close codes, log and counters. It is announced only when the
// process was started with GODEBUG=http2xconnect=1, and that is opt-in because
// of what an idle session costs here: three goroutines and two small buffers,
// and three goroutines and net/http's buffers for the connection. Measured with
// both peers in the process: 75 KB with one session a connection, 32 KB each
// with fifty. An upgrade on a loop costs under one. A browser that is not told
// of the setting opens a connection of its own, which is the cheaper way.
//
// Three things differ from a session on a loop. net/http ends both directions
// of a stream when its handler returns, so that an endpoint's half-close ends
// the session, with what was on its way to the endpoint delivered. A 2xx that is
// no 101 would tell the client that its tunnel is open and is answered 502. And
// what waits for a slow peer, 16 KiB a direction besides the windows above, is
// not counted in limits.buffered.
//
// Serve is called on a loop's goroutine and does not block; every connection
// has goroutines of its own from then on. All methods of Server may be called
// from any goroutine.
//
//	srv := plain.New(plain.Options{
//		Current:  func() *plain.Settings { return settings.Load() },
//		Return:   gateway.Return,
//		Released: gateway.Released,
//		Log:      accessLog,
//		Error:    logger.Printf,
//	})
//	srv.Serve(conn) // from a loop
//	...
//	err := srv.Drain(ctx)
package plain
