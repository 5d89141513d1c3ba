package counts

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"wsgate/bench/account"
	"wsgate/bench/build"
	"wsgate/bench/spawn"
)

// Options are what is to be counted.
type Options struct {
	Self   []string // command line of this program, for its guard
	Binary string   // of wsgate; empty: it is built from the working folder's module
	// Messages and Sessions are how many are traced, those not counted in
	// which a timer ran; default 60 and 25.
	Messages, Sessions int
	// Attempts are how often [Check] measures before it believes that
	// something has grown; default 3.
	Attempts int
	Log      func(format string, args ...any)
}

func (o *Options) defaults() {
	for _, d := range []struct {
		field *int
		value int
	}{{&o.Messages, 60}, {&o.Sessions, 25}, {&o.Attempts, 3}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
}

const (
	payload = 64 // bytes of a message
	warm    = 8  // sessions and messages before any that counts
	// patience is how long messages or sessions are traced to get as many as
	// asked for without a timer. A calm machine needs two seconds.
	patience = 90 * time.Second
	maxPause = 100 * time.Millisecond // between two traced sessions
	// Allocations are counted over more: see asks.
	heapMessages = 10_000
	heapSessions = 1000
)

// Measure counts what binary needs for a message and for a session. Where
// strace may not trace, the counts of system calls are missing and the
// record's Skipped says why. It takes about ten seconds. When ctx ends, it
// stops what it started and returns the context's error.
func Measure(ctx context.Context, o Options) (r *Record, err error) {
	o.defaults()
	sup, err := spawn.New(append(o.Self[:len(o.Self):len(o.Self)], "guard"))
	if err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, sup.Close())
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}()
	if o.Binary == "" {
		if o.Binary, err = build.Gateway(ctx, sup, "", "wsgate"); err != nil {
			return nil, err
		}
	}
	info, err := buildinfo.ReadFile(o.Binary)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Binary, err)
	}
	r = &Record{Go: info.GoVersion, Kernel: account.Here().Kernel, Units: map[string]*Counts{Message: {}, Upgrade: {}}}
	if err := r.countAllocations(ctx, sup, o.Binary); err != nil {
		return nil, fmt.Errorf("allocations: %w", err)
	}
	err = Strace(ctx)
	if errors.Is(err, ErrNotPermitted) {
		r.Skipped = err.Error()
		return r, nil
	}
	if err == nil {
		err = r.countCalls(ctx, sup, o)
	}
	if err != nil {
		return nil, fmt.Errorf("system calls: %w", err)
	}
	return r, nil
}

// life is a whole session with one message.
func (g *gateway) life(ctx context.Context) error {
	s, err := g.open(ctx)
	if err != nil {
		return err
	}
	if err := s.echo(payload); err != nil {
		s.drop()
		return err
	}
	return s.close()
}

// heat makes what only the first sessions cost, and leaves one open.
func (g *gateway) heat(ctx context.Context) (s *session, err error) {
	for range warm {
		if err := g.life(ctx); err != nil {
			return nil, err
		}
	}
	if s, err = g.open(ctx); err != nil {
		return nil, err
	}
	for range warm {
		if err := s.echo(payload); err != nil {
			s.drop()
			return nil, err
		}
	}
	return s, nil
}

func (r *Record) countAllocations(ctx context.Context, sup *spawn.Supervisor, binary string) error {
	g, err := start(ctx, sup, binary, false)
	if err != nil {
		return err
	}
	defer g.stop()
	s, err := g.heat(ctx)
	if err != nil {
		return err
	}
	defer s.drop()
	for _, u := range []struct {
		unit string
		n    int
		work func() error
	}{
		{Message, heapMessages, func() error { return s.echo(payload) }},
		{Upgrade, heapSessions, func() error { return g.life(ctx) }},
	} {
		h, err := g.allocated(ctx, u.n, u.work)
		if err != nil {
			return fmt.Errorf("%s: %w", u.unit, err)
		}
		c := r.Units[u.unit]
		c.Objects, c.Bytes = max(0, math.Round(h.objects*100)/100), max(0, math.Round(h.bytes*10)/10)
	}
	return nil
}

func (r *Record) countCalls(ctx context.Context, sup *spawn.Supervisor, o Options) error {
	g, err := start(ctx, sup, o.Binary, true)
	if err != nil {
		return err
	}
	defer g.stop()
	// The session that stays open keeps the gateway's timer running, so that
	// no step of the sessions that are counted has to start it.
	s, err := g.heat(ctx)
	if err != nil {
		return err
	}
	defer s.drop()
	for _, u := range []struct {
		unit  string
		steps []string
		n     int
		work  func() error
	}{
		{Message, messageSteps, o.Messages, func() error { return s.echo(payload) }},
		{Upgrade, sessionSteps, o.Sessions, func() error {
			// A timer that ticks as often as there are sessions must not run
			// in the same step of each.
			time.Sleep(rand.N(maxPause))
			// The one that stays open must not become idle.
			if err := s.echo(payload); err != nil {
				return err
			}
			return g.life(ctx)
		}},
	} {
		g.log = nil
		for began := time.Now(); !g.log.enough(u.steps, u.n) && time.Since(began) < patience; {
			if err := u.work(); err != nil {
				return fmt.Errorf("%s: %w", u.unit, err)
			}
		}
		if r.Units[u.unit].Syscalls, err = g.log.cost(u.steps, min(u.n, fewest)); err != nil {
			return err
		}
	}
	return nil
}
