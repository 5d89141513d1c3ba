package load

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"wsgate/bench/wire"
)

// Mode is what a run does with its connections.
type Mode string

// The modes; the package comment explains them.
const (
	Echo  Mode = "echo"
	Rate  Mode = "rate"
	Idle  Mode = "idle"
	Churn Mode = "churn"
	Down  Mode = "down"
	Up    Mode = "up"
)

// modes are all of them.
var modes = []Mode{Echo, Rate, Idle, Churn, Down, Up}

// Config is one run. The zero value of a field is its default.
type Config struct {
	URL      string        // ws://address:port/prefix
	Mode     Mode          // default Echo
	Conns    int           // connections; default 100
	InFlight int           // messages under way a connection, in echo and up; default 1
	Rate     float64       // messages a second over all connections, in rate
	Size     int           // payload bytes a message; default 64, -1 means empty
	Warmup   time.Duration // before the measured time; zero for none
	Duration time.Duration // measured; default 5s
	Timeout  time.Duration // for an upgrade, and for what is due at the end; default 10s
	Sources  []netip.Addr  // local addresses in turn; none: the kernel chooses
	Loops    int           // event loops; default 1
	Opening  int           // connections being opened at a time; default 128
	Path     string        // path of the request; empty: the backend's path for the mode

	// Begin and End are called where the measured time begins and ends.
	// They hold up the run, and what they take is part of the measured time.
	Begin, End func()
	// Progress is called once a second.
	Progress func(Progress)
}

// Progress is the state of a run under way.
type Progress struct {
	Phase  string // "opening", "running" or "closing"
	Open   int64  // connections
	Units  int64  // since the start, warm-up included
	Faults int64
}

// target is a Config's URL, resolved.
type target struct {
	addr netip.AddrPort
	host string // for the Host field
	path string
}

func (c *Config) defaults() {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	if c.Mode == "" {
		c.Mode = Echo
	}
	def(&c.Conns, 100)
	def(&c.InFlight, 1)
	def(&c.Size, 64)
	def(&c.Loops, 1)
	def(&c.Opening, 128)
	if c.Size < 0 {
		c.Size = 0
	}
	if c.Duration == 0 {
		c.Duration = 5 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
}

// validate holds that defaults were set.
func (c *Config) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(slices.Contains(modes, c.Mode), "mode %q: it is one of %v", c.Mode, modes)
	check(c.Conns > 0, "connections: %d is below 1", c.Conns)
	check(c.InFlight > 0 && c.InFlight <= 1<<16, "in flight: %d is not between 1 and 65536", c.InFlight)
	check(c.Size <= wire.MaxSize, "size: %d is over %d", c.Size, wire.MaxSize)
	check(c.Mode != Rate || c.Rate > 0, "rate: the mode needs messages a second, above 0")
	check(c.Mode != Up && c.Mode != Down || c.Size >= wire.StampSize, "size: %d is below %d, and bulk messages carry a stamp", c.Size, wire.StampSize)
	check(c.Loops > 0 && c.Loops <= c.Conns, "loops: %d is not between 1 and the number of connections", c.Loops)
	check(c.Opening > 0, "opening: %d is below 1", c.Opening)
	check(c.Warmup >= 0 && c.Duration > 0 && c.Timeout > 0, "durations must be above 0")
	return errors.Join(errs...)
}

// resolve reads the URL. A host name is looked up once.
func (c *Config) resolve() (t target, err error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return t, fmt.Errorf("target: %w", err)
	}
	switch {
	case u.Scheme == "wss":
		return t, fmt.Errorf("target %q: TLS targets are not supported", c.URL)
	case u.Scheme != "ws":
		return t, fmt.Errorf("target %q: want ws://host:port/path", c.URL)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	a, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return t, fmt.Errorf("target %q: %w", c.URL, err)
	}
	ap := a.AddrPort()
	t = target{addr: netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), host: u.Host, path: strings.TrimSuffix(u.EscapedPath(), "/")}
	for _, s := range c.Sources {
		if s.Is4() != t.addr.Addr().Is4() {
			return t, fmt.Errorf("source %s and target %s are of different families", s, t.addr)
		}
	}
	return t, nil
}

// maxSources bounds what ParseSources expands.
const maxSources = 1 << 16

// ParseSources reads a list of addresses separated by commas. An address may
// be a range in its last part: 127.0.2.1-16.
func ParseSources(s string) (list []netip.Addr, err error) {
	if s == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, err := netip.ParseAddr(first)
		if err != nil {
			return nil, fmt.Errorf("source %q: %w", part, err)
		}
		end := a
		if isRange {
			i := strings.LastIndexAny(first, ".:")
			if end, err = netip.ParseAddr(first[:i+1] + last); err != nil {
				return nil, fmt.Errorf("source %q: %w", part, err)
			}
			if end.Less(a) {
				return nil, fmt.Errorf("source %q: the range ends before it begins", part)
			}
		}
		for ; a.Compare(end) <= 0; a = a.Next() {
			if list = append(list, a); len(list) > maxSources {
				return nil, fmt.Errorf("source %q: more than %d addresses", part, maxSources)
			}
		}
	}
	return list, nil
}
