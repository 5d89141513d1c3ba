package config

import "time"

// Ranges of what can be set.
var (
	loopRange       = span{0, 1024, true}
	timeoutRange    = span{int64(time.Millisecond), int64(8760 * time.Hour), false}
	optionalRange   = span{int64(time.Millisecond), int64(8760 * time.Hour), true}
	headRange       = span{256, 1 << 20, false}
	messageRange    = span{1, 1 << 60, true}
	connectionRange = span{1, 1 << 30, true}
	bufferedRange   = span{64 << 10, 1 << 60, true}
	handshakeRange  = span{1, 1 << 20, true}
	// The kernel takes 1 to 32767 seconds and 1 to 127 probes (tcp(7)), and
	// milliseconds in an int.
	probeRange       = span{int64(time.Second), 32767 * int64(time.Second), true}
	probeCountRange  = span{1, 127, true}
	userTimeoutRange = span{int64(time.Millisecond), 24 * int64(time.Hour), true}
	queueRange       = span{64 << 10, 1 << 30, false}
	weightRange      = span{1, 65535, false}
)

// config reads the document.
func (d *decoder) config(v value, c *Config) {
	there := d.mapping(v, []key{
		{"loops", func(v value) { d.integer(v, &c.Loops, loopRange) }},
		{"websocket_over_h2", func(v value) { d.boolean(v, &c.WebSocketOverH2) }},
		{"listeners", func(v value) { d.listeners(v, c) }},
		{"routes", func(v value) { d.routes(v, c) }},
		{"upstreams", func(v value) { d.upstreams(v, c) }},
		{"trusted_proxies", func(v value) { d.trustedProxies(v, c) }},
		{"timeouts", func(v value) { d.timeouts(v, &c.Timeouts) }},
		{"limits", func(v value) { d.limits(v, &c.Limits) }},
		{"tcp", func(v value) { d.tcp(v, &c.TCP) }},
		{"access_log", func(v value) { d.accessLog(v, &c.AccessLog) }},
		{"admin", func(v value) { d.admin(v, &c.Admin) }},
	})
	if d.failed[""] {
		return
	}
	for _, name := range [...]string{"routes", "upstreams"} {
		if !there[name] {
			d.fail(v.pos, name+" is missing", needs)
		}
	}
}

func (d *decoder) timeouts(v value, t *Timeouts) {
	one := func(name string, dst *time.Duration, s span) key {
		return key{name, func(v value) { d.duration(v, dst, s) }}
	}
	d.mapping(v, []key{
		one("request_head", &t.RequestHead, timeoutRange),
		one("request_body", &t.RequestBody, timeoutRange),
		one("connect", &t.Connect, timeoutRange),
		one("upgrade", &t.Upgrade, timeoutRange),
		one("response", &t.Response, timeoutRange),
		one("send", &t.Send, timeoutRange),
		one("keepalive", &t.Keepalive, timeoutRange),
		one("half_close", &t.HalfClose, timeoutRange),
		one("close", &t.Close, timeoutRange),
		one("idle", &t.Idle, optionalRange),
		one("drain", &t.Drain, optionalRange),
	})
}

func (d *decoder) limits(v value, l *Limits) {
	d.mapping(v, []key{
		{"request_head", func(v value) {
			head := int64(l.RequestHead)
			d.size(v, &head, headRange)
			l.RequestHead = int(head)
		}},
		{"message", func(v value) { d.size(v, &l.Message, messageRange) }},
		{"connections", func(v value) { d.integer(v, &l.Connections, connectionRange) }},
		{"buffered", func(v value) { d.size(v, &l.Buffered, bufferedRange) }},
		{"handshakes", func(v value) { d.integer(v, &l.Handshakes, handshakeRange) }},
	})
}

func (d *decoder) tcp(v value, t *TCP) {
	d.mapping(v, []key{
		{"keepalive", func(v value) { d.duration(v, &t.Keepalive, probeRange) }},
		{"keepalive_interval", func(v value) { d.duration(v, &t.KeepaliveInterval, probeRange) }},
		{"keepalive_count", func(v value) { d.integer(v, &t.KeepaliveCount, probeCountRange) }},
		{"user_timeout", func(v value) { d.duration(v, &t.UserTimeout, userTimeoutRange) }},
	})
}

func (d *decoder) accessLog(v value, a *AccessLog) {
	if d.off(v) {
		a.Path = "off"
		return
	}
	if _, ok := scalarText(v.node); ok {
		d.wrong(v, "must be a mapping, or off", "write {path: stderr}, or the path of a file")
		return
	}
	d.mapping(v, []key{
		{"path", func(v value) {
			if d.off(v) {
				a.Path = "off"
				return
			}
			d.logPath(v, &a.Path)
		}},
		{"queue", func(v value) { d.size(v, &a.Queue, queueRange) }},
	})
}

