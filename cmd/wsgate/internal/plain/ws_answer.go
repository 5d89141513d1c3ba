package plain

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"wsgate/eventloop/record"
	"wsgate/handshake"
)

// passAnswer passes on what an endpoint answered instead of a 101, whole. An
// answer that breaks off resets the stream.
func (o *opening) passAnswer() {
	x := o.x
	x.phase = record.PhaseAnswer
	o.srv.tally.upgrade(outcome(o.resp.Status))
	o.setFields(o.resp.AppendHead(nil, o.in, true, x.route.Rules))
	o.rw.WriteHeader(o.resp.Status)
	framed := &framed{conn: o.conn, ahead: o.in[o.resp.HeadLen:], limit: x.set.Response, untilEOF: o.resp.Body.Kind == handshake.UntilClose}
	framed.body.InitResponse(o.resp.Body)
	var src io.Reader = framed
	if o.resp.Body.Kind == handshake.Chunked {
		src = httputil.NewChunkedReader(framed)
	}
	if _, err := io.Copy(o.rw, src); err != nil {
		x.detail = err.Error()
		panic(http.ErrAbortHandler)
	}
}

func outcome(status int) string {
	switch {
	case status < 400:
		return "3xx"
	case status < 500:
		return "4xx"
	}
	return "5xx"
}

// framed reads an endpoint's body up to its end, as it is on the wire.
type framed struct {
	conn     net.Conn
	ahead    []byte // read with the head
	limit    time.Duration
	body     handshake.Body
	untilEOF bool
}

// Read implements io.Reader.
func (f *framed) Read(p []byte) (int, error) {
	if f.body.Done() {
		return 0, io.EOF
	}
	n := copy(p, f.ahead)
	f.ahead = f.ahead[n:]
	var err error
	if n == 0 {
		f.conn.SetReadDeadline(after(f.limit))
		n, err = f.conn.Read(p)
	}
	k, done, bad := f.body.Consume(p[:n])
	switch {
	case bad != nil:
		return k, bad
	case done:
		return k, nil
	case err == io.EOF && !f.untilEOF:
		return k, io.ErrUnexpectedEOF
	}
	return k, err
}
