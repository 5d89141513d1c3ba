package plain

import (
	"bytes"
	"net/http"
	"strings"

	"wsgate/handshake"
)

// responder is the http.ResponseWriter the proxy writes to. It notes what was
// sent and keeps net/http from adding to it.
type responder struct {
	http.ResponseWriter
	x      *exchange
	status int    // of the final response, 0 before it
	sent   uint64 // body bytes
}

// Unwrap lets http.ResponseController reach Flush.
func (r *responder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader implements http.ResponseWriter. Interim responses are passed on
// to those who can take them: HTTP/1.1 clients (RFC 9110 15.2), and 100 only
// to a client that waits for it. While it does, net/http may be writing a 100
// of its own on another goroutine, so that others are dropped then.
func (r *responder) WriteHeader(status int) {
	h := r.Header()
	if status < 200 {
		if r.x.req.Minor == 0 || r.x.req.ExpectContinue != (status == http.StatusContinue) {
			return
		}
		for name := range h {
			if handshake.IsHopByHop(name) {
				delete(h, name)
			}
		}
		r.ResponseWriter.WriteHeader(status)
		return
	}
	r.status = status
	// A body that is not read by now may never be; without its end there is no
	// next request.
	if !r.x.whole.Load() || r.x.srv.draining.Load() {
		h.Set("Connection", "close")
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // keeps net/http from guessing one
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *responder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	n, err := r.ResponseWriter.Write(p)
	r.sent += uint64(n)
	return n, err
}

// delimited tells whether the client can see that a response which ends now
// is not whole: by its length, or by the last chunk that is missing.
func (r *responder) delimited() bool {
	return r.x.req.Minor > 0 || r.Header().Get("Content-Length") != ""
}

// refuse sends the gateway's own answer, in the words the loops use. The
// connection stays usable when the request was well-formed.
func (r *responder) refuse(e *handshake.Error) {
	r.x.refusal = e
	r.x.srv.tally.refused(e.Reason)
	head, body, _ := bytes.Cut(handshake.AppendError(nil, e, waitFor(e), false), []byte("\r\n\r\n"))
	h := r.Header()
	clear(h)
	for i, line := range strings.Split(string(head), "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if strings.EqualFold(name, "Connection") || r.x.http2 && handshake.IsHopByHop(name) {
			continue // net/http's business; HTTP/2 has none (RFC 9113 8.2.2)
		}
		if i > 0 && ok {
			h.Set(name, strings.TrimSpace(value))
		}
	}
	if r.x.conn != nil && (e.Status == http.StatusBadRequest || e.Status == http.StatusRequestTimeout) {
		h.Set("Connection", "close")
	}
	r.WriteHeader(e.Status)
	if r.x.isHead() {
		return
	}
	r.Write(body)
}
