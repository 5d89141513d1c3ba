// Package record is the record layer of TLS 1.3 (RFC 8446 5): it goes on where
// a crypto/tls handshake has ended, with the traffic secrets that the
// configuration's KeyLogWriter was told. It never makes a handshake.
//
// A Conn is what an idle connection costs: for each direction a secret (from
// which the next one is derived, RFC 8446 7.2), a key, an IV and a sequence
// number, and no buffer. The ciphers are built from the keys when bytes flow,
// and kept in a Cache, which is bounded: building one costs about 600 ns and
// 1,280 bytes and more. A Conn finds its ciphers by a pointer, so a hit is free.
//
// A Conn does no I/O and may be touched on one goroutine at a time, that of its
// Cache's owner. Before a Conn moves to another owner, Cache.Drop.
//
//	var c record.Conn
//	err := c.Init(record.Suite(state.CipherSuite), false, secrets.Client(), secrets.Server())
//	c.SetSeq(0, sent)
//	plain, n, event, err := c.Open(cache, nil, wire)
//	wire = c.Seal(cache, wire[:0], message)
//
// # Layout
//
// Direction is the whole state of one direction, without a pointer: what
// another process, or kernel TLS (key, IV, sequence number), needs to go on.
package record
