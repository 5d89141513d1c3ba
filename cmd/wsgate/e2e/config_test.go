package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A routeConf sends what matches host and path to the endpoints to.
type routeConf struct {
	host   string // "" is "*"
	path   string // "" is "/"
	to     []string
	frames string   // "" leaves the default
	extra  []string // further lines of YAML, without indentation
}

// A conf is what a test wants to be configured. The zero value of a field
// leaves the key out of the file.
type conf struct {
	listeners []string // none: one on 127.0.0.1:0
	secure    []string // further lines of each listener: its tls section
	routes    []routeConf
	timeouts  map[string]string
	limits    map[string]string
	trusted   []string
	extra     []string // further top-level lines
}

// simple routes everything to endpoints.
func simple(endpoints ...string) conf {
	return conf{routes: []routeConf{{to: endpoints}}}
}

// yaml writes c as wsgate reads it.
func (c conf) yaml(accessLog string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	listeners := c.listeners
	if len(listeners) == 0 {
		listeners = []string{"127.0.0.1:0"}
	}
	line("loops: 2")
	line("listeners:")
	for _, l := range listeners {
		line("  - address: %q", l)
		for _, x := range c.secure {
			line("    %s", x)
		}
	}
	line("routes:")
	for i, r := range c.routes {
		line("  - upstream: u%d", i)
		if r.host != "" {
			line("    host: %q", r.host)
		}
		if r.path != "" {
			line("    path: %q", r.path)
		}
		if r.frames != "" {
			line("    frames: %s", r.frames)
		}
		for _, x := range r.extra {
			line("    %s", x)
		}
	}
	line("upstreams:")
	for i, r := range c.routes {
		line("  u%d:", i)
		line("    endpoints:")
		for _, e := range r.to {
			line("      - %q", e)
		}
	}
	section := func(name string, m map[string]string) {
		if len(m) == 0 {
			return
		}
		line("%s:", name)
		for _, k := range slices.Sorted(maps.Keys(m)) {
			line("  %s: %s", k, m[k])
		}
	}
	section("timeouts", c.timeouts)
	section("limits", c.limits)
	if len(c.trusted) > 0 {
		line("trusted_proxies:")
		for _, t := range c.trusted {
			line("  - %q", t)
		}
	}
	line("access_log: {path: %q}", accessLog)
	line("admin: {address: \"127.0.0.1:0\"}")
	for _, x := range c.extra {
		line("%s", x)
	}
	return b.String()
}

// nginx writes the part of c that nginx has a word for: listeners, path
// prefixes and endpoints.
func (c conf) nginx(dir, listen string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("daemon off; worker_processes 1; pid %s/pid; error_log stderr warn;", dir)
	line("events { worker_connections 4096; }")
	line("http {")
	line("  access_log off;")
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		line("  %s_temp_path %s/%s;", kind, dir, kind)
	}
	line("  map $http_upgrade $connection_upgrade { default upgrade; '' close; }")
	for i, r := range c.routes {
		line("  upstream u%d {", i)
		for _, e := range r.to {
			line("    server %s;", e)
		}
		line("  }")
	}
	line("  server {")
	line("    listen %s;", listen)
	line("    client_max_body_size 0;")
	for i, r := range c.routes {
		path := r.path
		if path == "" {
			path = "/"
		}
		line("    location %s {", path)
		line("      proxy_pass http://u%d;", i)
		line("      proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;")
		line("      proxy_read_timeout 3600s;")
		line("      proxy_set_header Host $http_host;")
		line("      proxy_set_header Upgrade $http_upgrade;")
		line("      proxy_set_header Connection $connection_upgrade;")
		line("    }")
	}
	line("  }")
	line("}")
	return b.String()
}
