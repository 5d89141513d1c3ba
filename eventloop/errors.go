package eventloop

import "wsgate/handshake"

// The loop's own refusals, beside those of package handshake.
var (
	errHeadTooLarge     = &handshake.Error{Status: 431, Reason: "head_too_large", Detail: "the head is too large"}
	errHeadTruncated    = &handshake.Error{Status: 400, Reason: "head_truncated", Detail: "the connection ended within the request head"}
	errClearText        = &handshake.Error{Status: 400, Reason: "plain_http", Detail: "plain HTTP was sent to an HTTPS port"}
	errResponseTooLarge = &handshake.Error{Status: 502, Reason: "response_head_too_large", Detail: "the endpoint's response head is too large"}
)
