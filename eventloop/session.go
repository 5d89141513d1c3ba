package eventloop

import (
	"net/netip"
	"time"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
	sm "wsgate/eventloop/session"
	"wsgate/handshake"
	"wsgate/lb"
	"wsgate/splice"
	"wsgate/splice/sys"
)

// side is one of the two peers of a session.
type side uint8

const (
	client side = iota
	upstream
)

// state is what a session is doing; each has one function that handles its
// readiness events.
type state uint8

const (
	reading    state = iota // the request head; also between two requests
	greeting                // the ClientHello
	shaking                 // the TLS handshake with the client
	connecting              // to an endpoint, or sending the request to it
	awaiting                // the response head
	answering               // passing on an answer other than 101
	refusing                // sending the gateway's own answer
	lingering               // the answer is out; reading until the client has seen it
	relaying
	over
)

// session is a client, its endpoint and what is between them. It is touched
// on the goroutine of its loop only. What is needed before the relay only is
// in att, so that an idle session is this struct and nothing else.
type session struct {
	id     record.ID
	fd     [2]int32       // by side; -1 none
	tls    [2]*splice.TLS // by side; nil: not TLS
	slot   int32
	state  state
	queued bool    // on the loop's ready list
	inFar  bool    // in the wheel's far ring
	hup    [2]bool // by side: its end of stream or an error has been signalled
	may    [2]bool // by side, until the relay: bytes may wait in the socket
	leased bool    // endpoint has been acquired

	stallQueued bool
	probing     bool   // the endpoint's connection has its TCP options
	requests    uint16 // answered on this connection

	deadline int64 // the loop's clock
	bucket   int64 // the wheel's; 0: not in it
	next     *session
	prev     *session

	times    *Timeouts
	route    *route.Route
	endpoint *lb.Endpoint
	listener string
	info     *record.TLS // of the client's connection, until the relay
	att      *attempt

	client  netip.Addr // who the request is for
	opened  int64      // the 101 was passed on; before that: accepted
	active  int64      // the last byte of the relay in either direction
	expires int64      // of the relay's timer
	relay   sm.Relay
	half    [2]splice.Half // by sm.Dir
}

// newSession registers an accepted connection, or one that comes back from the
// plain HTTP server. On error the descriptor still belongs to the caller.
func (l *Loop) newSession(fd int, peer netip.AddrPort, listener string, secure *ListenerTLS) (*session, error) {
	s := l.blank()
	*s = session{
		id:       l.nextID(),
		fd:       [2]int32{int32(fd), -1},
		state:    reading,
		times:    l.g.Current().Timeouts,
		listener: listener,
		opened:   l.now,
	}
	if secure != nil {
		s.state = greeting
	}
	l.slots.put(s)
	if err := l.watch(s, client); err != nil {
		l.slots.drop(s)
		l.reuse(s)
		return nil, err
	}
	s.att = l.free.get()
	s.att.peer, s.att.secure = peer, secure
	l.wheel.set(s, l.now+int64(s.times.RequestHead))
	return s, nil
}

// spareMax bounds the ended sessions that a loop keeps for new ones, so that
// short sessions leave nothing to collect.
const spareMax = 256

// blank returns a session to be filled in.
func (l *Loop) blank() *session {
	if n := len(l.spare); n > 0 {
		s := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return s
	}
	return new(session)
}

// reuse keeps an ended session. Nobody holds it but callers further up, who
// see that it is over.
func (l *Loop) reuse(s *session) {
	if len(l.spare) < spareMax {
		*s = session{state: over, fd: [2]int32{-1, -1}}
		l.spare = append(l.spare, s)
	}
}

// watch puts one side of s into the epoll set, edge-triggered for everything:
// one system call a descriptor for the whole life of the session.
func (l *Loop) watch(s *session, sd side) error {
	const all = sys.In | sys.Out | sys.ReadHup | sys.Edge
	return sys.EpollAdd(l.epfd, int(s.fd[sd]), all, l.slots.key(s, sd))
}

// ready handles one readiness event.
func (s *session) ready(l *Loop, sd side, events uint32) {
	if events&(sys.ReadHup|sys.Hup|sys.Err) != 0 {
		s.hup[sd] = true
	}
	if events&^sys.Out != 0 {
		s.may[sd] = true
	}
	switch s.state {
	case reading:
		if s.may[client] {
			s.readHead(l)
		}
	case greeting:
		if s.may[client] {
			s.readHello(l)
		}
	case shaking:
		s.shakeReady(l, s.att.shake, events)
	case connecting, awaiting:
		s.upgradeReady(l, sd, events)
	case answering:
		s.passAnswer(l)
	case refusing:
		s.flushRefusal(l)
	case lingering:
		s.linger(l)
	case relaying:
		s.relayReady(l, sd, events)
	}
}

// resume gives a session from the ready list its next go.
func (s *session) resume(l *Loop) {
	switch s.state {
	case reading:
		s.readHead(l)
	case answering:
		s.passAnswer(l)
	case lingering:
		s.linger(l)
	case relaying:
		s.pump(l, sm.Up)
		if s.state == relaying {
			s.pump(l, sm.Down)
		}
	}
}

// expired handles the session's deadline. Each state has armed its own.
func (s *session) expired(l *Loop) {
	switch s.state {
	case reading:
		s.headExpired(l)
	case greeting:
		s.helloExpired(l)
	case shaking:
		s.shakeFailed(l, s.att.shake, errShakeTimeout)
	case connecting, awaiting:
		s.upgradeExpired(l)
	case answering:
		s.answerExpired(l)
	case refusing, lingering:
		s.finish(l, false)
	case relaying:
		s.relayExpired(l)
	}
}

