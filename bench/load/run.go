package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"wsgate/bench/wire"
)

// run is what the loops of one run share. Its fields do not change once the
// loops have started, but for the atomics.
type run struct {
	cfg     Config
	target  target
	tls     *tls.Config // nil without TLS
	seed    uint64
	pattern *wire.Pattern
	body    []byte
	base    time.Time // zero of all times, which are nanoseconds
	loops   []*loop

	start atomic.Int64 // when traffic begins; 0 until every loop has opened its connections
	stop  atomic.Bool  // the context has ended
	freed atomic.Bool  // Release has been closed

	storms storms       // in the mode of that name
	phase  atomic.Value // string, for progress
}

func (r *run) now() int64 { return int64(time.Since(r.base)) }

// Run does what cfg says and returns what it found. It returns an error when
// the run could not be done: a bad Config, a target that cannot be reached, no
// descriptors. Faults of the target are no error, but part of the Report. When
// ctx ends the run ends early, and its Report says so.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	cfg.defaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	t, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, target: t, seed: rand.Uint64(), base: time.Now()}
	if t.secure {
		if r.cfg.TLS == nil {
			r.cfg.TLS = &TLS{}
		}
		r.tls = r.cfg.TLS.config(t.name)
	}
	r.body = wire.NewBody(cfg.longest())
	r.pattern = wire.PatternOver(r.seed, r.body)
	r.phase.Store("opening")
	if err := r.makeLoops(); err != nil {
		return nil, err
	}
	defer func() {
		for _, l := range r.loops {
			l.poll.Close()
		}
	}()
	release := context.AfterFunc(ctx, func() {
		r.stop.Store(true)
		r.wake()
	})
	defer release()

	var opened, ended sync.WaitGroup
	errs := make([]error, len(r.loops))
	opened.Add(len(r.loops))
	for i, l := range r.loops {
		ended.Go(func() {
			defer l.arrive(&opened)
			errs[i] = l.drive(&opened)
		})
	}
	done := make(chan struct{})
	go func() { ended.Wait(); close(done) }()
	go func() {
		opened.Wait()
		r.phase.Store("running")
		r.start.Store(r.now())
		r.wake()
	}()
	var waiting sync.WaitGroup
	waiting.Go(func() { r.awaitRelease(done) })
	r.watch(done)
	waiting.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	rep := r.report()
	rep.Interrupted = ctx.Err() != nil
	if rep.Opened == 0 && !rep.Interrupted {
		return rep, fmt.Errorf("no connection to %s could be opened: %v", cfg.URL, rep.Examples)
	}
	return rep, nil
}

func (r *run) wake() {
	for _, l := range r.loops {
		l.poll.Wake()
	}
}

// awaitRelease passes the end of the hold on, unless done is closed before.
func (r *run) awaitRelease(done <-chan struct{}) {
	select {
	case <-r.cfg.Release:
		r.freed.Store(true)
		r.wake()
	case <-done:
	}
}

// watch returns when done is closed, reporting progress meanwhile.
func (r *run) watch(done <-chan struct{}) {
	if r.cfg.Progress == nil {
		<-done
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			p := Progress{Phase: r.phase.Load().(string), Unit: r.loops[0].driver.unit()}
			for _, l := range r.loops {
				p.Open += l.pub.open.Load()
				p.Units += l.pub.units.Load()
				p.Faults += l.pub.faults.Load()
			}
			r.cfg.Progress(p)
		}
	}
}

// makeLoops deals the connections out to the loops: in fan-out, whole rooms.
func (r *run) makeLoops() error {
	n, together := r.cfg.Loops, 1
	if r.cfg.Mode == Fanout {
		together = r.cfg.Room
	}
	hands := r.cfg.Conns / together
	for i := range n {
		conns := hands / n
		if i < hands%n {
			conns++
		}
		l, err := newLoop(r, i, conns*together)
		if err != nil {
			for _, l := range r.loops {
				l.poll.Close()
			}
			return err
		}
		r.loops = append(r.loops, l)
	}
	return nil
}

// report adds up what the loops have; they have ended.
func (r *run) report() *Report {
	c := &r.cfg
	lead := r.loops[0]
	rep := &Report{
		Mode: c.Mode, URL: c.URL, Conns: c.Conns, Rate: c.Rate, Trickle: c.Trickle, Size: c.Size,
		Unit: lead.driver.unit(), LatencyOf: lead.driver.latencyOf(),
		Seconds:    float64(lead.ended-lead.began) / 1e9,
		CPUSeconds: float64(lead.cpuEnd-lead.cpuBegin) / 1e9,
	}
	if c.Mode == Echo || c.Mode == Up {
		rep.InFlight = c.InFlight
	}
	latency, upgrade := newHistogram(), newHistogram()
	var shaken handshakes
	for _, l := range r.loops {
		rep.Opened += l.opened
		rep.Closed += l.closed
		rep.Answered += l.answered
		rep.Units += l.units
		rep.Bytes += l.bytes
		rep.OpenSeconds = max(rep.OpenSeconds, float64(l.openedAt)/1e9)
		latency.Merge(l.latency)
		upgrade.Merge(l.upgrade)
		shaken.merge(&l.handshakes)
		for k, n := range l.faults {
			if rep.Faults == nil {
				rep.Faults = map[string]int64{}
			}
			rep.Faults[k] += n
		}
		rep.Examples = append(rep.Examples, l.examples...)
	}
	if rep.Seconds > 0 {
		rep.PerSecond = float64(rep.Units) / rep.Seconds
	}
	rep.Latency, rep.Upgrade = summarize(latency), summarize(upgrade)
	rep.latency = latency
	if c.Sizes != nil {
		rep.Sizes = c.Sizes.report()
		rep.Size = int(math.Round(rep.Sizes.Mean))
	}
	if d, ok := lead.driver.(reporter); ok {
		d.report(rep, r.loops)
	}
	if r.tls != nil {
		rep.TLS = shaken.report()
	}
	return rep
}

// processCPU is the processor time of this process so far, in nanoseconds.
func processCPU() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}
