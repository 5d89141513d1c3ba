package handshake

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"regexp"
	"testing"
)

func everyError() []*Error {
	all := []*Error{ErrNoRoute, ErrHeadTimeout, ErrBodyTimeout, ErrConnectionLimit, ErrBadGateway, ErrNoEndpoint, ErrNoResource, ErrStopping, ErrUpstreamTimeout}
	for f := faultNone + 1; f < faultCount; f++ {
		all = append(all, f.inRequest(), f.inResponse())
	}
	return all
}

func TestErrorsAreComplete(t *testing.T) {
	token := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	seen := map[string]bool{}
	for _, e := range everyError() {
		if !token.MatchString(e.Reason) || seen[e.Reason] {
			t.Errorf("%+v: bad or doubled reason", e)
		}
		seen[e.Reason] = true
		if e.Detail == "" || e.Error() != e.Detail || statusText(e.Status) == "Error" {
			t.Errorf("%+v: no detail or no reason phrase", e)
		}
	}
	if faultNone.inRequest() != nil || faultNone.inResponse() != nil {
		t.Error("no fault is an error")
	}
}

func TestAppendError(t *testing.T) {
	for _, e := range everyError() {
		for _, last := range []bool{false, true} {
			answer := AppendError(nil, e, 7, last)
			if len(answer) > 500 {
				t.Errorf("%s: %d bytes", e.Reason, len(answer))
			}
			in := bufio.NewReader(bytes.NewReader(answer))
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%s: %v", e.Reason, err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || string(body) != e.Detail+"\n" || in.Buffered() != 0 {
				t.Errorf("%s: body %q, %v, %d bytes left", e.Reason, body, err, in.Buffered())
			}
			if res.StatusCode != e.Status || res.Status[4:] != http.StatusText(e.Status) && e.Status != 413 && e.Status != 414 {
				t.Errorf("%s: status %s", e.Reason, res.Status)
			}
			if res.Close != last || res.Header.Get("Retry-After") != "7" || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("%s: close %v, header %v", e.Reason, res.Close, res.Header)
			}
			if got := res.Header.Get("Sec-WebSocket-Version") == "13" && res.Header.Get("Upgrade") == "websocket"; got != (e.Status == 426) {
				t.Errorf("%s: header %v", e.Reason, res.Header)
			}
			if got := res.Header.Get("Allow") != ""; got != (e.Status == 405) {
				t.Errorf("%s: header %v", e.Reason, res.Header)
			}
			// Our own parser takes it, too.
			var r Response
			if done, err := r.Parse(answer, nil, false); !done || err != nil || r.KeepAlive == last {
				t.Errorf("%s: done %v, err %v, %+v", e.Reason, done, err, r)
			}
		}
		if bytes.Contains(AppendError(nil, e, 0, false), []byte("Retry-After")) {
			t.Errorf("%s: Retry-After", e.Reason)
		}
	}
}
