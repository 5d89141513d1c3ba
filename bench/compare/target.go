package compare

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"wsgate/bench/account"
	"wsgate/bench/load"
	"wsgate/bench/rivals"
	"wsgate/bench/sock"
	"wsgate/bench/spawn"
)

// Direct is the target without a gateway.
const Direct = "direct"

// target is a gateway that can be started, or Direct.
type target struct {
	rivals.Gateway
	binary string // empty for Direct
	asked  bool   // by name: takes every scenario that it can

	plainOnly bool            // refuses its configuration for TLS
	speaks    map[string]bool // TLS versions whose configuration it took
}

func (t target) takes(s Scenario) bool {
	switch {
	case t.binary == "":
		return !s.Idle() && s.TLS == nil
	case s.TLS != nil && (t.plainOnly || t.Splices()):
		return false
	case t.Bulk && !t.asked:
		return s.Bulk()
	}
	return true
}

// wants reports whether the target called name is asked for.
func (o *Options) wants(name string) bool {
	return len(o.Targets) == 0 || slices.Contains(o.Targets, name)
}

func (o *Options) checkTargets() error {
	for _, name := range o.Targets {
		if _, ok := rivals.Find(name); !ok && name != Direct {
			return fmt.Errorf("target %q: it is %q or the name of a gateway", name, Direct)
		}
	}
	return nil
}

// findTargets looks up what is asked for. What is not installed is left out,
// with a note. It holds that the names are known and that there is a Binary
// where the subject is wanted.
func findTargets(o *Options) (targets []target, notes []string, err error) {
	for _, g := range rivals.All() {
		if !o.wants(g.Name) {
			continue
		}
		t := target{Gateway: g, asked: slices.Contains(o.Targets, g.Name)}
		if g.Name == rivals.Subject {
			t.binary = o.Binary
		} else if t.binary, err = g.Look(); err != nil {
			notes = append(notes, fmt.Sprintf("%s is left out: %v", g.Name, err))
			continue
		}
		targets = append(targets, t)
	}
	if o.wants(Direct) {
		targets = append(targets, target{Gateway: rivals.Gateway{Name: Direct}})
	}
	if len(targets) == 0 {
		return nil, notes, fmt.Errorf("no target is left: %v", notes)
	}
	return targets, notes, nil
}

// checkTLS makes the certificates that the scenarios need and asks every target
// whether it takes its configuration for TLS. One that does not is left out of
// these scenarios, with a note.
func (h *harness) checkTLS(ctx context.Context, scenarios []Scenario, targets []target) (notes []string, err error) {
	for _, s := range scenarios {
		if s.TLS == nil {
			continue
		}
		if _, ok := h.certificates[s.TLS.Key]; !ok {
			if h.certificates[s.TLS.Key], err = rivals.NewCertificate(h.sup.Dir(), s.TLS.Key); err != nil {
				return notes, err
			}
		}
		for i := range targets {
			t := &targets[i]
			if t.binary == "" || !t.takes(s) || t.speaks[s.TLS.Version] {
				continue
			}
			path, _, err := h.configure(s.TLS, *t)
			if err != nil {
				return notes, err
			}
			if err := t.Check(ctx, t.binary, path); err != nil {
				t.plainOnly = true
				notes = append(notes, fmt.Sprintf("%s is left out of the scenarios over TLS: %v", t.Name, err))
				continue
			}
			if t.speaks == nil {
				t.speaks = map[string]bool{}
			}
			t.speaks[s.TLS.Version] = true
		}
	}
	return notes, ctx.Err()
}

// gateway is a target that runs, or the backend in its place.
type gateway struct {
	addr netip.AddrPort
	proc *spawn.Process // nil for Direct

	tls   bool // it terminates TLS
	roots *x509.CertPool
}

func (g *gateway) url() string {
	if g.tls {
		return "wss://" + g.addr.String()
	}
	return "ws://" + g.addr.String()
}

func (g *gateway) stop() {
	if g.proc != nil {
		g.proc.Stop(3 * time.Second)
	}
}

func (g *gateway) output() string {
	if g.proc == nil {
		return ""
	}
	return g.proc.Output()
}

// startLimit is how long a gateway may take until it listens.
const startLimit = 10 * time.Second

// start starts t on the gateway's core and returns when it listens. Nothing
// has connected to it then. Somebody else may take the port meanwhile, so it
// is tried three times.
func (h *harness) start(ctx context.Context, s Scenario, t target) (g *gateway, err error) {
	if t.binary == "" {
		return &gateway{addr: h.backends[0]}, nil
	}
	for range 3 {
		if g, err = h.startOnce(s, t); err != nil {
			return nil, err
		}
		if err = g.listening(ctx); err == nil {
			return g, nil
		}
		err = fmt.Errorf("%s %w: %s", t.Name, err, g.output())
		g.stop()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, err
}

func (h *harness) startOnce(s Scenario, t target) (*gateway, error) {
	path, addr, err := h.configure(s.TLS, t)
	if err != nil {
		return nil, err
	}
	p, err := h.sup.Start(spawn.Spec{Path: t.binary, Args: t.Args(path), Core: h.o.GatewayCore})
	if err != nil {
		return nil, err
	}
	g := &gateway{addr: addr, proc: p}
	if s.TLS != nil {
		g.tls, g.roots = true, h.certificates[s.TLS.Key].Roots
	}
	return g, nil
}

// configure writes a configuration of t for a free address, and returns both.
func (h *harness) configure(c *rivals.TLS, t target) (path string, addr netip.AddrPort, err error) {
	if addr, err = freePort(); err != nil {
		return "", addr, err
	}
	set := rivals.Settings{Listen: addr, Backends: h.backends, Dir: h.sup.Dir()}
	if c != nil {
		set.TLS = &rivals.Terminate{TLS: *c, Certificate: h.certificates[c.Key]}
	}
	h.starts++
	path = filepath.Join(h.sup.Dir(), fmt.Sprintf("%d-%s", h.starts, t.File))
	return path, addr, t.Configure(path, set)
}

// listening returns when g listens.
func (g *gateway) listening(ctx context.Context) error {
	deadline := time.Now().Add(startLimit)
	for {
		ok, err := account.Listening(g.proc.Group(), g.addr)
		switch {
		case err != nil:
			return err
		case ok:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("does not listen after %v", startLimit)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-g.proc.Done():
			return errors.New("ended before it listened")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// probe sends one message through g, until one comes back.
func (h *harness) probe(ctx context.Context, s Scenario, g *gateway) error {
	deadline := time.Now().Add(startLimit)
	for {
		c := s.config(g.url(), g.roots)
		c.Mode, c.Conns, c.Duration, c.Timeout = load.Idle, 1, time.Millisecond, 2*time.Second
		r, err := load.Run(ctx, c)
		if err == nil {
			err = r.Err()
		}
		if err == nil && r.Answered == 1 || ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no echo through the gateway: %w", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// freePort is an address that nobody listened on a moment ago.
func freePort() (netip.AddrPort, error) {
	fd, addr, err := sock.Listen(netip.MustParseAddrPort("127.0.1.1:0"))
	if err != nil {
		return addr, err
	}
	sock.Close(fd)
	return addr, nil
}
