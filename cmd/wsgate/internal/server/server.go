package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"wsgate/cmd/wsgate/internal/accesslog"
	"wsgate/cmd/wsgate/internal/admin"
	"wsgate/cmd/wsgate/internal/certs"
	"wsgate/cmd/wsgate/internal/config"
	"wsgate/cmd/wsgate/internal/metrics"
	"wsgate/cmd/wsgate/internal/plain"
	"wsgate/eventloop"
	"wsgate/eventloop/record"
	"wsgate/lb"
)

// pipesPerProcess bounds the pipes of all loops together: two descriptors
// each, which come out of the reserve.
const pipesPerProcess = 32

// Options of a Server.
type Options struct {
	Version string
	// Logf writes one line to the operator's log; safe for concurrent use.
	Logf func(format string, args ...any)
}

// Server is a running gateway.
type Server struct {
	opt      Options
	cfg      *config.Config
	registry *lb.Registry
	certs    *certs.Store
	current  atomic.Pointer[plain.Settings]
	gateway  *eventloop.Gateway
	plain    *plain.Server
	log      *accesslog.Writer
	admin    *admin.Server
	adminAt  string
	stopTrim chan struct{}
	trimming sync.WaitGroup
}

// Start builds everything and begins to accept. On an error nothing is left
// running.
func Start(c *config.Config, opt Options) (*Server, error) {
	s := &Server{opt: opt, cfg: c, registry: lb.NewRegistry()}
	s.certs = certs.Open(certs.Options{Logf: opt.Logf})
	t, err := s.terminate(c)
	if err != nil {
		s.certs.Close()
		return nil, err
	}
	gen, err := generation(c, s.registry, t)
	if err != nil {
		s.certs.Close()
		return nil, err
	}
	s.current.Store(plainSettings(c, gen))
	s.log, err = accesslog.Open(accesslog.Options{
		Path: c.AccessLog.Path, Queue: int(c.AccessLog.Queue), Logf: opt.Logf,
	})
	if err != nil {
		s.certs.Close()
		return nil, fmt.Errorf("access log: %w", err)
	}
	if err := s.startLoops(c, gen, t); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.startAdmin(c); err != nil {
		s.Close()
		return nil, err
	}
	stop := make(chan struct{})
	s.stopTrim = stop
	s.trimming.Go(func() { s.trim(stop) })
	return s, nil
}

func (s *Server) startLoops(c *config.Config, gen *eventloop.Generation, t *terminations) error {
	loops := loopCount(c.Loops)
	bridge := &bridge{server: s}
	listeners := make([]eventloop.Listener, 0, len(c.Listeners))
	for i, l := range c.Listeners {
		listeners = append(listeners, eventloop.Listener{Address: l.Address, TLS: s.listenerTLS(&l, t.listeners[i]), Challenge: s.certs.HTTPChallenge})
	}
	g, err := eventloop.New(eventloop.Options{
		Loops:      loops,
		Listeners:  listeners,
		TCP:        tcpOptions(c),
		Generation: gen,
		Log:        s.log,
		Plain:      bridge,
		Errorf:     s.opt.Logf,
		Buffered:   c.Limits.Buffered,
		Pipes:      max(pipesPerProcess/loops, 1),
	})
	if err != nil {
		return err
	}
	s.gateway = g
	s.plain = plain.New(plain.Options{
		Current:  s.settings,
		Return:   bridge.giveBack,
		Released: func(plain.Conn) { s.gateway.Released() },
		Log:      s.log,
		Budget:   g.Budget(),
		Error:    s.opt.Logf,
	})
	if err := g.Start(); err != nil {
		return err
	}
	return t.serve(g.Addrs())
}

func (s *Server) startAdmin(c *config.Config) error {
	if c.Admin.Address == "" {
		return nil
	}
	m := metrics.New(metrics.Options{Source: source{s}, Version: s.opt.Version, Logf: s.opt.Logf, Certificates: s.certs.Status})
	a, err := admin.Start(admin.Options{
		Address: c.Admin.Address,
		Metrics: m.Handler(),
		Version: s.opt.Version,
		Healthy: func() bool { return !s.gateway.Draining() },
		Logf:    s.opt.Logf,
	})
	if err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	s.admin, s.adminAt = a, a.Addr()
	return nil
}

// source gives the metrics the sum over loops, plain HTTP and log.
type source struct{ *Server }

func (s source) Snapshot(ctx context.Context) (*record.Counters, error) {
	c, err := s.gateway.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	s.plain.Counters(c)
	c.LogDropped += s.log.Dropped()
	return c, nil
}

func (s source) Loops() int { return s.gateway.Loops() }

func (s source) LogWriteErrors() uint64 { return s.log.WriteErrors() }

// Addrs returns the bound listening addresses and that of the admin server,
// "" when it is off.
func (s *Server) Addrs() (listeners []string, adminAddr string) {
	return s.gateway.Addrs(), s.adminAt
}

// Reopen opens the access log's file anew (SIGUSR1).
func (s *Server) Reopen() error { return s.log.Reopen() }

// ReloadFiles reads the files of certificates, keys and the like anew (SIGHUP)
// and returns how many have changed, and how many could not be used and were
// left as they were.
func (s *Server) ReloadFiles() (changed, failed int) { return s.certs.Reload() }

// Stop drains: no more connections, the rest closed politely until ctx is
// done, then at once. It returns ctx's error when sessions had to be cut.
func (s *Server) Stop(ctx context.Context) error {
	s.certs.Stop()
	plainDone := make(chan error, 1)
	go func() { plainDone <- s.plain.Drain(ctx) }()
	err := s.gateway.Drain(ctx)
	err = errors.Join(err, <-plainDone)
	// Requests that waited in the listening queues may have gone to the plain
	// HTTP server after it had been found idle, and upgrades may have come back
	// from it after the loops had.
	err = errors.Join(err, s.plain.Drain(ctx), s.gateway.Drain(ctx))
	s.Close()
	return err
}

// Close ends everything at once and releases it.
func (s *Server) Close() {
	if s.stopTrim != nil {
		close(s.stopTrim)
		s.stopTrim = nil
		s.trimming.Wait()
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if s.gateway != nil {
		_ = s.plain.Drain(now)
		s.gateway.Close()
		s.plain.CloseIdleUpstream()
	}
	s.certs.Close()
	brief, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if s.admin != nil {
		if err := s.admin.Close(brief); err != nil {
			s.opt.Logf("admin: %v", err)
		}
	}
	if err := s.log.Shutdown(brief); err != nil {
		s.opt.Logf("access log: %v", err)
	}
}