// took notes a read of n bytes into space for room: a short one has emptied the
// socket, unless its end is near.
func (s *session) took(sd side, n, room int) {
	if n < room && !s.hup[sd] {
		s.may[sd] = false
	}
}

// setDeadline moves the deadline to d from now.
func (s *session) setDeadline(l *Loop, d time.Duration) { l.wheel.set(s, l.now+int64(d)) }

// closeUpstream ends the connection to the endpoint and gives its lease back.
// reset: by a RST, because the exchange was not completed.
func (s *session) closeUpstream(l *Loop, reset bool) {
	if fd := s.fd[upstream]; fd >= 0 {
		s.dropShake(l, errShakeGone)
		s.releaseTLS(l, upstream, !reset)
		s.fd[upstream] = -1
		s.hup[upstream], s.may[upstream] = false, false
		if reset {
			sys.CloseReset(int(fd))
		} else {
			sys.Close(int(fd))
		}
	}
	if s.leased {
		s.leased = false
		s.endpoint.Release()
	}
}

// finish ends the session: every resource goes back. It is the only way out.
func (s *session) finish(l *Loop, reset bool) {
	if s.state == over {
		return
	}
	s.closeUpstream(l, reset)
	s.closeClient(l, reset)
	l.forget(s)
}

// closeClient ends the connection to the client, which then no longer counts.
func (s *session) closeClient(l *Loop, reset bool) {
	fd := s.fd[client]
	if fd < 0 {
		return
	}
	s.dropShake(l, errShakeGone)
	s.releaseTLS(l, client, !reset)
	s.fd[client] = -1
	if reset {
		sys.CloseReset(int(fd))
	} else {
		sys.Close(int(fd))
	}
	l.g.conns.Add(-1)
}

// forget removes what the loop knows of s. Its descriptors are closed, or
// belong to someone else.
func (l *Loop) forget(s *session) {
	if s.state == lingering {
		l.lingering--
	}
	s.state = over
	l.wheel.remove(s)
	if s.queued {
		for i, r := range l.ready {
			if r == s {
				l.ready[i] = nil
			}
		}
	}
	if s.att != nil {
		l.free.put(s.att)
		s.att = nil
	}
	l.slots.drop(s)
	l.reuse(s)
	if l.drain != nil && l.slots.n == 0 {
		l.drained()
	}
}

// kill ends the session at once, whatever it is doing, and logs it.
func (s *session) kill(l *Loop, who record.Who, why string) {
	switch s.state {
	case over:
	case relaying:
		s.killRelay(l, who, why)
	case reading, greeting, shaking:
		s.finish(l, false)
	default:
		s.logRequest(l, 0, who, why)
		s.finish(l, true)
	}
}

// attempt is what a session needs from the first byte of a request to the 101:
// pooled by the loop and never held by a relay.
type attempt struct {
	peer      netip.AddrPort
	secure    *ListenerTLS                                   // of the listener; nil: none
	challenge func(host, path string) (body string, ok bool) // Listener.Challenge
	clear     bool                                           // plain HTTP on a TLS listener
	shake     *shake                                         // the TLS handshake in progress
	linked    bool                                           // the endpoint has taken the connection

	req   handshake.Request
	resp  handshake.Response
	in    *buffer // the request head and what came behind it
	out   *buffer // the rewritten request
	sent  int     // bytes of out written
	rin   *buffer // the response head and what came behind it
	back  []byte  // bytes for the client, from the gateway or rewritten
	ahead []byte  // bytes for the client that are part of rin
	tried lb.Tried
	up    sm.Upgrade
	body  handshake.Body
	pool  *lb.Pool
	began int64 // the request head was whole
	until int64 // began + timeouts.upgrade
	dial  int64 // the present connect began

	received uint64 // bytes read and thrown away while lingering
	refusal  *handshake.Error
	detail   string // why a TLS handshake failed
	status   int
	sentBody uint64
	keep     bool // the connection goes on after the answer
}

// attempts is a loop's bounded store of attempts.
type attempts struct {
	free []*attempt
	n    int
}

// maxAttempts bounds the attempts kept for reuse: each has room for the fields
// of two heads.
const maxAttempts = 32

func (a *attempts) get() *attempt {
	a.n++
	if n := len(a.free); n > 0 {
		t := a.free[n-1]
		a.free = a.free[:n-1]
		return t
	}
	return new(attempt)
}

func (a *attempts) put(t *attempt) {
	a.n--
	t.release()
	if len(a.free) < maxAttempts {
		t.peer, t.secure, t.challenge, t.clear = netip.AddrPort{}, nil, nil, false
		a.free = append(a.free, t)
	}
}

// release gives the buffers back and forgets the request; the peer stays.
func (t *attempt) release() {
	for _, b := range []**buffer{&t.in, &t.out, &t.rin} {
		if *b != nil {
			heads.Put(*b)
			*b = nil
		}
	}
	t.reset()
}

// reset makes t ready for the next request of the same connection.
func (t *attempt) reset() {
	t.req.Reset()
	t.resp.Reset()
	back := t.back[:0]
	if cap(back) > 4<<10 {
		back = nil
	}
	*t = attempt{peer: t.peer, secure: t.secure, challenge: t.challenge, clear: t.clear, req: t.req, resp: t.resp, in: t.in, out: t.out, rin: t.rin, back: back}
}
