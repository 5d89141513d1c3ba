package scale

import (
	"context"
	"fmt"
	"time"

	"wsgate/bench/load"
)

// held are the connections that one stage has opened. They stay open until
// release is closed; then each has to answer.
type held struct {
	conns   int
	seconds float64 // to open them
	release chan struct{}
	done    chan struct{} // closed when rep and err are set
	rep     *load.Report
	err     error
}

// forever is longer than any run.
const forever = 1000 * time.Hour

// open opens conns connections and returns when all are open. They end with ctx
// at the latest.
func (r *run) open(ctx context.Context, conns int) (*held, error) {
	h := &held{conns: conns, release: make(chan struct{}), done: make(chan struct{})}
	opened := make(chan struct{})
	began := time.Now()
	c := load.Config{
		URL: r.g.url, Mode: load.Idle, Conns: conns, Sources: r.sources, Duration: forever, Timeout: r.timeout(conns),
		Release: h.release,
		Begin:   func() { h.seconds = time.Since(began).Seconds(); close(opened) },
	}
	seconds := 0
	c.Progress = func(p load.Progress) {
		if seconds++; p.Phase != "running" && seconds%10 == 0 {
			r.o.Log("%s: %d of %d are open", p.Phase, p.Open, conns)
		}
	}
	r.held = append(r.held, h)
	go func() {
		h.rep, h.err = load.Run(ctx, c)
		close(h.done)
	}()
	select {
	case <-opened:
		return h, nil
	case <-h.done:
		if h.err == nil {
			h.err = fmt.Errorf("%v: %q", h.rep.Faults, h.rep.Examples)
		}
		return h, fmt.Errorf("opening: %w", h.err)
	}
}

// failure tells why connections ended that are meant to be held, or is nil.
func (r *run) failure() error {
	for _, h := range r.held {
		select {
		case <-h.done:
			if h.err != nil {
				return h.err
			}
			return fmt.Errorf("%d connections did not hold: %v %q", h.conns, h.rep.Faults, h.rep.Examples)
		default:
		}
	}
	return nil
}

// end has every connection answer and close, stage after stage.
func (r *run) end(ctx context.Context) error {
	r.o.Log("asking every connection for an answer")
	began := time.Now()
	e := &r.res.End
	for i, h := range r.held {
		close(h.release)
		h.release = nil
		<-h.done // which ctx ends too
		if h.err != nil {
			return h.err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.res.Stages[i].Upgrade = h.rep.Upgrade
		e.Answered += h.rep.Answered
		e.Closed += h.rep.Closed
		e.Latency = h.rep.Latency // the last stage is the largest
		for name, n := range h.rep.Faults {
			if e.Faults == nil {
				e.Faults = map[string]int64{}
			}
			e.Faults[name] += n
		}
		e.Examples = append(e.Examples, h.rep.Examples...)
	}
	e.Seconds = time.Since(began).Seconds()
	r.o.Log("%d of %d have answered, %d faults", e.Answered, r.o.Pairs, len(e.Faults))
	return nil
}

// abandon ends what is still open, and returns when it has.
func (r *run) abandon(cancel func()) {
	cancel()
	for _, h := range r.held {
		<-h.done
	}
}
