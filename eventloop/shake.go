package eventloop

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"sync/atomic"

	"wsgate/eventloop/record"
	sm "wsgate/eventloop/session"
	"wsgate/splice"
	tlsrecord "wsgate/splice/record"
	"wsgate/splice/sys"
)

// shakeAhead is how many bytes behind what a handshake has asked for are read
// from the socket.
const shakeAhead = 32 << 10

// Ends of a handshake that the loop brings about.
var (
	errShakeTimeout = errors.New("the TLS handshake took too long")
	errShakeShed    = errors.New("too many TLS handshakes at a time")
	errShakeGone    = errors.New("the connection has broken")
)

// shake is a TLS handshake: crypto/tls on a goroutine of its own, over a Wire
// that the loop feeds. The loop owns the descriptor and does all I/O. All
// fields but wire, sent and the atomics are the loop's.
type shake struct {
	l    *Loop
	s    *session
	side side
	wire *splice.Wire
	sent []byte // written by crypto/tls so far; the goroutine's until it ends

	pending []byte // for the peer, not yet written
	given   int    // bytes given since the handshake last waited
	ended   bool   // the loop has given it up
	addr    netip.Addr
	waits   atomic.Bool // for the peer

	prev, next *shake // in the loop's queue, the oldest first
}

// shaken is what comes of a handshake.
type shaken struct {
	tls  *splice.TLS
	info *record.TLS
	out  []byte // to be written
	err  error
}

// shakes are the handshakes of a loop, in the order of their begin.
type shakes struct {
	first, last *shake
	n           int
	byAddr      map[netip.Addr]int
}

func (q *shakes) add(h *shake) {
	if h.prev = q.last; h.prev != nil {
		h.prev.next = h
	} else {
		q.first = h
	}
	q.last = h
	q.n++
	if q.byAddr == nil {
		q.byAddr = make(map[netip.Addr]int)
	}
	q.byAddr[h.addr]++
}

func (q *shakes) remove(h *shake) {
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		q.first = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	} else {
		q.last = h.prev
	}
	h.prev, h.next = nil, nil
	q.n--
	if q.byAddr[h.addr]--; q.byAddr[h.addr] == 0 {
		delete(q.byAddr, h.addr)
	}
}

// longest returns the handshake that began first among those that wait for
// their peer, of one address if that is valid.
func (q *shakes) longest(addr netip.Addr) *shake {
	for h := q.first; h != nil; h = h.next {
		if h.waits.Load() && (!addr.IsValid() || h.addr == addr) {
			return h
		}
	}
	return nil
}

// shakeClient begins the handshake with a client whose ClientHello is in.
func (s *session) shakeClient(l *Loop) {
	t := s.att
	s.state = shaking
	h := l.newShake(s, client, t.peer.Addr(), peerAddr(t.peer))
	h.wire.Give(t.in.B)
	heads.Put(t.in)
	t.in = nil
	l.g.shakeWith(h, t.secure.Config)
	l.boundShakes(h.addr)
}

// newShake puts a handshake in the queue.
func (l *Loop) newShake(s *session, sd side, addr netip.Addr, remote net.Addr) *shake {
	h := &shake{l: l, s: s, side: sd, addr: addr}
	h.wire = splice.NewWire(loopAddr{}, remote, h.idle)
	s.att.shake = h
	l.shakes.add(h)
	return h
}

// peerAddr is p as a net.Addr.
func peerAddr(p netip.AddrPort) net.Addr {
	if p.IsValid() {
		return net.TCPAddrFromAddrPort(p)
	}
	return &net.UnixAddr{Net: "unix"}
}

