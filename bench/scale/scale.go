package scale

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"time"

	"wsgate/bench/account"
	"wsgate/bench/load"
	"wsgate/bench/spawn"
)

// Options are one run. The zero value of a field is its default.
type Options struct {
	Self   []string      // command line of this kit, for the backend
	Binary string        // wsgate
	Pairs  int           // default 8000; 16 at least
	Quiet  time.Duration // before memory is read; default 10s
	Echo   time.Duration // of messages at each stage; default 5s
	Log    func(format string, args ...any)
}

func (o *Options) defaults() {
	if o.Pairs == 0 {
		o.Pairs = 8000
	}
	if o.Quiet == 0 {
		o.Quiet = 10 * time.Second
	}
	if o.Echo == 0 {
		o.Echo = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
}

// validate holds that defaults were set.
func (o *Options) validate() error {
	switch {
	case o.Pairs < minPairs || o.Pairs > maxPairs:
		return fmt.Errorf("pairs: %d is not between %d and %d", o.Pairs, minPairs, maxPairs)
	case o.Quiet < 0 || o.Echo < 0:
		return errors.New("durations must be above 0")
	}
	if n := account.Here().Descriptors; uint64(Descriptors(o.Pairs)) > n {
		return fmt.Errorf("%d pairs take %d descriptors, and a process may have %d here: %d pairs at most", o.Pairs, Descriptors(o.Pairs), n, Fits(n))
	}
	return nil
}

// Bounds of Options.Pairs.
const (
	minPairs = 16
	maxPairs = 1_000_000
)

// The echo that is measured beside the idle pairs: slow enough for an emulated
// machine, on connections of its own.
const (
	echoConns = 32
	echoRate  = 200
)

// Addresses: 64 on both sides, so that a million connections leave three
// quarters of the ports between any two free.
const (
	backendListen = "127.0.3.1-64:0"
	loadSources   = "127.0.2.1-64"
)

// Descriptors is how many one process, the gateway, needs for so many pairs.
func Descriptors(pairs int) int { return 2*(pairs+echoConns) + 256 }

// Fits is how many pairs a descriptor limit allows.
func Fits(limit uint64) int { return max(0, (int(min(limit, 1<<30))-256)/2-echoConns) }

// run is one under way.
type run struct {
	o       Options
	g       *gateway
	backend *process
	sources []netip.Addr
	res     *Result
	before  memory
	held    []*held
}

// Run makes the measurement that o asks for. When ctx ends it stops everything
// that it started and returns the context's error. Connections that failed are
// part of the result; an error means that there is none.
func Run(ctx context.Context, sup *spawn.Supervisor, o Options) (*Result, error) {
	o.defaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	began := time.Now()
	r := &run{o: o}
	var addrs []string
	var err error
	if r.sources, err = load.ParseSources(loadSources); err != nil {
		return nil, err
	}
	if r.backend, addrs, err = startBackend(ctx, sup, o.Self); err != nil {
		return nil, err
	}
	defer r.backend.Stop(time.Second)
	if r.g, err = startGateway(ctx, sup, o.Binary, addrs); err != nil {
		return nil, err
	}
	defer r.g.Stop(3 * time.Second)
	r.res = &Result{
		Time: began.UTC().Truncate(time.Second), Machine: account.Here(), Version: r.g.version, Configuration: r.g.configuration,
		Settings: Settings{
			Pairs: o.Pairs, Quiet: o.Quiet.Seconds(), EchoConns: echoConns, EchoRate: echoRate, EchoSeconds: o.Echo.Seconds(),
			Sources: loadSources, Backends: backendListen,
		},
	}
	ctx, cancel := context.WithCancel(ctx)
	defer r.abandon(cancel)
	if err := r.measure(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w; wsgate: %s", err, r.g.Output())
	}
	r.res.Seconds = time.Since(began).Seconds()
	return r.res, nil
}

func (r *run) measure(ctx context.Context) (err error) {
	if err := pause(ctx, r.o.Quiet); err != nil {
		return err
	}
	if r.before, err = r.memory(); err != nil {
		return err
	}
	r.res.FreshUserBytes = r.before.gateway
	open := 0
	for _, part := range []int{8, 4, 2, 1} {
		pairs := r.o.Pairs / part
		s, err := r.stage(ctx, pairs, pairs-open)
		if err != nil {
			return fmt.Errorf("%d pairs: %w", pairs, err)
		}
		r.res.Stages = append(r.res.Stages, s)
		open = pairs
	}
	r.res.judge(r.before.hasKernel)
	return r.end(ctx)
}

// stage opens added connections more, so that pairs are open, and looks.
func (r *run) stage(ctx context.Context, pairs, added int) (s Stage, err error) {
	r.o.Log("opening %d pairs, %d in all", added, pairs)
	h, err := r.open(ctx, added)
	if err != nil {
		return s, err
	}
	s = Stage{Pairs: pairs, Added: added, OpenSeconds: h.seconds, OpenRate: float64(added) / max(h.seconds, 1e-9)}
	r.o.Log("%d pairs are open: %.1f s, %.0f a second", pairs, s.OpenSeconds, s.OpenRate)
	if err := pause(ctx, r.o.Quiet); err != nil {
		return s, err
	}
	m, err := r.memory()
	if err != nil {
		return s, err
	}
	s.fill(m, r.before)
	if s.Echo, err = r.echo(ctx); err != nil {
		return s, err
	}
	if s.GC, err = r.g.collect(ctx); err != nil {
		return s, err
	}
	r.o.Log("a pair: %.0f B in the gateway, %.0f B in the kernel; echo p50 %.0f us, p99 %.0f us; collection %.1f ms, pauses %.0f and %.0f us",
		s.UserBytesPair, s.KernelBytesPair, s.Echo.P50, s.Echo.P99, s.GC.Seconds*1e3, s.GC.PausesUS[0], s.GC.PausesUS[1])
	return s, r.failure()
}

// echo sends messages through connections of its own.
func (r *run) echo(ctx context.Context) (load.Summary, error) {
	rep, err := load.Run(ctx, load.Config{
		URL: r.g.url, Mode: load.Rate, Rate: echoRate, Conns: echoConns, Sources: r.sources,
		Warmup: r.o.Echo / 5, Duration: r.o.Echo, Timeout: r.timeout(echoConns),
	})
	if err == nil {
		err = rep.Err()
	}
	if err != nil {
		return load.Summary{}, fmt.Errorf("echo: %w", err)
	}
	return rep.Latency, ctx.Err()
}

// timeout is for opening or closing conns connections, on an emulated machine.
func (r *run) timeout(conns int) time.Duration {
	return time.Minute + time.Duration(conns)*10*time.Millisecond
}

// memory is what is read at each stage.
type memory struct {
	gateway, backend, load int64 // PSS
	kernel                 int64
	hasKernel              bool
	available              int64
}

func (r *run) memory() (m memory, err error) {
	debug.FreeOSMemory() // of the load generator: this process
	var errs [4]error
	m.gateway, errs[0] = account.PSS(r.g.Group())
	m.backend, errs[1] = account.PSS(r.backend.Group())
	m.load, errs[2] = account.OwnPSS()
	m.available, errs[3] = account.Available()
	var k account.Kernel
	k, m.hasKernel = account.KernelMemory()
	m.kernel = k.Slab + k.Sockets
	return m, errors.Join(errs[:]...)
}

// fill sets what m says about the pairs of s.
func (s *Stage) fill(m, before memory) {
	a := func(bytes int64) float64 { return float64(bytes) / float64(s.Pairs) }
	s.UserBytes = m.gateway - before.gateway
	s.UserBytesPair = a(s.UserBytes)
	if m.hasKernel {
		s.KernelBytes = m.kernel - before.kernel
		s.KernelBytesPair = a(s.KernelBytes)
	}
	s.LoadBytesPair, s.BackBytesPair = a(m.load-before.load), a(m.backend-before.backend)
	s.AvailableBytes = m.available
}

// pause waits for d.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
