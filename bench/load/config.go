package load

import (
	"cmp"
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

	Fanout Mode = "fanout"
	Storm  Mode = "storm"
)

// modes are all of them.
var modes = []Mode{Echo, Rate, Idle, Churn, Down, Up, Fanout, Storm}

// Config is one run. The zero value of a field is its default.
type Config struct {
	URL      string        // ws://address:port/prefix, or wss
	Mode     Mode          // default Echo
	Conns    int           // connections; default 100
	InFlight int           // messages under way a connection, in echo and up; default 1
	Rate     float64       // messages a second over all connections, in rate; over all rooms, in fanout: 0 is a closed loop
	Trickle  float64       // messages a second over all connections while they are held, in idle; default none
	Room     int           // members of a room, in fanout; default all connections
	Storms   int           // how often all connections drop, in storm; default 3
	Size     int           // payload bytes a message; default 64, -1 means empty
	Sizes    *Sizes        // in place of Size: see ReadSizes
	Warmup   time.Duration // before the measured time; zero for none
	Duration time.Duration // measured; default 5s. A storm takes the time that it takes
	Timeout  time.Duration // for an upgrade, for what is due at the end, for all to come back after a storm; default 10s
	Sources  []netip.Addr  // local addresses in turn; none: the kernel chooses
	Loops    int           // event loops; default 1
	Opening  int           // connections being opened at a time, but in a storm; default 128
	Path     string        // path of the request; empty: the backend's path for the mode

	TLS *TLS // for a wss target; nil is the defaults

	// Release, when it is closed, ends the measured time before Duration is
	// over; what is due then still has to come.
	Release <-chan struct{}

	// Begin and End are called where the measured time begins and ends.
	// They hold up the run, and what they take is part of the measured time.
	Begin, End func()
	// Progress is called once a second.
	Progress func(Progress)
}

// Progress is the state of a run under way.
type Progress struct {
	Phase  string // "opening", "running", "storm 2 of 3" or "closing"
	Open   int64  // connections
	Unit   string // what Units counts
	Units  int64  // since the start, or since the warm-up was over
	Faults int64
}

// target is a Config's URL, resolved.
type target struct {
	addr   netip.AddrPort
	host   string // for the Host field
	name   string // host without the port
	path   string
	secure bool // wss
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
	if c.Sizes == nil {
		def(&c.Size, 64)
	}
	def(&c.Room, c.Conns)
	def(&c.Storms, 3)
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
	c.checkSizes(check)
	c.checkModes(check)
	check(c.Loops > 0 && c.Loops <= c.Conns, "loops: %d is not between 1 and the number of connections", c.Loops)
	check(c.Opening > 0, "opening: %d is below 1", c.Opening)
	check(c.Warmup >= 0 && c.Duration > 0 && c.Timeout > 0, "durations must be above 0")
	if c.TLS != nil {
		errs = append(errs, c.TLS.validate())
	}
	return errors.Join(errs...)
}

// checkModes checks what one mode alone reads.
func (c *Config) checkModes(check func(ok bool, format string, args ...any)) {
	check(c.Rate >= 0 && c.Trickle >= 0, "rate and trickle: messages a second are not below 0")
	check(c.Trickle == 0 || c.Mode == Idle, "trickle: it belongs to idle, not to %s", c.Mode)
	check(c.Storms > 0, "storms: %d is below 1", c.Storms)
	if c.Mode != Fanout {
		return
	}
	if c.Room < 1 || c.Room > c.Conns || c.Conns%c.Room != 0 {
		check(false, "room: rooms of %d cannot be filled by %d connections", c.Room, c.Conns)
		return
	}
	check(c.Loops <= c.Conns/c.Room, "loops: %d are more than the rooms, %d, and a room belongs to one loop", c.Loops, c.Conns/c.Room)
}

// paced reports whether messages are sent at fixed times.
func (c *Config) paced() bool { return c.Mode == Rate || c.Mode == Fanout && c.Rate > 0 }

// resolve reads the URL. A host name is looked up once.
func (c *Config) resolve() (t target, err error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return t, fmt.Errorf("target: %w", err)
	}
	port := u.Port()
	switch u.Scheme {
	case "wss":
		t.secure = true
		port = cmp.Or(port, "443")
	case "ws":
		port = cmp.Or(port, "80")
	default:
		return t, fmt.Errorf("target %q: want ws://host:port/path, or wss", c.URL)
	}
	if c.TLS != nil && !t.secure {
		return t, fmt.Errorf("target %q: it does not speak TLS, and there are options for it: want wss://", c.URL)
	}
	a, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return t, fmt.Errorf("target %q: %w", c.URL, err)
	}
	ap := a.AddrPort()
	t.addr = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	t.host, t.name, t.path = u.Host, u.Hostname(), strings.TrimSuffix(u.EscapedPath(), "/")
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
