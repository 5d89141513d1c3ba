package accesslog

import (
	"net/netip"
	"time"

	"wsgate/eventloop/record"
)

// appendHead begins a line with the fields that all types have.
func appendHead(b []byte, t time.Time, kind string, id record.ID, client netip.Addr) []byte {
	b = append(b, `{"time":`...)
	b = appendTime(b, t)
	b = appendText(b, "type", kind)
	b = appendID(b, "id", id)
	return appendAddr(b, "client", client)
}

// appendOpen appends the line of an opened session.
func appendOpen(b []byte, o *record.Open) []byte {
	b = appendHead(b, o.Time, "open", o.ID, o.Client)
	b = appendAddrPort(b, "peer", o.Peer)
	b = appendText(b, "listener", o.Listener)
	b = appendText(b, "host", o.Host)
	b = appendText(b, "target", o.Target)
	b = appendOptional(b, "proto", o.Proto)
	b = appendOptional(b, "origin", o.Origin)
	b = appendOptional(b, "user_agent", o.UserAgent)
	b = appendText(b, "route", o.Route)
	b = appendText(b, "pool", o.Pool)
	b = appendText(b, "endpoint", o.Endpoint)
	b = appendUint(b, "tries", uint64(max(o.Tries, 0)))
	b = appendMillis(b, "upgrade_ms", o.UpgradeTime)
	b = appendOptional(b, "subprotocol", o.Subprotocol)
	b = appendOptional(b, "extensions", o.Extensions)
	b = appendTLS(b, o.TLS)
	return append(b, '}', '\n')
}

// appendTLS appends what is known of the client's TLS connection.
func appendTLS(b []byte, t *record.TLS) []byte {
	if t == nil {
		return b
	}
	b = appendText(b, "tls_version", t.Version)
	b = appendText(b, "tls_cipher", t.Cipher)
	b = appendOptional(b, "tls_name", t.ServerName)
	b = appendTrue(b, "tls_resumed", t.Resumed)
	b = appendOptional(b, "client_cert_subject", t.Subject)
	return appendOptional(b, "client_cert_fingerprint", t.Fingerprint)
}

// appendClose appends the line of an ended session.
func appendClose(b []byte, c *record.Close) []byte {
	b = appendHead(b, c.Time, "close", c.ID, c.Client)
	b = appendText(b, "route", c.Route)
	b = appendText(b, "pool", c.Pool)
	b = appendText(b, "endpoint", c.Endpoint)
	b = appendTime(appendKey(b, "opened"), c.Opened)
	b = appendMillis(b, "duration_ms", c.Time.Sub(c.Opened))
	b = appendUint(b, "bytes_up", c.Up.Bytes)
	b = appendUint(b, "bytes_down", c.Down.Bytes)
	b = appendUint(b, "messages_up", c.Up.Messages)
	b = appendUint(b, "messages_down", c.Down.Messages)
	b = appendUint(b, "code", uint64(c.Code))
	b = appendOptional(b, "reason", c.Reason)
	b = appendText(b, "by", c.Who.String())
	b = appendText(b, "phase", c.Phase.String())
	b = appendText(b, "why", c.Why)
	b = appendEndState(b, "end_state", c.Who, c.Phase)
	b = appendOptional(b, "violation", c.Violation)
	if c.Violator != 0 {
		b = appendText(b, "violator", c.Violator.String())
	}
	b = appendPositive(b, "discarded", c.Discarded)
	b = appendTrue(b, "truncated", c.Truncated)
	b = appendPositive(b, "spliced_up", c.SplicedUp)
	b = appendPositive(b, "spliced_down", c.SplicedDwn)
	return append(b, '}', '\n')
}

// appendRequest appends the line of a request or refusal.
func appendRequest(b []byte, r *record.Request) []byte {
	b = appendHead(b, r.Time, "request", r.ID, r.Client)
	b = appendAddrPort(b, "peer", r.Peer)
	b = appendOptional(b, "listener", r.Listener)
	b = appendOptional(b, "method", r.Method)
	b = appendOptional(b, "host", r.Host)
	b = appendOptional(b, "target", r.Target)
	b = appendOptional(b, "proto", r.Proto)
	b = appendOptional(b, "origin", r.Origin)
	b = appendOptional(b, "user_agent", r.UserAgent)
	b = appendOptional(b, "route", r.Route)
	b = appendOptional(b, "pool", r.Pool)
	b = appendOptional(b, "endpoint", r.Endpoint)
	b = appendUint(b, "tries", uint64(max(r.Tries, 0)))
	b = appendTrue(b, "upgrade", r.Upgrade)
	b = appendUint(b, "status", uint64(max(r.Status, 0)))
	b = appendOptional(b, "refusal", r.Refusal)
	b = appendOptional(b, "detail", r.Detail)
	b = appendUint(b, "sent", r.Sent)
	b = appendUint(b, "received", r.Received)
	b = appendMillis(b, "duration_ms", r.Duration)
	b = appendTLS(b, r.TLS)
	if r.Who != 0 {
		b = appendText(b, "by", r.Who.String())
		b = appendText(b, "phase", r.Phase.String())
		b = appendEndState(b, "end_state", r.Who, r.Phase)
	}
	return append(b, '}', '\n')
}
