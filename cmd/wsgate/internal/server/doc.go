// Package server puts the parts of the gateway together: it turns a
// configuration into a generation for the event loops, starts loops, plain
// HTTP server, access log, metrics and admin address, and takes them down in
// the order in which nothing is lost.
//
//	srv, err := server.Start(cfg, server.Options{Version: version, Logf: logf})
//	...
//	err = srv.Stop(ctx) // drain, then close
//
// Start, Stop, Reopen and Close are called from one goroutine, the one that
// handles signals.
package server
