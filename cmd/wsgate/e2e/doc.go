// Package e2e drives the real wsgate binary over sockets, against programs
// that were written elsewhere: npm ws and undici, coder/websocket, gobwas/ws,
// curl and a headless Chromium. It holds tests only; nothing imports it.
//
// TestMain builds the binary once, sees to the node modules and starts the
// tests. Each test starts gateways of its own as "wsgate run -c FILE", with
// listeners on port 0, and checks when it ends that the gateway's descriptors
// and goroutines are back at what they were when it reported Ready, that it
// stopped with exit code 0 and that it logged no panic.
//
//	go test ./cmd/wsgate/e2e/
//
// Environment:
//
//	WSGATE_E2E_RACE=1           build the gateway with the race detector
//	WSGATE_E2E_BINARY=FILE      take this binary instead of building one
//	WSGATE_E2E_KEEP=1           keep configuration and access log of a failed test
//	WSGATE_E2E_TARGET=direct    leave the gateway out: peers talk to each other
//	WSGATE_E2E_TARGET=nginx     put Debian's nginx in the gateway's place
//	WSGATE_E2E_TARGET=wsgate    the default
//
// Tests of what only wsgate promises (its log, its metrics, its signals) skip
// for the other two targets, which exist to show that a failing test is the
// gateway's fault and not the test's.
//
// What has to be installed is listed in deps.sh; TestMain runs it, and npm ci,
// only when something is missing.
package e2e
