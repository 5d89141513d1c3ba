package config

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Print writes c as YAML with every default filled in. Parse makes the same
// Config of it, positions and warnings apart. The error is w's.
func Print(w io.Writer, c *Config) error {
	p := &printer{}
	p.line(0, "loops", decimal(int64(c.Loops)))
	p.line(0, "websocket_over_h2", fmt.Sprint(c.WebSocketOverH2))
	p.head(0, "listeners")
	for i := range c.Listeners {
		p.listener(&c.Listeners[i])
	}
	p.head(0, "routes")
	for i := range c.Routes {
		p.route(&c.Routes[i])
	}
	p.head(0, "upstreams")
	for _, u := range c.Upstreams {
		p.upstream(&u)
	}
	if len(c.TrustedProxies) > 0 {
		p.head(0, "trusted_proxies")
		for _, t := range c.TrustedProxies {
			p.item(1, quote(t.String()))
		}
	}
	p.settings(c)
	_, err := io.WriteString(w, p.b.String())
	return err
}

type printer struct{ b strings.Builder }

func (p *printer) line(depth int, key, value string) {
	fmt.Fprintf(&p.b, "%s%s: %s\n", strings.Repeat("  ", depth), key, value)
}

func (p *printer) head(depth int, key string) {
	fmt.Fprintf(&p.b, "%s%s:\n", strings.Repeat("  ", depth), key)
}

func (p *printer) item(depth int, value string) {
	fmt.Fprintf(&p.b, "%s- %s\n", strings.Repeat("  ", depth), value)
}

// quote writes a text so that YAML sees nothing but text in it. It has no line
// ends.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (p *printer) route(r *Route) {
	path := r.Path
	if r.Exact {
		path = "=" + path
	}
	p.line(1, "- host", quote(r.Host))
	p.line(2, "path", quote(path))
	p.line(2, "upstream", quote(r.Upstream))
	p.line(2, "frames", quote(r.Frames))
	if r.Message != nil {
		p.line(2, "message_limit", sizeText(*r.Message))
	}
	if r.Idle != 0 {
		p.line(2, "idle_timeout", durationText(int64(r.Idle)))
	}
	p.headers("request_headers", &r.RequestHeaders)
	p.headers("response_headers", &r.ResponseHeaders)
	if r.UpstreamHost != "" {
		p.line(2, "upstream_host", quote(r.UpstreamHost))
	}
	p.line(2, "forwarded", fmt.Sprint(r.Forwarded))
	p.line(2, "allow_encoded", fmt.Sprint(r.AllowEncoded))
}

func (p *printer) headers(key string, h *HeaderRules) {
	if len(h.Set)+len(h.Remove) == 0 {
		return
	}
	p.head(2, key)
	if len(h.Set) > 0 {
		p.head(3, "set")
		for _, f := range h.Set {
			p.line(4, quote(f.Name), quote(f.Value))
		}
	}
	if len(h.Remove) > 0 {
		p.head(3, "remove")
		for _, name := range h.Remove {
			p.item(4, quote(name))
		}
	}
}

func (p *printer) upstream(u *Upstream) {
	p.head(1, quote(u.Name))
	p.line(2, "policy", quote(u.Policy))
	p.head(2, "endpoints")
	for _, e := range u.Endpoints {
		p.line(3, "- address", quote(e.Address))
		p.line(4, "weight", decimal(int64(e.Weight)))
	}
	if u.TLS != nil {
		p.upstreamTLS(u.TLS)
	}
}

// settings writes the sections that are mappings of single values.
func (p *printer) settings(c *Config) {
	t, l, tcp := &c.Timeouts, &c.Limits, &c.TCP
	p.head(0, "timeouts")
	for _, e := range [...]struct {
		key   string
		value time.Duration
	}{
		{"request_head", t.RequestHead}, {"request_body", t.RequestBody}, {"connect", t.Connect},
		{"upgrade", t.Upgrade}, {"response", t.Response}, {"send", t.Send}, {"keepalive", t.Keepalive},
		{"half_close", t.HalfClose}, {"close", t.Close}, {"idle", t.Idle}, {"drain", t.Drain},
	} {
		p.line(1, e.key, durationText(int64(e.value)))
	}
	p.head(0, "limits")
	p.line(1, "request_head", sizeText(int64(l.RequestHead)))
	p.line(1, "message", sizeText(l.Message))
	p.line(1, "connections", decimal(int64(l.Connections)))
	p.line(1, "buffered", sizeText(l.Buffered))
	p.line(1, "handshakes", decimal(int64(l.Handshakes)))
	p.head(0, "tcp")
	p.line(1, "keepalive", durationText(int64(tcp.Keepalive)))
	p.line(1, "keepalive_interval", durationText(int64(tcp.KeepaliveInterval)))
	p.line(1, "keepalive_count", decimal(int64(tcp.KeepaliveCount)))
	p.line(1, "user_timeout", durationText(int64(tcp.UserTimeout)))
	p.head(0, "access_log")
	p.line(1, "path", quote(c.AccessLog.Path))
	p.line(1, "queue", sizeText(c.AccessLog.Queue))
	p.head(0, "admin")
	p.line(1, "address", quote(c.Admin.Address))
	if c.Admin.TokenFile != "" {
		p.line(1, "token_file", quote(c.Admin.TokenFile))
	}
}
