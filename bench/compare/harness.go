package compare

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"wsgate/bench/account"
	"wsgate/bench/load"
	"wsgate/bench/rivals"
	"wsgate/bench/spawn"
	"wsgate/bench/stats"
)

// harness is one comparison under way.
type harness struct {
	o        Options
	sup      *spawn.Supervisor
	backend  *spawn.Process
	backends []netip.AddrPort
	sources  []netip.Addr
	starts   int

	certificates map[string]rivals.Certificate // by key type
}

// Addresses of the kit: several on both sides, so that ports do not run out.
const (
	backendListen = "127.0.3.1-8:0"
	loadSources   = "127.0.2.1-16"
)

// Run makes the comparison that o asks for. A run that fails is part of the
// results; an error means that there are none. When ctx ends, Run stops
// everything that it started and returns the context's error.
func Run(ctx context.Context, o Options) (res *Results, err error) {
	o.defaults()
	o.pairOnly()
	scenarios, err := choose(o.Scenarios, o.Pairs)
	if err != nil {
		return nil, err
	}
	targets, notes, err := findTargets(&o)
	if err != nil {
		return nil, err
	}
	if notes, err = checkCores(&o, notes); err != nil {
		return nil, err
	}
	h := &harness{o: o, certificates: map[string]rivals.Certificate{}}
	if h.sources, err = load.ParseSources(loadSources); err != nil {
		return nil, err
	}
	if err := pinSelf(o.KitCore); err != nil {
		return nil, err
	}
	if h.sup, err = spawn.New(append(o.Self[:len(o.Self):len(o.Self)], "guard")); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.sup.Close()) }()
	if err := h.startBackend(ctx); err != nil {
		return nil, err
	}
	if o.Baseline != "" {
		var note string
		if targets, note, err = h.addBaseline(ctx, targets); err != nil {
			return nil, err
		}
		notes = append(notes, note)
	}
	without, err := h.checkTLS(ctx, scenarios, targets)
	if err != nil {
		return nil, err
	}
	notes = append(notes, without...)
	for _, n := range notes {
		o.Log("%s", n)
	}
	res = newResults(o, scenarios, targets, notes)
	if err := h.describe(ctx, res, scenarios, targets); err != nil {
		return nil, err
	}
	o.Log("about %v", o.estimate(scenarios, targets).Round(time.Second))
	for round := range o.Rounds {
		for si, s := range scenarios {
			if s.Idle() && round >= o.IdleRounds {
				continue
			}
			for _, ti := range o.order(round, targets) {
				t := targets[ti]
				if !t.takes(s) {
					continue
				}
				run := h.measure(ctx, s, t)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				run.Round = round + 1
				res.Scenarios[si].Targets[ti].add(run)
				o.Log("round %d/%d  %-9s %-15s %s", round+1, o.Rounds, s.Name, t.Name, run.line(s))
			}
		}
	}
	res.finish(scenarios)
	return res, nil
}

// checkCores sees whether the cores exist. A machine with one core measures
// too, with a note: what its numbers say about the gateway is less.
func checkCores(o *Options, notes []string) ([]string, error) {
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return notes, fmt.Errorf("sched_getaffinity: %w", err)
	}
	if !may.IsSet(o.KitCore) {
		return notes, fmt.Errorf("core %d cannot be used by this process", o.KitCore)
	}
	if !may.IsSet(o.GatewayCore) {
		notes = append(notes, fmt.Sprintf("core %d cannot be used: gateway and load share core %d", o.GatewayCore, o.KitCore))
		o.GatewayCore = o.KitCore
	}
	return notes, nil
}

// pinSelf puts every thread of this process on core. Threads that start later
// inherit it. What ends a run must not wait for a busy loop to be preempted, so
// two goroutines may run at a time.
func pinSelf(core int) error {
	runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))
	var set unix.CPUSet
	set.Set(core)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("pin to core %d: %w", core, err)
		}
	}
	return nil
}

