package admin

import (
	"encoding/json"
	"html"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
)

// handler answers all requests of the admin address.
func handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", o.Metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if o.Healthy() {
			text(w, http.StatusOK, "ok")
		} else {
			text(w, http.StatusServiceUnavailable, "stopping")
		}
	})
	version, err := json.Marshal(struct {
		Version string `json:"version"`
		Go      string `json:"go"`
	}{o.Version, runtime.Version()})
	if err != nil {
		panic(err) // two strings are always JSON
	}
	version = append(version, '\n')
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(version)
	})
	profiles(mux)
	page := index(o.Version)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, page)
	})
	return guard(mux, o.Address)
}

// guard refuses requests that a browser may have been tricked into, and sets
// what keeps an answer from being embedded, stored or taken for another type.
func guard(next http.Handler, address string) http.Handler {
	allowed := hostCheck(address)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		if !allowed(r) {
			text(w, http.StatusMisdirectedRequest, "the Host field must name an IP address, localhost or the configured host")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostCheck returns the test of a request's Host for an address of Options.
func hostCheck(address string) func(*http.Request) bool {
	if strings.HasPrefix(address, "unix:") {
		return func(*http.Request) bool { return true }
	}
	configured, _, err := net.SplitHostPort(address)
	if err != nil {
		configured = ""
	}
	return func(r *http.Request) bool {
		if r.Host == "" {
			return !r.ProtoAtLeast(1, 1)
		}
		name := hostName(r.Host)
		if _, err := netip.ParseAddr(name); err == nil {
			return true
		}
		return name != "" && (strings.EqualFold(name, "localhost") || strings.EqualFold(name, configured))
	}
}

// hostName takes the port and an IPv6 address's brackets off a Host field
// (RFC 9110 7.2). "" is no name.
func hostName(host string) string {
	if strings.HasPrefix(host, "[") {
		name, port, ok := strings.Cut(host[1:], "]")
		if !ok || port != "" && port[0] != ':' {
			return ""
		}
		return name
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}

// text answers with one line.
func text(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, line+"\n")
}

// index is the page at /.
func index(version string) string {
	return `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>wsgate admin</title></head>
<body>
<h1>wsgate ` + html.EscapeString(version) + `</h1>
<ul>
<li><a href="/metrics">/metrics</a>: metrics in the Prometheus format</li>
<li><a href="/healthz">/healthz</a>: 200 while serving, 503 while stopping</li>
<li><a href="/version">/version</a>: version as JSON</li>
<li><a href="/debug/pprof/">/debug/pprof/</a>: profiles of the process, for go tool pprof</li>
</ul>
</body>
</html>
`
}
