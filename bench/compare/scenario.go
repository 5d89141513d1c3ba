package compare

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"wsgate/bench/load"
	"wsgate/bench/rivals"
)

// Scenario is something to measure.
type Scenario struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Unit  string `json:"unit"` // what costs are divided by
	// PerUnit is how many of the load's units make one Unit.
	PerUnit float64 `json:"per_unit"`

	Mode     load.Mode `json:"mode"`
	Conns    int       `json:"connections"`
	InFlight int       `json:"in_flight,omitempty"`
	Rate     float64   `json:"rate,omitempty"`
	Room     int       `json:"room,omitempty"` // members
	Size     int       `json:"size_bytes"`

	TLS *rivals.TLS `json:"tls,omitempty"` // what every client offers, and a run without which has failed; nil: plain
}

// Idle reports whether s measures memory and not traffic.
func (s Scenario) Idle() bool { return s.Mode == load.Idle }

// Bulk reports whether s moves large frames.
func (s Scenario) Bulk() bool { return s.Mode == load.Down || s.Mode == load.Up }

// config is the load that s puts on the gateway at url. roots has the
// certificate of a gateway that terminates TLS.
func (s Scenario) config(url string, roots *x509.CertPool) load.Config {
	c := load.Config{URL: url, Mode: s.Mode, Conns: s.Conns, InFlight: s.InFlight, Rate: s.Rate, Room: s.Room, Size: s.Size}
	if s.TLS != nil {
		c.TLS = &load.TLS{
			ServerName: rivals.ServerName, Roots: roots, Resume: s.TLS.Resume,
			Version: s.TLS.Protocol(), Group: tls.X25519,
		}
		if s.TLS.Version == rivals.TLS12 {
			c.TLS.Cipher = s.TLS.Suite()
		}
	}
	return c
}

// renewed is the largest share of full handshakes in a run that resumes, beside
// those of its first connections, which have nothing to resume.
const renewed = 0.1

// agreed compares what the connections of a run have agreed on with what s
// holds equal for all gateways.
func (s Scenario) agreed(r *load.TLSReport) error {
	switch {
	case s.TLS == nil:
		return nil
	case r == nil:
		return errors.New("no connection has spoken TLS")
	}
	// crypto/tls tells no group of a TLS 1.2 session that was resumed.
	group := r.Group
	if s.TLS.Version == rivals.TLS12 && s.TLS.Resume {
		group = rivals.Group
	}
	got := rivals.Agreement{Version: r.Version, Group: group, Cipher: r.Cipher, Key: r.KeyType}
	if want := s.TLS.Agreement(); got != want {
		return fmt.Errorf("clients and gateway agreed on %v; it had to be %v", got, want)
	}
	all := r.Full + r.Resumed
	switch {
	case s.TLS.Resume && (r.Resumed == 0 || float64(r.Full-int64(s.Conns)) > renewed*float64(all)):
		return fmt.Errorf("%d of %d handshakes were full", r.Full, all)
	case !s.TLS.Resume && r.Resumed > 0:
		return fmt.Errorf("%d handshakes were resumed", r.Resumed)
	}
	return nil
}

// bulk is a scenario of frames of size bytes, counted in megabytes.
func bulk(name, title string, mode load.Mode, size int) Scenario {
	return Scenario{
		Name: name, Title: title, Unit: "MB", PerUnit: 1e6 / float64(size),
		Mode: mode, Conns: 8, InFlight: 2, Size: size,
	}
}

// echo is a closed loop of messages of size bytes.
func echo(name string, size int) Scenario {
	return Scenario{
		Name: name, Title: fmt.Sprintf("Echo: %s, 100 connections, one message under way on each", bytesOf(size)), Unit: "message", PerUnit: 1,
		Mode: load.Echo, Conns: 100, Size: size,
	}
}