// startBackend starts the backend and learns its addresses from its first line.
func (h *harness) startBackend(ctx context.Context) error {
	ready := make(chan string, 1)
	argv := append(h.o.Self[:len(h.o.Self):len(h.o.Self)], "backend", "--listen", backendListen)
	p, err := h.sup.Start(spawn.Spec{Path: argv[0], Args: argv[1:], Core: h.o.KitCore, Line: func(l string) {
		if rest, ok := strings.CutPrefix(l, "Ready "); ok {
			select {
			case ready <- rest:
			default:
			}
		}
	}})
	if err != nil {
		return err
	}
	h.backend = p
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.Done():
		return fmt.Errorf("the backend ended: %s", p.Output())
	case <-time.After(startLimit):
		return fmt.Errorf("the backend is not ready after %v: %s", startLimit, p.Output())
	case words := <-ready:
		for w := range strings.FieldsSeq(words) {
			a, err := netip.ParseAddrPort(w)
			if err != nil {
				return fmt.Errorf("the backend's address: %w", err)
			}
			h.backends = append(h.backends, a)
		}
		return nil
	}
}

// describe writes down what is compared: versions and configurations, of those
// for TLS the first.
func (h *harness) describe(ctx context.Context, res *Results, scenarios []Scenario, targets []target) error {
	for _, t := range targets {
		if t.binary == "" {
			continue
		}
		v, err := t.VersionOf(ctx, t.binary)
		if err != nil {
			v = "unknown: " + err.Error()
		}
		res.Versions[t.Name] = v
		set := rivals.Settings{Listen: netip.MustParseAddrPort("127.0.0.1:8080"), Backends: h.backends, Dir: "DIR"}
		name := t.Name + " (" + filepath.Base(t.File) + ")"
		if err := describe(res, t, name, set); err != nil {
			return err
		}
		i := slices.IndexFunc(scenarios, func(s Scenario) bool { return s.TLS != nil && t.takes(s) })
		if i < 0 {
			continue
		}
		s := scenarios[i]
		set.TLS = &rivals.Terminate{TLS: *s.TLS, Certificate: rivals.Certificate{Chain: "DIR/cert", Key: "DIR/key", Bundle: "DIR/bundle"}}
		if err := describe(res, t, name+" in "+s.Name, set); err != nil {
			return err
		}
	}
	return nil
}

func describe(res *Results, t target, name string, set rivals.Settings) error {
	conf, err := t.Configuration(set)
	res.Configurations[name] = string(conf)
	return err
}

// measure starts t, makes one run of s, and stops t.
func (h *harness) measure(ctx context.Context, s Scenario, t target) Trial {
	g, err := h.start(ctx, s, t)
	if err != nil {
		return Trial{Error: err.Error()}
	}
	defer g.stop()
	if s.Idle() {
		return h.measureIdle(ctx, s, g)
	}
	if err := h.probe(ctx, s, g); err != nil {
		return Trial{Error: fmt.Sprintf("%v: %s", err, g.output())}
	}
	return h.measureTraffic(ctx, s, g)
}

// moment is what is read at both ends of the measured time.
type moment struct {
	gateway, backend account.Usage
	busy, stolen     time.Duration
	err              error
}

func (h *harness) now(g *gateway) (m moment) {
	var errs [3]error
	if g.proc != nil {
		m.gateway, errs[0] = account.Take(g.proc.Group())
	}
	m.backend, errs[1] = account.Take(h.backend.Group())
	m.busy, m.stolen, errs[2] = account.Busy()
	m.err = errors.Join(errs[:]...)
	return m
}

// load is the load of s on g.
func (h *harness) load(s Scenario, g *gateway) load.Config {
	c := s.config(g.url(), g.roots)
	c.Sources = h.sources
	return c
}

