package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// closeLimit bounds Close when its context does not.
const closeLimit = 5 * time.Second

// Backends are the two running chat backends. Its methods may be called from
// any goroutine.
type Backends struct {
	room      *room
	servers   []*http.Server
	addresses []string
	stop      context.CancelFunc // cuts every connection of the room
	serving   sync.WaitGroup
}

// Start listens on two loopback ports and serves the chat there until Close.
func Start() (*Backends, error) { return start(defaultLimits()) }

func start(l limits) (*Backends, error) {
	ctx, cancel := context.WithCancel(context.Background())
	b := &Backends{room: newRoom(l), stop: cancel}
	page, err := newPage()
	if err != nil {
		cancel()
		return nil, err
	}
	var listeners []net.Listener
	for range backendNames {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			cancel()
			return nil, fmt.Errorf("listening for a chat backend: %w", err)
		}
		listeners = append(listeners, listener)
	}
	for i, name := range backendNames {
		s := &http.Server{
			Handler:           handler(ctx, name, b.room, page),
			ReadHeaderTimeout: 10 * time.Second,
			// Longer than any gateway keeps an unused connection, so that it
			// is never the backend that closes one just as a request comes.
			IdleTimeout:    10 * time.Minute,
			MaxHeaderBytes: 64 << 10,
		}
		b.servers = append(b.servers, s)
		b.addresses = append(b.addresses, listeners[i].Addr().String())
		b.serving.Go(func() { _ = s.Serve(listeners[i]) }) // ends with ErrServerClosed
	}
	return b, nil
}

// Addresses returns where the backends listen, north first, as "127.0.0.1:port".
// The caller owns the slice.
func (b *Backends) Addresses() []string { return append([]string(nil), b.addresses...) }

// Close stops accepting, closes every chat connection with 1001 and waits until
// all have ended, or ctx has, or 5 s are over; what is left then is cut, and the
// error is that of the context. When Close returns, no goroutine of the backends
// is left. Further calls return nil.
func (b *Backends) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeLimit)
	defer cancel()
	b.room.close()
	var errs []error
	for _, s := range b.servers {
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, err)
			s.Close()
		}
	}
	left := make(chan struct{})
	go func() {
		b.room.wait()
		close(left)
	}()
	select {
	case <-left:
	case <-ctx.Done():
		errs = append(errs, ctx.Err())
	}
	b.stop()
	<-left
	b.serving.Wait()
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("closing the chat backends: %w", errors.Join(errs...))
}
