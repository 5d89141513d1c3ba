package eventloop

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"wsgate/handshake"
	"wsgate/splice/sys"
)

const (
	// acceptBatch bounds the accepts of one dispatch; the listening sockets are
	// level-triggered, so the rest comes in the next poll.
	acceptBatch = 64
	// acceptRetry is when accepting is tried again after a want of
	// descriptors, if no session has ended before.
	acceptRetry = 250 * time.Millisecond
	// wantLogEvery keeps a long want of descriptors from filling the log: each
	// pause is counted, one a minute is logged.
	wantLogEvery = time.Minute
)

// listening is one listening socket of one loop.
type listening struct {
	fd        int
	name      string // the bound address, as logs show it
	shared    bool   // a unix socket, accepted from by all loops
	secure    *ListenerTLS
	challenge func(host, path string) (body string, ok bool)
}

// listen opens the sockets of one address: for TCP one a loop. The first binds
// and listens without SO_REUSEPORT, so that a second gateway fails with
// "address in use", and lets the others join afterwards. AF_UNIX refuses
// SO_REUSEPORT: there all loops share one socket.
func (g *Gateway) listen(ln Listener) error {
	addr, err := sys.ParseAddr(ln.Address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", ln.Address, err)
	}
	o := sys.ListenOptions{Backlog: g.opt.Backlog, KeepAlive: g.opt.TCP}
	fd, err := sys.Listen(&addr, &o)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", ln.Address, err)
	}
	bound, path, err := sys.LocalAddr(fd)
	if err != nil {
		sys.Close(fd)
		return fmt.Errorf("listen on %s: %w", ln.Address, err)
	}
	name := "unix:" + path
	if bound.IsValid() {
		name = bound.String()
	}
	g.addrs = append(g.addrs, name)
	if err := g.loops[0].addListener(&listening{fd: fd, name: name, shared: !bound.IsValid(), secure: ln.TLS, challenge: ln.Challenge}); err != nil {
		return err
	}
	for _, l := range g.loops[1:] {
		if err := g.join(l, name, bound, fd, &o, &ln); err != nil {
			return fmt.Errorf("listen on %s: %w", ln.Address, err)
		}
	}
	return nil
}

// join gives a further loop its socket for an address.
func (g *Gateway) join(l *Loop, name string, bound netip.AddrPort, first int, o *sys.ListenOptions, from *Listener) error {
	if !bound.IsValid() {
		fd, err := sys.Dup(first)
		if err != nil {
			return err
		}
		return l.addListener(&listening{fd: fd, name: name, shared: true, secure: from.TLS, challenge: from.Challenge})
	}
	addr, err := sys.ParseAddr(bound.String())
	if err != nil {
		return err
	}
	fd, err := sys.ListenShared(&addr, o)
	if err != nil {
		return err
	}
	return l.addListener(&listening{fd: fd, name: name, secure: from.TLS, challenge: from.Challenge})
}

// addListener takes ownership of ln's descriptor.
func (l *Loop) addListener(ln *listening) error {
	k := key(int32(keyListen-len(l.listeners)), 0)
	if err := sys.EpollAdd(l.epfd, ln.fd, sys.In, k); err != nil {
		sys.Close(ln.fd)
		return fmt.Errorf("epoll: %w", err)
	}
	l.listeners = append(l.listeners, ln)
	return nil
}

func (l *Loop) closeListeners() {
	for _, ln := range l.listeners {
		if ln.fd < 0 {
			continue
		}
		if ln.shared {
			// Other loops hold duplicates, which would keep it in the set.
			_ = sys.EpollDel(l.epfd, ln.fd)
		}
		sys.Close(ln.fd)
		ln.fd = -1
		if path, ok := strings.CutPrefix(ln.name, "unix:"); ok && l.index == 0 {
			_ = os.Remove(path)
		}
	}
}

// accept takes what waits on ln, at most acceptBatch connections.
func (l *Loop) accept(ln *listening) {
	for range acceptBatch {
		if ln.fd < 0 || !l.acceptOne(ln) {
			return
		}
	}
}

// acceptOne returns false when there is nothing to take, or accepting pauses.
func (l *Loop) acceptOne(ln *listening) bool {
	fd, peer, out, errno := sys.Accept(ln.fd)
	switch out {
	case sys.OK:
	case sys.WouldBlock:
		return false
	case sys.NoResource:
		l.pause(errno)
		return false
	default:
		l.g.opt.Errorf("accept on %s: %v", ln.name, errno)
		return false
	}
	l.counters.Accepted++
	held := l.g.conns.Add(1)
	s, err := l.newSession(fd, peer, ln.name, ln.secure)
	if err != nil {
		l.g.opt.Errorf("accept on %s: %v", ln.name, err)
		sys.Close(fd)
		l.g.conns.Add(-1)
		return true
	}
	s.att.challenge = ln.challenge
	l.current = s
	if limit := l.g.Current().Limits.Connections; limit > 0 && held > int64(limit) {
		s.refuse(l, handshake.ErrConnectionLimit)
	}
	return true
}

// pause stops accepting for want of descriptors or memory: the listening
// sockets stay open and keep their queues, the sessions go on.
func (l *Loop) pause(errno sys.Errno) {
	if l.paused {
		return
	}
	l.paused = true
	l.counters.AcceptPauses++
	l.wanting("accepting pauses", errno)
	l.watchListeners(0)
	time.AfterFunc(acceptRetry, func() { l.post(l.unpause) })
}

// wanting logs a want of descriptors or memory, at most once a minute: where
// there is one there are thousands.
func (l *Loop) wanting(what string, errno sys.Errno) {
	if l.wantLogged != 0 && l.now-l.wantLogged < int64(wantLogEvery) {
		return
	}
	l.wantLogged = l.now
	l.g.opt.Errorf("%s: %v (%d connections held); raise the descriptor limit (LimitNOFILE=) or set limits.connections", what, errno, l.g.Connections())
}

// unpause takes up accepting again. If there is still nothing to be had, the
// next accept pauses it anew.
func (l *Loop) unpause() {
	if l.paused && !l.down {
		l.paused = false
		l.watchListeners(sys.In)
	}
}

func (l *Loop) watchListeners(events uint32) {
	for i, ln := range l.listeners {
		if ln.fd >= 0 {
			_ = sys.EpollMod(l.epfd, ln.fd, events, key(int32(keyListen-i), 0))
		}
	}
}