// bytesOf is a size for a title.
func bytesOf(n int) string {
	if n >= 1<<10 && n%(1<<10) == 0 {
		return fmt.Sprintf("%d KB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// churn is whole lives of sessions.
func churn() Scenario {
	return Scenario{
		Name: "churn", Title: "Churn: connect, upgrade, one echo, close; 100 at a time", Unit: "cycle", PerUnit: 1,
		Mode: load.Churn, Conns: 100, Size: 64,
	}
}

// idle holds pairs sessions.
func idle(pairs int) Scenario {
	return Scenario{
		Name: "idle", Title: fmt.Sprintf("Idle: %d sessions, no traffic", pairs), Unit: "session", PerUnit: 1,
		Mode: load.Idle, Conns: pairs, Size: 64,
	}
}

// over is the TLS twin of s. Its name is that of s behind a prefix.
func over(t rivals.TLS, prefix string, s Scenario) Scenario {
	s.Name, s.Title, s.TLS = prefix+s.Name, s.Title+", over "+t.String(), &t
	return s
}

// The TLS that the twins speak. The group is X25519 everywhere: a hybrid one
// would measure ML-KEM, which Debian's peers do not have.
var (
	tls13    = rivals.TLS{Version: rivals.TLS13, Key: rivals.ECDSA}
	tls13rsa = rivals.TLS{Version: rivals.TLS13, Key: rivals.RSA}
	tls13re  = rivals.TLS{Version: rivals.TLS13, Key: rivals.ECDSA, Resume: true}
	tls12    = rivals.TLS{Version: rivals.TLS12, Key: rivals.ECDSA}
	tls12re  = rivals.TLS{Version: rivals.TLS12, Key: rivals.ECDSA, Resume: true}
)

// tlsIdlePairs bounds the idle sessions of a TLS twin: the load generator keeps
// a tls.Conn for each.
const tlsIdlePairs = 3000

// Scenarios returns all scenarios, in the order in which they run. pairs is
// how many idle sessions are held, over TLS at most 3,000.
func Scenarios(pairs int) []Scenario {
	return []Scenario{
		echo("echo", 64),
		{
			Name: "rate", Title: "Rate: 10,000 messages a second of 64 bytes over 1,000 connections", Unit: "message", PerUnit: 1,
			Mode: load.Rate, Conns: 1000, Size: 64, Rate: 10000,
		},
		echo("echo1k", 1<<10),
		echo("echo4k", 4<<10),
		echo("echo16k", 16<<10),
		churn(),
		bulk("down16k", "Bulk: frames of 16 KB to 8 clients", load.Down, 16<<10),
		bulk("down64k", "Bulk: frames of 64 KB to 8 clients", load.Down, 64<<10),
		bulk("down256k", "Bulk: frames of 256 KB to 8 clients", load.Down, 256<<10),
		bulk("down900k", "Bulk: frames of 900 KB to 8 clients", load.Down, 900_000),
		bulk("up64k", "Bulk: frames of 64 KB from 8 clients", load.Up, 64<<10),
		{
			Name: "fanout", Title: "Fan-out: 64 bytes to rooms of 100, 10 rooms, one message under way in each", Unit: "delivery", PerUnit: 1,
			Mode: load.Fanout, Conns: 1000, Room: 100, Size: 64,
		},
		{
			Name: "storm", Title: "Storm: 2,000 connections drop at once and come back; three times", Unit: "reconnect", PerUnit: 1,
			Mode: load.Storm, Conns: 2000, Size: 64,
		},
		idle(pairs),
		over(tls13, "wss-", echo("echo", 64)),
		over(tls13, "wss-", churn()),
		over(tls13re, "wss-resumed-", churn()),
		over(tls13rsa, "wss-rsa-", churn()),
		over(tls13, "wss-", bulk("down64k", "Bulk: frames of 64 KB to 8 clients", load.Down, 64<<10)),
		over(tls13, "wss-", idle(min(pairs, tlsIdlePairs))),
		over(tls12, "wss12-", echo("echo", 64)),
		over(tls12, "wss12-", churn()),
		over(tls12re, "wss12-resumed-", churn()),
		over(tls12, "wss12-", bulk("down64k", "Bulk: frames of 64 KB to 8 clients", load.Down, 64<<10)),
		over(tls12, "wss12-", idle(min(pairs, tlsIdlePairs))),
	}
}

// Quick are the names of the scenarios that run unless others are asked for.
// They take ten minutes.
var Quick = []string{
	"echo", "rate", "churn", "down64k", "down900k", "idle",
	"wss-echo", "wss-churn", "wss-resumed-churn", "wss-idle",
}

// Full in a list of names stands for all scenarios.
const Full = "all"

// choose returns the scenarios called names, in their own order.
func choose(names []string, pairs int) ([]Scenario, error) {
	all := Scenarios(pairs)
	switch {
	case len(names) == 0:
		names = Quick
	case slices.Equal(names, []string{Full}):
		return all, nil
	}
	var chosen []Scenario
	var known []string
	for _, s := range all {
		known = append(known, s.Name)
		if slices.Contains(names, s.Name) {
			chosen = append(chosen, s)
		}
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("scenario %q: it is %q or some of %v", n, Full, known)
		}
	}
	return chosen, nil
}
