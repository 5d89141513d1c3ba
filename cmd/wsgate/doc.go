// Command wsgate is a WebSocket gateway for Linux.
//
//	wsgate run [-c FILE]   run; without a file, the demo
//	wsgate check -c FILE   check a configuration: exit 0, or 1 with every error
//	wsgate version
//
// SIGTERM and SIGINT drain and exit 0, a second one ends at once; SIGUSR1
// reopens the logs. With WebSockets over HTTP/2 the process executes itself once
// more at the start, with GODEBUG set (see announceExtendedConnect). main parses the command line and handles signals, on the
// main goroutine; everything else is in internal/server and the packages that
// it puts together.
package main
