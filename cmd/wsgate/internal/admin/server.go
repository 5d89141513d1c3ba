package admin

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Bounds of a request and a connection.
const (
	readTimeout  = 10 * time.Second // head and body
	writeTimeout = 30 * time.Second // from the head to the end of the answer; a profile's seconds are added
	idleTimeout  = 60 * time.Second // between two requests
	maxHead      = 16 << 10         // bytes; net/http adds 4 KiB
)

// bounds that tests make tighter.
type bounds struct {
	head  time.Duration // until a request head is whole
	conns int64         // connections held at a time; more are closed as they are accepted
	write time.Duration // from the head to the end of the answer; 0 is writeTimeout
}

// Options of a Server. All must be set, but for Logf.
type Options struct {
	// Address is host:port, [IPv6]:port or unix:/path; port 0 takes a free one.
	Address string
	Metrics http.Handler // answers /metrics
	Version string
	// Healthy tells whether the gateway serves; false means that it drains.
	Healthy func() bool
	// Logf writes one line to the operator's log: faults of the server, panics
	// of a handler among them. nil writes none. It must be safe for concurrent
	// use.
	Logf func(format string, args ...any)
}

// Server is a running admin server. It owns its listening socket and
// connections until Close.
type Server struct {
	http  *http.Server
	addr  string
	conns atomic.Int64
	done  chan struct{} // closed when nothing is accepted any more
}

// Start listens on the address and serves. It fails when the address is
// malformed or in use.
func Start(o Options) (*Server, error) {
	return start(o, bounds{head: 5 * time.Second, conns: 64})
}

func start(o Options, b bounds) (*Server, error) {
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	if b.write == 0 {
		b.write = writeTimeout
	}
	ln, err := listen(o.Address)
	if err != nil {
		return nil, err
	}
	s := &Server{addr: ln.Addr().String(), done: make(chan struct{})}
	if ln.Addr().Network() == "unix" {
		s.addr = o.Address
	}
	s.http = &http.Server{
		Handler:                      handler(o),
		ReadHeaderTimeout:            b.head,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 b.write,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHead,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(lineWriter(o.Logf), "", 0),
		ConnState: func(c net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				if s.conns.Add(1) > b.conns {
					c.Close()
				}
			case http.StateClosed, http.StateHijacked:
				s.conns.Add(-1)
			}
		},
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			o.Logf("admin: %v", err)
		}
	}()
	return s, nil
}

// Addr returns the bound address in the form of Options.Address, with the port
// that was taken.
func (s *Server) Addr() string { return s.addr }

// Close stops accepting, waits for the requests under way and closes all
// connections; when ctx is done before, it closes them at once and returns its
// error. A unix socket's file is removed. Calling it again does nothing.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
		err = fmt.Errorf("requests were cut off: %w", err)
	}
	<-s.done
	return err
}

// lineWriter makes an operator's log of what net/http writes, one line a call.
type lineWriter func(format string, args ...any)

// Write implements io.Writer.
func (w lineWriter) Write(b []byte) (int, error) {
	w("admin: %s", strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}
