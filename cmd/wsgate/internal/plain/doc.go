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
