package server

import (
	"fmt"
	"net/netip"

	"wsgate/cmd/wsgate/internal/config"
	"wsgate/cmd/wsgate/internal/plain"
	"wsgate/eventloop"
	"wsgate/eventloop/route"
	"wsgate/handshake"
	"wsgate/lb"
	"wsgate/splice/frame"
	"wsgate/splice/sys"
)

// reserve is how many descriptors limits.connections leaves for everything
// that is no session: listening sockets, logs, pipes, epoll sets, the admin
// address and plain HTTP's idle connections to endpoints.
const reserve = 128

// maxFields bounds the field lines of a head.
const maxFields = 128

// generation builds what the loops need from a configuration. Endpoints come
// from the registry, so that their counts survive the generation.
func generation(c *config.Config, registry *lb.Registry, t *terminations) (*eventloop.Generation, error) {
	pools := make(map[string]*lb.Pool, len(c.Upstreams))
	for _, u := range c.Upstreams {
		p, err := pool(&u, registry)
		if err != nil {
			return nil, fmt.Errorf("upstream %s: %w", u.Name, err)
		}
		if up := t.upstreams[u.Name]; up != nil {
			p.TLS = up.Config
		}
		pools[u.Name] = p
	}
	routes := make([]*route.Route, 0, len(c.Routes))
	for i := range c.Routes {
		r, err := newRoute(c, &c.Routes[i], pools)
		if err != nil {
			return nil, err
		}
		routes = append(routes, r)
	}
	table, err := route.NewTable(routes)
	if err != nil {
		return nil, err
	}
	connections, err := connectionLimit(c.Limits.Connections)
	if err != nil {
		return nil, err
	}
	return &eventloop.Generation{
		Routes: table,
		Timeouts: &eventloop.Timeouts{
			RequestHead: c.Timeouts.RequestHead,
			Connect:     c.Timeouts.Connect,
			Upgrade:     c.Timeouts.Upgrade,
			Response:    c.Timeouts.Response,
			Send:        c.Timeouts.Send,
			Keepalive:   c.Timeouts.Keepalive,
			HalfClose:   c.Timeouts.HalfClose,
			Close:       c.Timeouts.Close,
			Idle:        c.Timeouts.Idle,
		},
		Limits: eventloop.Limits{
			Head:        headLimits(c),
			Connections: connections,
			Handshakes:  c.Limits.Handshakes,
			// One address cannot take the places of all others.
			HandshakesPerAddress: (c.Limits.Handshakes + 1) / 2,
		},
		Trusted: trusted(c.TrustedProxies),
		TCP:     tcpOptions(c),
	}, nil
}

// plainSettings is the same generation for the plain HTTP server: the same
// routes and pools, and the timeouts that only it has.
func plainSettings(c *config.Config, g *eventloop.Generation) *plain.Settings {
	return &plain.Settings{
		Routes:      g.Routes,
		Limits:      g.Limits.Head,
		RequestHead: c.Timeouts.RequestHead,
		RequestBody: c.Timeouts.RequestBody,
		Connect:     c.Timeouts.Connect,
		Response:    c.Timeouts.Response,
		Send:        c.Timeouts.Send,
		Keepalive:   c.Timeouts.Keepalive,
		Upgrade:     c.Timeouts.Upgrade,
		HalfClose:   c.Timeouts.HalfClose,
		Close:       c.Timeouts.Close,
		Idle:        c.Timeouts.Idle,
		// Each takes a descriptor beside those of the connections.
		Tunnels: g.Limits.Connections,
		Trusted: g.Trusted,
		TCP:     g.TCP,
	}
}

func headLimits(c *config.Config) handshake.Limits {
	return handshake.Limits{Line: int(c.Limits.RequestHead), Head: int(c.Limits.RequestHead), Fields: maxFields}
}

func tcpOptions(c *config.Config) sys.TCPOptions {
	return sys.TCPOptions{
		KeepAliveIdle:     c.TCP.Keepalive,
		KeepAliveInterval: c.TCP.KeepaliveInterval,
		KeepAliveCount:    c.TCP.KeepaliveCount,
		UserTimeout:       c.TCP.UserTimeout,
	}
}

// connectionLimit: 0 in the configuration means what the descriptors allow,
// two a session.
func connectionLimit(configured int) (int, error) {
	limit, err := sys.DescriptorLimit()
	if err != nil {
		return 0, fmt.Errorf("descriptor limit: %w", err)
	}
	most := int(min(max(int64(limit)-reserve, 2)/2, 1<<30))
	if configured == 0 {
		return most, nil
	}
	return min(configured, most), nil
}

func pool(u *config.Upstream, registry *lb.Registry) (*lb.Pool, error) {
	members := make([]lb.Member, 0, len(u.Endpoints))
	for _, e := range u.Endpoints {
		ep, err := registry.Endpoint(u.Name, e.Address, func() (any, error) {
			addr, err := sys.ParseAddr(e.Address)
			return &addr, err
		})
		if err != nil {
			return nil, err
		}
		members = append(members, lb.Member{Endpoint: ep, Weight: e.Weight})
	}
	return lb.NewPool(u.Name, u.Policy, members)
}

func newRoute(c *config.Config, r *config.Route, pools map[string]*lb.Pool) (*route.Route, error) {
	mode, err := frame.ParseMode(r.Frames)
	if err != nil {
		return nil, err
	}
	limit := c.Limits.Message
	if r.Message != nil {
		limit = *r.Message
	}
	if mode == frame.Off {
		limit = 0
	}
	path := r.Path
	if r.Exact {
		path = "=" + path
	}
	return &route.Route{
		Name:         r.Host + path,
		Host:         r.Host,
		Path:         r.Path,
		Exact:        r.Exact,
		Pool:         pools[r.Upstream],
		Frames:       mode,
		MaxMessage:   limit,
		Rules:        rules(r),
		Forwarded:    r.Forwarded,
		AllowEncoded: r.AllowEncoded,
		IdleTimeout:  r.Idle,
	}, nil
}

func rules(r *config.Route) *handshake.Rules {
	return &handshake.Rules{
		RequestSet:     headers(r.RequestHeaders.Set),
		RequestRemove:  r.RequestHeaders.Remove,
		ResponseSet:    headers(r.ResponseHeaders.Set),
		ResponseRemove: r.ResponseHeaders.Remove,
		Host:           r.UpstreamHost,
	}
}

func headers(set []config.Header) []handshake.Header {
	out := make([]handshake.Header, 0, len(set))
	for _, h := range set {
		out = append(out, handshake.Header{Name: h.Name, Value: h.Value})
	}
	return out
}

// trusted returns the test for trusted proxies.
func trusted(prefixes []netip.Prefix) func(netip.Addr) bool {
	if len(prefixes) == 0 {
		return func(netip.Addr) bool { return false }
	}
	return func(a netip.Addr) bool {
		a = a.Unmap()
		for _, p := range prefixes {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
}