// boundShakes closes the handshake that has waited longest when there are too
// many, in all or from one address. Each loop keeps to its share.
func (l *Loop) boundShakes(addr netip.Addr) {
	lim := &l.g.Current().Limits
	share := func(n int) int { return (n + len(l.g.loops) - 1) / len(l.g.loops) }
	var h *shake
	if n := lim.HandshakesPerAddress; n > 0 && addr.IsValid() && l.shakes.byAddr[addr] > share(n) {
		h = l.shakes.longest(addr)
	} else if n := lim.Handshakes; n > 0 && l.shakes.n > share(n) {
		h = l.shakes.longest(netip.Addr{})
	}
	if h == nil {
		return
	}
	was := l.current
	l.current = h.s
	h.s.shakeFailed(l, h, errShakeShed)
	l.current = was
}

// idle is called on the handshake's goroutine, which waits for the peer: what
// there is to send goes to the loop, the token back.
func (h *shake) idle(out []byte) (resume func()) {
	h.sent = append(h.sent, out...)
	h.waits.Store(true)
	<-h.l.g.computing
	h.l.post(func() { h.waiting(out) })
	return h.resume
}

func (h *shake) resume() {
	h.l.g.computing <- struct{}{}
	h.waits.Store(false)
}

// shakeWith runs the handshake on a goroutine of its own. At most one
// handshake a processor computes at a time.
func (g *Gateway) shakeWith(h *shake, config func() *tls.Config) {
	go func() {
		g.computing <- struct{}{}
		r := h.run(config)
		<-g.computing
		if !h.l.post(func() { h.done(r) }) && r.tls != nil {
			h.l.g.dropTLS(r.tls)
		}
	}()
}

// run makes the handshake. A panic in it, or in a callback of its
// configuration, ends this connection only.
func (h *shake) run(config func() *tls.Config) (r shaken) {
	defer func() {
		if v := recover(); v != nil {
			h.l.g.opt.Errorf("panic in a TLS handshake: %v\n%s", v, debug.Stack())
			r = shaken{err: fmt.Errorf("panic: %v", v)}
		}
	}()
	c := config()
	if c == nil {
		return shaken{err: errors.New("there is no certificate yet")}
	}
	// A writer for this connection alone: one that looked a connection up by
	// the client's random could be led to another's, because that value is the
	// client's to choose.
	secrets := tlsrecord.NewSecrets(c.KeyLogWriter)
	defer secrets.Wipe()
	c = c.Clone()
	c.KeyLogWriter = secrets
	c.DynamicRecordSizingDisabled = true
	var conn *tls.Conn
	if h.side == client {
		conn = tls.Server(h.wire, c)
	} else {
		conn = tls.Client(h.wire, c)
	}
	err := conn.Handshake()
	r.out = h.wire.Settle()
	if err != nil {
		r.err = err
		return r
	}
	h.sent = append(h.sent, r.out...)
	r.info = tlsInfo(conn, h.side == client)
	r.tls, r.err = splice.NewTLS(&splice.Handshake{
		Conn: conn, Wire: h.wire, Client: h.side == upstream, Secrets: secrets, Sent: h.sent,
	})
	h.sent = nil
	return r
}

// waiting sends what the handshake has for the peer.
func (h *shake) waiting(out []byte) {
	if h.ended {
		return
	}
	l, s := h.l, h.s
	h.given = 0
	h.pending = append(h.pending, out...)
	l.current = s
	if s.flushShake(l, h) && s.may[h.side] {
		s.feedShake(l, h)
	}
	l.current = nil
	l.boundShakes(h.addr) // none may have waited when they became too many
}

// flushShake writes what the handshake has for the peer. false: the session is
// not in this handshake any more.
func (s *session) flushShake(l *Loop, h *shake) bool {
	for len(h.pending) > 0 {
		n, out, _ := l.worker.IO.Write(int(s.fd[h.side]), h.pending, false)
		switch out {
		case sys.OK:
			h.pending = h.pending[n:]
			if h.side == upstream {
				s.linked(l)
			}
		case sys.WouldBlock:
			return true
		default:
			s.shakeFailed(l, h, errShakeGone)
			return false
		}
	}
	h.pending = nil
	return true
}

// shakeReady handles readiness on the side that shakes hands.
func (s *session) shakeReady(l *Loop, h *shake, events uint32) {
	if events&sys.Out != 0 && len(h.pending) > 0 && !s.flushShake(l, h) {
		return
	}
	if s.may[h.side] {
		s.feedShake(l, h)
	}
}

