package backend

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"wsgate/bench/sock"
	"wsgate/bench/wire"
)

// Server is a backend that listens, and serves once Run is called.
type Server struct {
	listeners []int
	addrs     []netip.AddrPort
	poll      *sock.Poll
	slots     []*conn // by slot; listeners have the slots below len(listeners)
	free      []int32
	ready     []*conn // have more to do without a new event
	serving   []*conn // the ready list of the turn under way
	in, out   []byte  // scratch of one connection's turn
	body      []byte  // what patterns are cut from, as long as the longest asked for
	rooms     map[roomKey]*room
	frame     []byte  // scratch: the message on its way to a room
	slow      []*conn // wait for the next tick to read on
	tickAt    time.Time
}

// Listen opens every address. Several addresses with port 0 get the same port:
// the first one's.
func Listen(addrs []netip.AddrPort) (*Server, error) {
	poll, err := sock.NewPoll(512)
	if err != nil {
		return nil, err
	}
	s := &Server{poll: poll, in: make([]byte, 256<<10), body: wire.NewBody(0), rooms: map[roomKey]*room{}}
	for i, a := range addrs {
		if a.Port() == 0 && i > 0 {
			a = netip.AddrPortFrom(a.Addr(), s.addrs[0].Port())
		}
		fd, bound, err := sock.Listen(a)
		if err == nil {
			s.listeners, s.addrs = append(s.listeners, fd), append(s.addrs, bound)
			s.slots = append(s.slots, nil)
			err = poll.AddListener(fd, int32(i), 0)
		}
		if err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// Addrs are the addresses that s listens on.
func (s *Server) Addrs() []netip.AddrPort { return s.addrs }

// Run serves until ctx ends, then closes everything and returns nil. Running
// out of descriptors is an error and ends it: nothing measured with such a
// backend would be true.
func (s *Server) Run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer s.close()
	stop := context.AfterFunc(ctx, s.poll.Wake)
	defer stop()
	for ctx.Err() == nil {
		if err := s.turn(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) turn() error {
	wait := s.untilTick()
	if len(s.ready) > 0 {
		wait = 0
	}
	events, err := s.poll.Wait(wait)
	if err != nil {
		return err
	}
	s.ready, s.serving = s.serving[:0], s.ready
	for _, c := range s.serving {
		c.queued = false
		if c.fd >= 0 {
			s.serve(c)
		}
	}
	for i := range events {
		ev := &events[i]
		if int(ev.Slot) < len(s.listeners) {
			if err := s.accept(s.listeners[ev.Slot]); err != nil {
				return err
			}
			continue
		}
		c := s.slots[ev.Slot]
		if c.fd < 0 || c.generation != ev.Generation {
			continue
		}
		c.readable = c.readable || ev.Readable
		c.hangup = c.hangup || ev.Hangup
		c.writable = c.writable || ev.Writable
		s.serve(c)
	}
	s.tick()
	return nil
}

// accept takes up to 64 connections; the listener reports again when more wait.
func (s *Server) accept(listener int) error {
	for range 64 {
		fd, ok, err := sock.Accept(listener)
		if err != nil {
			return fmt.Errorf("backend: %w", err)
		}
		if !ok {
			return nil
		}
		c := s.slot()
		c.fd = fd
		c.dec.Start(false)
		if err := s.poll.Add(fd, c.slot, c.generation); err != nil {
			return fmt.Errorf("backend: %w", err)
		}
	}
	return nil
}

// slot returns an empty connection with its place in the table.
func (s *Server) slot() *conn {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		c := s.slots[i]
		*c = conn{slot: i, generation: c.generation + 1, queued: c.queued}
		return c
	}
	c := &conn{slot: int32(len(s.slots))}
	s.slots = append(s.slots, c)
	return c
}

// drop closes c and gives its slot back.
func (s *Server) drop(c *conn) {
	sock.Close(c.fd)
	s.forget(c)
}

// forget gives the slot of c back. It holds that its descriptor is closed.
func (s *Server) forget(c *conn) {
	if c.service != nil {
		c.service.ended(s)
	}
	c.fd, c.service, c.head, c.control, c.pending = -1, nil, nil, nil, nil
	s.free = append(s.free, c.slot)
}

// again has c served in the next turn without a new event.
func (s *Server) again(c *conn) {
	if !c.queued {
		c.queued = true
		s.ready = append(s.ready, c)
	}
}

// pattern is the pattern of the run that o belongs to.
func (s *Server) pattern(o wire.Order) *wire.Pattern {
	longest := o.Size
	if o.Sizes != nil {
		longest = o.Sizes.Longest()
	}
	if b := wire.BodySize(longest); b > len(s.body) {
		s.body = wire.NewBody(longest)
	}
	return wire.PatternOver(o.Seed, s.body)
}

func (s *Server) close() {
	for _, fd := range s.listeners {
		sock.Close(fd)
	}
	for _, c := range s.slots {
		if c != nil && c.fd >= 0 {
			sock.Close(c.fd)
		}
	}
	s.poll.Close()
}
