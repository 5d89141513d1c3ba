package config

import (
	"fmt"
	"net/netip"
	"strings"

	"wsgate/handshake"
)

// validate judges what depends on more than one value. Each value alone is
// right, or has an error already and is left out here.
func (d *decoder) validate(c *Config) {
	d.checkListeners(c)
	d.checkTLS(c)
	d.checkUpstreams(c)
	d.checkRoutes(c)
}

// warn notes something that keeps nothing from running.
func (d *decoder) warn(p Pos, msg, hint string) {
	if len(d.warnings) < maxErrors {
		d.warnings = append(d.warnings, d.finding(p, msg, hint))
	}
}

// bound is an address that something of the gateway listens on.
type bound struct {
	name    string
	address string
	pos     Pos
}

// checkListeners finds addresses that cannot be bound beside each other.
func (d *decoder) checkListeners(c *Config) {
	all := make([]bound, 0, len(c.Listeners)+1)
	admin := bound{"admin.address", c.Admin.Address, d.places["admin.address"]}
	if admin.pos == (Pos{}) {
		all = append(all, admin) // a default is never what the error is about
	}
	for i, l := range c.Listeners {
		all = append(all, bound{fmt.Sprintf("listeners[%d]", i), l.Address, l.Pos})
	}
	if admin.pos != (Pos{}) {
		all = append(all, admin)
	}
	taken := make(map[string]bound)
	wild := make(map[netip.AddrPort]bound)
	for _, b := range all {
		ap, err := netip.ParseAddrPort(b.address)
		if b.address == "" || err == nil && ap.Port() == 0 {
			continue
		}
		if first, ok := taken[b.address]; ok {
			d.fail(b.pos, fmt.Sprintf("%s: %s is taken by %s", b.name, show(b.address), first.name), first.line())
			continue
		}
		taken[b.address] = b
		if err == nil && ap.Addr().IsUnspecified() {
			wild[ap] = b
		}
	}
	for _, b := range all {
		ap, err := netip.ParseAddrPort(b.address)
		if err != nil {
			continue
		}
		d.checkWild(b, ap, wild)
	}
}

// checkWild looks whether a wildcard address has the port of b.
func (d *decoder) checkWild(b bound, ap netip.AddrPort, wild map[netip.AddrPort]bound) {
	all4 := netip.AddrPortFrom(netip.IPv4Unspecified(), ap.Port())
	all6 := netip.AddrPortFrom(netip.IPv6Unspecified(), ap.Port())
	same := all4
	if ap.Addr().Is6() {
		same = all6
	}
	if w, ok := wild[same]; ok && ap != same {
		d.fail(b.pos, fmt.Sprintf("%s: %s is part of %s of %s", b.name, show(b.address), show(w.address), w.name), w.line())
		return
	}
	// An IPv6 wildcard takes IPv4 as well, unless the system is told otherwise.
	if w, ok := wild[all6]; ok && ap.Addr().Is4() {
		d.warn(b.pos, fmt.Sprintf("%s: %s is part of %s of %s unless net.ipv6.bindv6only is set", b.name, show(b.address), show(w.address), w.name), w.line())
	}
}

func (b bound) line() string {
	if b.pos.Line == 0 {
		return "that is the default of " + b.name
	}
	return fmt.Sprintf("that is on line %d", b.pos.Line)
}

// checkUpstreams finds endpoints that are listed twice or are the gateway
// itself.
func (d *decoder) checkUpstreams(c *Config) {
	own := make(map[string]bool)
	for _, l := range c.Listeners {
		own[l.Address] = true
	}
	for i := range c.Upstreams {
		u := &c.Upstreams[i]
		d.checkUpstreamTLS(u)
		first := make(map[string]Pos)
		for i, e := range u.Endpoints {
			name := fmt.Sprintf("upstreams.%s.endpoints[%d]", label(u.Name), i)
			if e.Address == "" {
				continue
			}
			if p, ok := first[e.Address]; ok {
				d.fail(e.Pos, fmt.Sprintf("%s: %s is there twice", name, show(e.Address)), fmt.Sprintf("the first is on line %d; weight gives it a larger share", p.Line))
				continue
			}
			first[e.Address] = e.Pos
			if own[e.Address] {
				d.warn(e.Pos, fmt.Sprintf("%s: %s is a listener of this gateway", name, show(e.Address)), "requests will go round until limits end them")
			}
		}
	}
}

// checkRoutes finds routes that go nowhere or cannot be told apart, limits that
// cannot be kept, and upstreams that no route names.
func (d *decoder) checkRoutes(c *Config) {
	names := make([]string, 0, len(c.Upstreams))
	used := make(map[string]bool)
	for _, u := range c.Upstreams {
		names = append(names, u.Name)
		used[u.Name] = false
	}
	first := make(map[string]Pos)
	for i := range c.Routes {
		r := &c.Routes[i]
		name := fmt.Sprintf("routes[%d]", i)
		if d.failed[name] {
			continue
		}
		d.checkRoute(name, r, c.Limits.Message)
		if _, ok := used[r.Upstream]; ok {
			used[r.Upstream] = true
		} else if r.Upstream != "" && !d.failed["upstreams"] && len(names) > 0 {
			d.fail(d.at(name+".upstream"), name+".upstream: there is no upstream "+show(r.Upstream), suggest(r.Upstream, "upstreams", names))
		}
		if d.failed[name+".host"] || d.failed[name+".path"] {
			continue
		}
		id := routeID(r)
		if p, ok := first[id]; ok {
			d.fail(r.Pos, name+": host and path are those of another route", fmt.Sprintf("that is on line %d", p.Line))
			continue
		}
		first[id] = r.Pos
	}
	for _, u := range c.Upstreams {
		if !used[u.Name] && len(c.Routes) > 0 {
			d.warn(u.Pos, "upstream "+show(u.Name)+" is used by no route", "")
		}
	}
}

func (d *decoder) checkRoute(name string, r *Route, message int64) {
	limit, from := message, "limits.message"
	if r.Message != nil {
		limit, from = *r.Message, name+".message_limit"
	}
	if r.Frames == "off" && limit > 0 && !d.failed[from] {
		d.fail(d.at(name+".frames"), fmt.Sprintf("%s.frames: a message limit cannot be kept with frames: off", name),
			fmt.Sprintf("%s is %s; write message_limit: 0 on this route, or frames: observe", from, sizeText(limit)))
	}
	if _, bad := handshake.NormalizePath(nil, []byte(r.Path), r.AllowEncoded); bad != nil && !d.failed[name+".path"] && !d.failed[name+".allow_encoded"] {
		d.fail(d.at(name+".path"), fmt.Sprintf("%s.path: no request gets to %s: %s", name, show(r.Path), bad.Detail), "write allow_encoded: true on this route")
	}
}

// routeID is the same for routes that match the same requests. A slash at the
// end of a prefix has no meaning.
func routeID(r *Route) string {
	if r.Exact {
		return r.Host + " =" + r.Path
	}
	return r.Host + " " + strings.TrimSuffix(r.Path, "/")
}