func (d *decoder) admin(v value, a *Admin) {
	if d.off(v) {
		a.Address = ""
		return
	}
	if _, ok := scalarText(v.node); ok {
		d.wrong(v, "must be a mapping, or off", "write {address: 127.0.0.1:PORT}")
		return
	}
	d.mapping(v, []key{
		{"address", func(v value) {
			if d.off(v) {
				a.Address = ""
				return
			}
			d.address(v, &a.Address, inspecting)
		}},
		{"token_file", func(v value) { d.file(v, &a.TokenFile) }},
	})
}

// off tells whether v is one of the ways to write that something is not wanted.
func (d *decoder) off(v value) bool {
	text, ok := scalarText(v.node)
	return ok && (text == "off" || text == "false" || text == "")
}

// put makes v the entry i of list: entries keep the places that they have in
// the file when one in front of them is refused.
func put[T any](list []T, i int, v T) []T {
	for len(list) < i {
		list = append(list, *new(T))
	}
	return append(list, v)
}

func (d *decoder) listeners(v value, c *Config) {
	c.Listeners = nil
	d.sequence(v, func(i int, v value) {
		l := Listener{Pos: v.pos}
		d.addressEntry(v, &l.Address, &l.Pos, listening,
			key{"plain_http", func(v value) { d.choice(v, &l.PlainHTTP, "redirect", "refuse", "serve") }},
			key{"tls", func(v value) { d.terminate(v, &l) }})
		c.Listeners = put(c.Listeners, i, l)
	})
	d.filled(v)
}

// addressEntry reads an entry that is an address alone, or a mapping of it and
// other keys.
func (d *decoder) addressEntry(v value, dst *string, pos *Pos, u use, others ...key) {
	if _, ok := scalarText(v.node); ok {
		d.address(v, dst, u)
		return
	}
	there := d.mapping(v, append([]key{{"address", func(v value) {
		*pos = v.pos
		d.address(v, dst, u)
	}}}, others...))
	if !d.failed[v.name] && !there["address"] {
		d.wrong(v, "address is missing", "")
	}
}

func (d *decoder) routes(v value, c *Config) {
	d.sequence(v, func(i int, v value) {
		r := defaultRoute()
		r.Pos = v.pos
		d.route(v, &r)
		c.Routes = put(c.Routes, i, r)
	})
	d.filled(v)
}

func (d *decoder) route(v value, r *Route) {
	there := d.mapping(v, []key{
		{"host", func(v value) { d.host(v, &r.Host) }},
		{"path", func(v value) { d.path(v, r) }},
		{"upstream", func(v value) { d.name(v, &r.Upstream) }},
		{"frames", func(v value) { d.choice(v, &r.Frames, "observe", "enforce", "off") }},
		{"message_limit", func(v value) {
			r.Message = new(int64)
			d.size(v, r.Message, messageRange)
		}},
		{"idle_timeout", func(v value) { d.duration(v, &r.Idle, timeoutRange) }},
		{"request_headers", func(v value) { d.headers(v, &r.RequestHeaders, request) }},
		{"response_headers", func(v value) { d.headers(v, &r.ResponseHeaders, response) }},
		{"upstream_host", func(v value) { d.upstreamHost(v, &r.UpstreamHost) }},
		{"forwarded", func(v value) { d.boolean(v, &r.Forwarded) }},
		{"allow_encoded", func(v value) { d.boolean(v, &r.AllowEncoded) }},
	})
	if !d.failed[v.name] && !there["upstream"] {
		d.fail(v.pos, v.name+": upstream is missing", "every route names one of the upstreams")
	}
}

func (d *decoder) upstreams(v value, c *Config) {
	d.entries(v, func(k, v value) {
		u := Upstream{Name: k.name, Policy: "round_robin", Pos: k.pos}
		if !validName(k.name) {
			d.fail(k.pos, "upstream name "+show(k.name)+" is not valid", nameHint)
		}
		if d.present(v, "it needs endpoints") {
			d.upstream(v, &u)
		}
		c.Upstreams = append(c.Upstreams, u)
	})
	d.filled(v)
}

func (d *decoder) upstream(v value, u *Upstream) {
	there := d.mapping(v, []key{
		{"policy", func(v value) { d.policy(v, &u.Policy) }},
		{"endpoints", func(v value) { d.endpoints(v, u) }},
		{"tls", func(v value) { d.upstreamTLS(v, u) }},
	})
	if !d.failed[v.name] && !there["endpoints"] {
		d.wrong(v, "endpoints is missing", "every upstream lists one address at least")
	}
}

func (d *decoder) endpoints(v value, u *Upstream) {
	d.sequence(v, func(i int, v value) {
		e := Endpoint{Weight: 1, Pos: v.pos}
		d.addressEntry(v, &e.Address, &e.Pos, connecting,
			key{"weight", func(v value) { d.integer(v, &e.Weight, weightRange) }})
		u.Endpoints = put(u.Endpoints, i, e)
	})
	d.filled(v)
}
