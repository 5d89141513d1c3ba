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

	"wsgate/bench/build"
	"wsgate/bench/counts"
	"wsgate/bench/load"
	"wsgate/bench/rivals"
	"wsgate/bench/spawn"
)

// harness is one comparison under way.
type harness struct {
	o        Options
	sup      *spawn.Supervisor
	backend  *spawn.Process
	backends []netip.AddrPort
	sources  []netip.Addr
	starts   int
	traces   bool // strace can be had

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
	if err == nil {
		err = o.checkTargets()
	}
	if err != nil {
		return nil, err
	}
	h := &harness{certificates: map[string]rivals.Certificate{}}
	if h.sup, err = spawn.New(append(o.Self[:len(o.Self):len(o.Self)], "guard")); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.sup.Close()) }()
	targets, notes, err := h.prepare(ctx, o, scenarios)
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		o.Log("%s", n)
	}
	res = newResults(h.o, scenarios, targets, notes)
	if err := h.describe(ctx, res, scenarios, targets); err != nil {
		return nil, err
	}
	o.Log("about %v", o.estimate(scenarios, targets).Round(time.Second))
	for round := range o.Rounds {
		if err := h.round(ctx, round, res, scenarios, targets); err != nil {
			return nil, err
		}
	}
	res.finish(scenarios)
	return res, nil
}

// prepare brings everything about that runs need: programs, backend,
// certificates. It ends with this process on the kit's core.
func (h *harness) prepare(ctx context.Context, o Options, scenarios []Scenario) (targets []target, notes []string, err error) {
	if h.sources, err = load.ParseSources(loadSources); err != nil {
		return nil, nil, err
	}
	if o.Binary == "" && o.wants(rivals.Subject) {
		o.Log("building %s", rivals.Subject)
		if o.Binary, err = build.Gateway(ctx, h.sup, "", rivals.Subject); err != nil {
			return nil, nil, fmt.Errorf("%w; or choose --targets without it", err)
		}
	}
	if targets, notes, err = findTargets(&o); err != nil {
		return nil, nil, err
	}
	if notes, err = checkCores(&o, notes); err != nil {
		return nil, nil, err
	}
	h.o = o
	if err := h.startBackend(ctx); err != nil {
		return nil, nil, err
	}
	if o.Baseline != "" {
		var note string
		if targets, note, err = h.addBaseline(ctx, targets); err != nil {
			return nil, nil, err
		}
		notes = append(notes, note)
	}
	if err := counts.Strace(ctx); err == nil {
		h.traces = true
	} else {
		notes = append(notes, fmt.Sprintf("system calls are not counted: %v", err))
	}
	without, err := h.checkTLS(ctx, scenarios, targets)
	if err != nil {
		return nil, nil, err
	}
	return targets, append(notes, without...), pinSelf(o.KitCore)
}

// round makes one run of each scenario for each target.
func (h *harness) round(ctx context.Context, round int, res *Results, scenarios []Scenario, targets []target) error {
	for si, s := range scenarios {
		if s.Idle() && round >= h.o.IdleRounds {
			continue
		}
		for _, ti := range h.o.order(round, targets) {
			t := targets[ti]
			if !t.takes(s) {
				continue
			}
			run := h.measure(ctx, round, s, t)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			run.Round = round + 1
			res.Scenarios[si].Targets[ti].add(run)
			h.o.Log("round %d/%d  %-9s %-15s %s", round+1, h.o.Rounds, s.Name, t.Name, run.line(s))
		}
	}
	return nil
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