// feedShake gives the handshake what has come from its peer.
func (s *session) feedShake(l *Loop, h *shake) {
	for h.given < shakeAhead {
		n, out, _ := l.worker.IO.Read(int(s.fd[h.side]), l.discard())
		switch out {
		case sys.OK:
			s.took(h.side, n, len(l.discard()))
			h.given += n
			h.wire.Give(l.discard()[:n])
			if !s.may[h.side] {
				return
			}
		case sys.WouldBlock:
			s.may[h.side] = false
			return
		case sys.EOF:
			s.hup[h.side], s.may[h.side] = true, true
			h.wire.End()
			return
		default:
			s.shakeFailed(l, h, errShakeGone)
			return
		}
	}
}

// done goes on with what has come of the handshake.
func (h *shake) done(r shaken) {
	l, s := h.l, h.s
	if h.ended {
		if r.tls != nil {
			l.worker.Codec.Release(r.tls)
		}
		return
	}
	l.current = s
	h.pending = append(h.pending, r.out...)
	switch {
	case r.err != nil:
		s.flushShake(l, h)
		if !h.ended {
			s.shakeFailed(l, h, r.err)
		}
	case s.flushShake(l, h):
		s.shakeDone(l, h, r)
	default:
		l.worker.Codec.Release(r.tls)
	}
	l.current = nil
}

// shakeDone: both sides have proved who they are.
func (s *session) shakeDone(l *Loop, h *shake, r shaken) {
	l.endShake(h)
	// Taken here and not by the handshake: until now the loop has given what
	// came to the Wire.
	r.tls.Hold(&l.worker.Codec, h.wire.Rest())
	if len(h.pending) > 0 {
		r.tls.Owe(&l.worker.Codec, h.pending)
	}
	s.tls[h.side] = r.tls
	result := "full"
	if r.info.Resumed {
		result = "resumed"
	}
	l.countHandshake(h.side, r.info.Version, result)
	s.may[h.side] = true
	if h.side == upstream {
		s.sendRequest(l)
		return
	}
	s.info = r.info
	s.state = reading
	s.setDeadline(l, s.times.RequestHead)
	switch r.info.Protocol {
	case "h2":
		l.handOff(s)
	case "acme-tls/1":
		s.finish(l, false) // RFC 8737 3: the handshake was all that was wanted
	default:
		s.readHead(l)
	}
}

// endShake takes a handshake out of the queue.
func (l *Loop) endShake(h *shake) {
	if h.ended {
		return
	}
	h.ended = true
	l.shakes.remove(h)
	if h.s.att != nil && h.s.att.shake == h {
		h.s.att.shake = nil
	}
}

// dropShake gives the handshake in progress up, if there is one.
func (s *session) dropShake(l *Loop, why error) {
	if s.att == nil || s.att.shake == nil {
		return
	}
	h := s.att.shake
	l.endShake(h)
	h.wire.Fail(why)
}

// shakeFailed ends a handshake and what it was for. The alert, if crypto/tls
// has made one, has been written.
func (s *session) shakeFailed(l *Loop, h *shake, err error) {
	s.dropShake(l, err)
	reason := handshakeFailure(err)
	l.countHandshake(h.side, "", reason)
	if h.side == upstream {
		s.att.detail = err.Error()
		s.upstreamFailed(l, "tls", sm.ConnectFailed)
		return
	}
	s.client = s.att.peer.Addr()
	s.att.detail = err.Error()
	s.logRequest(l, 0, handshakeFault(err), "tls_"+reason)
	if err != errShakeGone {
		l.worker.IO.Shutdown(int(s.fd[client]))
		s.drainOnce(l)
	}
	s.finish(l, false)
}

// handshakeFault names whose fault a failed handshake is.
func handshakeFault(err error) record.Who {
	if err == errShakeShed {
		return record.Gateway
	}
	return record.Client
}
