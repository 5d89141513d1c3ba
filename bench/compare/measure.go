package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"wsgate/bench/account"
	"wsgate/bench/counts"
	"wsgate/bench/load"
	"wsgate/bench/stats"
)

// measure starts t, makes one run of s, and stops t.
func (h *harness) measure(ctx context.Context, round int, s Scenario, t target) Trial {
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
	run := h.measureTraffic(ctx, s, g)
	if round == 0 && run.Error == "" && h.traces && g.proc != nil && s.countable() {
		if err := h.countCalls(ctx, s, g, run.Values); err != nil {
			run.Uncounted = err.Error()
		}
	}
	return run
}

// countable reports whether the load of s waits for a gateway that is slowed
// down: what falls due at fixed times would pile up instead.
func (s Scenario) countable() bool { return s.Mode != load.Rate && s.Mode != load.Storm }

// countTime is how long system calls are counted.
const countTime = 500 * time.Millisecond

// countCalls counts the system calls of g a unit of s, in a run of its own:
// being traced slows a gateway down several times.
func (h *harness) countCalls(ctx context.Context, s Scenario, g *gateway, v map[string]float64) error {
	var counter *counts.Counter
	var calls map[string]int64
	var began, ended error
	c := h.load(s, g)
	c.Warmup, c.Duration = h.o.Warmup, min(countTime, h.o.Duration)
	c.Begin = func() { counter, began = counts.Attach(ctx, g.proc.Group()) }
	c.End = func() {
		if began == nil {
			calls, ended = counter.Stop()
		}
	}
	rep, err := load.Run(ctx, c)
	if err == nil {
		err = errors.Join(began, ended, rep.Err())
	}
	if err != nil || rep.Units == 0 {
		return err
	}
	sum := int64(0)
	for name, n := range calls {
		if !slices.Contains(counts.Noise, name) {
			sum += n
		}
	}
	v["syscalls"] = float64(sum) * s.PerUnit / float64(rep.Units)
	return nil
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
