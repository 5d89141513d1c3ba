package handshake_test

import (
	"fmt"
	"net/netip"
	"strings"

	"wsgate/handshake"
)

// A head arrives in two pieces and is rewritten for the endpoint.
func Example() {
	head := strings.ReplaceAll(`GET /chat HTTP/1.1
Host: chat.example
Connection: keep-alive, Upgrade
Upgrade: websocket
Keep-Alive: timeout=5
X-Forwarded-For: 203.0.113.9
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13

`, "\n", "\r\n")
	limits := handshake.Limits{Head: 16 << 10}
	identity := handshake.Identity{Peer: netip.MustParseAddr("192.0.2.7"), TLS: true}

	var r handshake.Request
	buf := []byte(head)
	done, err := r.Parse(buf[:20], &limits)
	fmt.Println(done, err == nil)
	done, err = r.Parse(buf, &limits)
	fmt.Println(done, err == nil, r.Upgrade)
	out := r.AppendUpgrade(nil, buf, &identity, nil)
	fmt.Print(strings.ReplaceAll(string(out), "\r\n", "\n"))

	// Output:
	// false true
	// true true true
	// GET /chat HTTP/1.1
	// Host: chat.example
	// Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
	// Sec-WebSocket-Version: 13
	// Connection: Upgrade
	// Upgrade: websocket
	// X-Forwarded-For: 192.0.2.7
	// X-Forwarded-Proto: https
	// X-Forwarded-Host: chat.example
	// X-Real-IP: 192.0.2.7
}

// A malformed head is answered with the line that AppendError writes.
func ExampleAppendError() {
	var r handshake.Request
	_, err := r.Parse([]byte("GET / HTTP/1.1\nHost: a\n\n"), nil)
	fmt.Println(err.Status, err.Reason)
	fmt.Print(strings.ReplaceAll(string(handshake.AppendError(nil, err, 0, true)), "\r\n", "\n"))

	// Output:
	// 400 bare_lf
	// HTTP/1.1 400 Bad Request
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 14
	// Connection: close
	//
	// LF without CR
}
