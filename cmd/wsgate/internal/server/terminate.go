package server

import (
	"fmt"
	"net"

	"wsgate/cmd/wsgate/internal/certs"
	"wsgate/cmd/wsgate/internal/config"
	"wsgate/eventloop"
)

// terminations are where TLS begins and ends.
type terminations struct {
	listeners []*certs.Listener // by index of the configuration; nil: no TLS
	upstreams map[string]*certs.Upstream
}

// terminate reads the files of every tls section.
func (s *Server) terminate(c *config.Config) (*terminations, error) {
	t := &terminations{upstreams: make(map[string]*certs.Upstream)}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		if l.TLS == nil {
			t.listeners = append(t.listeners, nil)
			continue
		}
		cl, err := s.certs.Listener(l)
		if err != nil {
			return nil, err
		}
		t.listeners = append(t.listeners, cl)
	}
	for i := range c.Upstreams {
		u := &c.Upstreams[i]
		if u.TLS == nil {
			continue
		}
		up, err := s.certs.Upstream(u)
		if err != nil {
			return nil, fmt.Errorf("upstream %s: %w", u.Name, err)
		}
		t.upstreams[u.Name] = up
	}
	return t, nil
}

// listenerTLS is how the loops terminate TLS for l; nil for a plain listener.
func (s *Server) listenerTLS(l *config.Listener, cl *certs.Listener) *eventloop.ListenerTLS {
	if cl == nil {
		return nil
	}
	t := &eventloop.ListenerTLS{Config: cl.Config}
	switch l.PlainHTTP {
	case "refuse":
		t.ClearText = eventloop.Refuse
	case "serve":
		t.ClearText = eventloop.Serve
	}
	return t
}

// serve begins to obtain certificates, now that connections are accepted.
func (t *terminations) serve(bound []string) error {
	for i, l := range t.listeners {
		if l == nil {
			continue
		}
		addr, err := net.ResolveTCPAddr("tcp", bound[i])
		if err != nil {
			continue // a unix socket: no certificate authority gets there
		}
		if err := l.Serve(addr); err != nil {
			return err
		}
	}
	return nil
}
