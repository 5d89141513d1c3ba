package demo

import (
	"bytes"
	"fmt"
)

// Config returns the built-in configuration, as the text of a configuration
// file: the gateway on 127.0.0.1:8080, and with TLS and a certificate made at start
// on 127.0.0.1:8443, its admin address on 127.0.0.1:9901, and
// the chat with addresses as its endpoints.
//
// The chat's connections have an upstream to themselves. In one round robin with
// the page's requests, which come one before each connection, every tab of two
// would get the same backend.
func Config(addresses []string) []byte {
	var b bytes.Buffer
	b.WriteString(`listeners:
  - address: 127.0.0.1:8080
  - {address: 127.0.0.1:8443, tls: {self_signed: true}}
routes:
  - {path: /, upstream: page}
  - {path: =/chat, upstream: chat}
upstreams:
`)
	for _, upstream := range []string{"page", "chat"} {
		fmt.Fprintf(&b, "  %s:\n    endpoints:\n", upstream)
		for _, a := range addresses {
			fmt.Fprintf(&b, "      - %q\n", a)
		}
	}
	b.WriteString(`access_log: {path: stderr}
admin: {address: 127.0.0.1:9901}
`)
	return b.Bytes()
}
