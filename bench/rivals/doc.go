// Package rivals knows the gateways that are compared: how each is configured,
// started, and asked for its version. The configurations are the files of this
// folder, templates with the reason beside each line; they say the same thing
// in each gateway's words:
//
//   - one worker thread, on one core
//   - round robin over the same backend addresses
//   - no access log, and no log line a connection
//   - timeouts of an hour, so that none ends a session under measurement
//   - TCP_NODELAY and keepalive on both sides
//   - X-Forwarded-For set, Host passed on
//   - as many connections as the descriptor limit of 20,000 allows
//
// Variants of one gateway are rivals of their own: the best of them is the one
// to beat.
//
//	g, _ := rivals.Find("nginx")
//	err := g.Configure(path, rivals.Settings{Listen: addr, Backends: backends, Dir: dir})
//	cmd := exec.Command(binary, g.Args(path)...)
//
// All functions may be called from any goroutine.
package rivals
