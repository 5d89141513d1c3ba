// Package admin serves the gateway's admin address: metrics, health and
// version over net/http, and profiles for go tool pprof; all of it read-only.
//
//	GET /          a page that lists the others
//	GET /metrics   metrics in the Prometheus format
//	GET /healthz   200 "ok" while the gateway serves, 503 "stopping" once it drains
//	GET /version   {"version":...,"go":...}
//	GET /debug/pprof/   profiles of net/http/pprof, of a minute at most
//
// /debug/pprof/heap?gc=1 makes a full garbage collection first. Requests for
// profiles that a browser makes for a page of another origin get 403.
//
// Over TCP a request must name an IP address, localhost or the configured host
// in its Host field; others get 421 (RFC 9110 15.5.20). A web page that has its
// own name resolve to the admin address (DNS rebinding) sends that name and
// reads nothing. Requests of HTTP/1.0 without Host, as simple health checks
// send them, pass: no browser makes these. A unix socket, which no browser
// reaches either, is open to its owner only (mode 0600) and asks for no name.
//
// Requests have deadlines, bounded heads and ignored bodies, and the number of
// connections is bounded, so that the admin address cannot use up what the
// sessions need.
//
// Start, Addr and Close may be called from any goroutine; the handlers and
// functions in Options are called on goroutines of the server.
//
//	a, err := admin.Start(admin.Options{
//		Address: "127.0.0.1:9901",
//		Metrics: m.Handler(),
//		Version: version,
//		Healthy: func() bool { return !gateway.Draining() },
//		Logf:    logf,
//	})
//	...
//	err = a.Close(ctx)
package admin
