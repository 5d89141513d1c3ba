package admin

import (
	"encoding/json"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func TestPages(t *testing.T) {
	s := mustStart(t, options("127.0.0.1:0"))
	if strings.HasSuffix(s.Addr(), ":0") {
		t.Errorf("address %s", s.Addr())
	}

	r, body := get(t, s, "/metrics")
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(body))
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("/metrics: %s, %v", r.Status, err)
	}
	if f := families["wsgate_loops"]; f == nil || f.Metric[0].Gauge.GetValue() != 2 {
		t.Errorf("wsgate_loops is %v", f)
	}

	r, body = get(t, s, "/version")
	var v struct{ Version, Go string }
	if err := json.Unmarshal([]byte(body), &v); err != nil || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("/version: %q, %v, %v", body, err, r.Header)
	}
	if v.Version != `v1<&">` || v.Go != runtime.Version() {
		t.Errorf("/version: %+v", v)
	}

	r, body = get(t, s, "/")
	if r.StatusCode != 200 || !strings.Contains(body, "<h1>wsgate v1&lt;&amp;&#34;&gt;</h1>") {
		t.Errorf("/: %s, %s", r.Status, body)
	}
	for _, path := range []string{"/metrics", "/healthz", "/version"} {
		if !strings.Contains(body, `href="`+path+`"`) {
			t.Errorf("/ does not link to %s", path)
		}
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestHealth(t *testing.T) {
	var draining atomic.Bool
	o := options("127.0.0.1:0")
	o.Healthy = func() bool { return !draining.Load() }
	s := mustStart(t, o)
	if r, body := get(t, s, "/healthz"); r.StatusCode != 200 || body != "ok\n" {
		t.Errorf("%s %q", r.Status, body)
	}
	draining.Store(true)
	if r, body := get(t, s, "/healthz"); r.StatusCode != 503 || body != "stopping\n" {
		t.Errorf("%s %q", r.Status, body)
	}
}

func TestRequests(t *testing.T) {
	s := mustStart(t, options("127.0.0.1:0"))
	const host = "Host: 127.0.0.1\r\n"
	tests := []struct {
		name, raw string
		want      int
	}{
		{"get", "GET /healthz HTTP/1.1\r\n" + host + "\r\n", 200},
		{"head", "HEAD /healthz HTTP/1.1\r\n" + host + "\r\n", 200},
		{"body is ignored", "GET /healthz HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", 200},
		{"query is ignored", "GET /healthz?a=b HTTP/1.1\r\n" + host + "\r\n", 200},
		{"post", "POST /healthz HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n", 405},
		{"delete", "DELETE /metrics HTTP/1.1\r\n" + host + "\r\n", 405},
		{"put", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n", 405},
		{"options of all", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 400},
		{"unknown path", "GET /debug/ HTTP/1.1\r\n" + host + "\r\n", 404},
		{"below a path", "GET /healthz/x HTTP/1.1\r\n" + host + "\r\n", 404},
		{"long head", "GET /healthz HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", maxHead+8192) + "\r\n\r\n", 431},
		{"no host", "GET /healthz HTTP/1.1\r\n\r\n", 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if r, body := ask(t, s, test.raw); r.StatusCode != test.want {
				t.Errorf("%s %q, want %d", r.Status, body, test.want)
			}
		})
	}
}

// What a browser sends after a name was rebound to this address is refused.
func TestHosts(t *testing.T) {
	s := mustStart(t, options("127.0.0.1:0"))
	named := handlerOf("Admin.internal:9901")
	for host, want := range map[string][2]int{ // by address, by name
		"127.0.0.1":               {200, 200},
		"127.0.0.1:9901":          {200, 200},
		"192.0.2.1:80":            {200, 200},
		"[::1]":                   {200, 200},
		"[::1]:9901":              {200, 200},
		"localhost":               {200, 200},
		"LocalHost:9901":          {200, 200},
		"admin.internal":          {421, 200},
		"ADMIN.internal:1":        {421, 200},
		"evil.example":            {421, 421},
		"evil.example:9901":       {421, 421},
		"localhost.evil.example":  {421, 421},
		"127.0.0.1.evil.example":  {421, 421},
		"admin.internal.evil.com": {421, 421},
		"[::1].evil.example":      {421, 421},
		"[::1":                    {421, 421},
		"::1":                     {421, 421},
		":9901":                   {421, 421},
		"":                        {421, 421},
	} {
		raw := "GET /healthz HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
		r, body := ask(t, s, raw)
		// net/http refuses a Host that is malformed before the handler sees it.
		if r.StatusCode != want[0] && (r.StatusCode != 400 || want[0] != 421) {
			t.Errorf("%q by address: %s %q, want %d", host, r.Status, body, want[0])
		}
		if got := named(host); got != want[1] {
			t.Errorf("%q by name: %d, want %d", host, got, want[1])
		}
	}
	if r, _ := ask(t, s, "GET /healthz HTTP/1.0\r\n\r\n"); r.StatusCode != 200 {
		t.Errorf("HTTP/1.0 without Host: %s", r.Status)
	}
	if r, _ := ask(t, s, "GET /healthz HTTP/1.0\r\nHost: evil.example\r\n\r\n"); r.StatusCode != 421 {
		t.Errorf("HTTP/1.0 with a wrong Host: %s", r.Status)
	}
}

// handlerOf returns what an admin server that is configured with address, a
// name that does not resolve here, answers to a Host.
func handlerOf(address string) func(host string) int {
	allowed := hostCheck(address)
	return func(host string) int {
		if allowed(&http.Request{Host: host, ProtoMajor: 1, ProtoMinor: 1}) {
			return 200
		}
		return 421
	}
}