func (h *harness) measureTraffic(ctx context.Context, s Scenario, g *gateway) Trial {
	var before, after moment
	c := h.load(s, g)
	c.Warmup, c.Duration = h.o.Warmup, h.o.Duration
	c.Begin = func() { before = h.now(g) }
	c.End = func() { after = h.now(g) }
	rep, err := load.Run(ctx, c)
	if err == nil {
		err = errors.Join(before.err, after.err)
	}
	if err != nil {
		return Trial{Error: fmt.Sprintf("%v: %s", err, g.output())}
	}
	run := newTrial(s, rep)
	units := float64(rep.Units) / s.PerUnit
	if units == 0 {
		run.Error = strings.TrimSpace("nothing was completed in the measured time " + run.Error)
		return run
	}
	v := run.Values
	v["per_second"] = rep.PerSecond / s.PerUnit
	v["p50_us"], v["p99_us"], v["p999_us"], v["max_us"] = rep.Latency.P50, rep.Latency.P99, rep.Latency.P999, rep.Latency.Max
	modeValues(v, rep)
	us := func(d time.Duration) float64 { return float64(d) / 1e3 / units }
	back := after.backend.Since(before.backend)
	v["backend_us"], v["kit_us"] = us(back.CPU), rep.CPUSeconds*1e6/units
	known := back.CPU + time.Duration(rep.CPUSeconds*1e9)
	if g.proc != nil {
		use := after.gateway.Since(before.gateway)
		v["cpu_us"], v["cpu_user_us"], v["cpu_system_us"] = us(use.CPU), us(use.User), us(use.System)
		v["switches"] = float64(use.Switches) / units
		v["gateway_busy"] = use.CPU.Seconds() / rep.Seconds
		known += use.CPU
	}
	v["others_busy"] = max(0, (after.busy-before.busy-known).Seconds()/rep.Seconds)
	v["machine_us"] = us(after.busy - before.busy)
	v["stolen"] = (after.stolen - before.stolen).Seconds() / rep.Seconds
	return run
}

// newTrial is a run with this report. One with faults, or over another TLS than
// s says, has failed.
func newTrial(s Scenario, rep *load.Report) Trial {
	run := Trial{Report: rep, Values: map[string]float64{}}
	if err := rep.Err(); err != nil {
		run.Error = fmt.Sprintf("%v %q", err, rep.Examples)
	} else if err := s.agreed(rep.TLS); err != nil {
		run.Error = err.Error()
	}
	return run
}

// modeValues are those that one mode alone has.
func modeValues(v map[string]float64, rep *load.Report) {
	if f := rep.Fanout; f != nil {
		v["first_us"], v["median_us"], v["last_us"] = f.First.P50, f.Median.P50, f.Last.P50
	}
	if s := rep.Storm; s != nil {
		v["back_seconds"], v["errors"] = stats.Summarize(s.Seconds).Median, 0
		for _, n := range s.Errors {
			v["errors"] += float64(n)
		}
	}
	if rep.TLS != nil {
		v["handshake_us"] = rep.TLS.Handshake.P50
	}
}

// measureIdle reads memory before there ever was a connection and while all
// are held, both after the same quiet time.
func (h *harness) measureIdle(ctx context.Context, s Scenario, g *gateway) Trial {
	select {
	case <-ctx.Done():
		return Trial{}
	case <-time.After(h.o.Quiet):
	}
	fresh, err := account.PSS(g.proc.Group())
	if err != nil {
		return Trial{Error: err.Error()}
	}
	kernel, hasKernel := account.KernelMemory()
	var before, after moment
	var held int64
	var heldErr error
	var heldKernel account.Kernel
	c := h.load(s, g)
	c.Duration, c.Timeout = h.o.Quiet, 20*time.Second
	c.Begin = func() { before = h.now(g) }
	c.End = func() {
		after = h.now(g)
		held, heldErr = account.PSS(g.proc.Group())
		heldKernel, _ = account.KernelMemory()
	}
	rep, err := load.Run(ctx, c)
	if err == nil {
		err = errors.Join(before.err, after.err, heldErr)
	}
	if err != nil {
		return Trial{Error: fmt.Sprintf("%v: %s", err, g.output())}
	}
	run := newTrial(s, rep)
	v, n := run.Values, float64(max(rep.Opened, 1))
	v["pss_fresh"], v["pss_held"], v["pss_session"] = float64(fresh), float64(held), float64(held-fresh)/n
	if hasKernel {
		v["kernel_session"] = float64(heldKernel.Slab+heldKernel.Sockets-kernel.Slab-kernel.Sockets) / n
	}
	v["open_seconds"] = rep.OpenSeconds
	v["cpu_idle_ms"] = float64(after.gateway.Since(before.gateway).CPU) / 1e6
	return run
}
