package certs

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// pollEvery is how often files are looked at: a stat each.
const pollEvery = 5 * time.Second

// Options of a Store.
type Options struct {
	// Logf writes one line to the operator's log; nil writes none. It must be
	// safe for concurrent use, and never gets a secret.
	Logf func(format string, args ...any)
	// Every is how often files are looked at; 0 is 5 seconds, less is never,
	// which leaves it to Reload.
	Every time.Duration
	// Now is the clock for what expires and rotates; nil is time.Now.
	Now func() time.Time
}

// Store holds what the TLS configurations of all generations share: it watches
// their files, turns their ticket keys and obtains certificates. Its methods may
// be called from any goroutine.
type Store struct {
	logf func(format string, args ...any)
	now  func() time.Time

	// mu is held while files are read; users are who reads them.
	mu      sync.Mutex
	users   map[user]struct{}
	rings   map[string]*ring // by address of the listener
	selfs   map[string]*certificate
	keyLogs map[string]*os.File
	acmes   map[string]*acme

	// Readable without waiting for files.
	list      sync.RWMutex
	listeners map[*Listener]struct{}
	ok        atomic.Uint64
	failed    atomic.Uint64
	missing   atomic.Uint64
	obtained  atomic.Uint64
	refused   atomic.Uint64

	renewal

	stop    chan struct{}
	stopped sync.Once
	polling sync.WaitGroup
}

// user is what reads files: a Listener or an Upstream.
type user interface {
	// look applies files that have changed, counts them and does what is due
	// at that time. Store.mu is held.
	look(now time.Time, force bool) (changed, failed int)
}

// Open returns a store without listeners. It has a goroutine until Close.
func Open(o Options) *Store {
	s := &Store{
		logf: o.Logf, now: o.Now,
		users: make(map[user]struct{}), rings: make(map[string]*ring), selfs: make(map[string]*certificate),
		keyLogs: make(map[string]*os.File), acmes: make(map[string]*acme), listeners: make(map[*Listener]struct{}),
		stop: make(chan struct{}),
	}
	if s.logf == nil {
		s.logf = func(string, ...any) {}
	}
	if s.now == nil {
		s.now = time.Now
	}
	every := o.Every
	if every == 0 {
		every = pollEvery
	}
	if every > 0 {
		s.polling.Go(func() { s.poll(every) })
	}
	return s
}

func (s *Store) poll(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
			s.look(false)
		}
	}
}

// look lets every user look at its files.
func (s *Store) look(force bool) (changed, failed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for u := range s.users {
		c, f := u.look(now, force)
		changed += c
		failed += f
	}
	return changed, failed
}

// Reload reads every file at once (SIGHUP). It returns how many certificates
// and other parts are new, and how many are broken; of those the last good one
// stays in use, and the log has the reasons.
func (s *Store) Reload() (changed, failed int) { return s.look(true) }

// Stop ends watching and obtaining, as it has to before the listening sockets
// close: certmagic would take their ports to answer challenges. Configurations
// that were handed out stay usable.
func (s *Store) Stop() {
	s.stopped.Do(func() { close(s.stop) })
	s.polling.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, a := range s.acmes {
		a.close()
		delete(s.acmes, key)
	}
	clear(s.users)
}

// Close is Stop, and closes the key logs: handshakes that log secrets fail from
// then on.
func (s *Store) Close() {
	s.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, f := range s.keyLogs {
		if err := f.Close(); err != nil {
			s.logf("tls: key log: %v", err)
		}
		delete(s.keyLogs, path)
	}
}

// keyLog opens the file that secrets go to, once for all listeners.
func (s *Store) keyLog(path string) (*os.File, error) {
	if f, ok := s.keyLogs[path]; ok {
		return f, nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("key log: %w", err)
	}
	s.keyLogs[path] = f
	return f, nil
}

// parts are the files of a listener or an upstream.
type parts struct {
	store *Store
	who   string // for the log: "listener 0.0.0.0:443"
	all   []*part
}

// start reads every part for the first time. What is not optional must be
// right.
func (p *parts) start(now time.Time) error {
	for _, one := range p.all {
		if one.look(now, true) != failed {
			continue
		}
		if !one.optional {
			return fmt.Errorf("%s: %s %s", p.who, one.name, one.describe())
		}
		p.store.logf("tls: %s: %s %s; it is left out", p.who, one.name, one.describe())
	}
	return nil
}

// look applies what has changed and tells of it.
func (p *parts) look(now time.Time, force bool) (changes, failures int) {
	for _, one := range p.all {
		switch one.look(now, force) {
		case changed:
			changes++
			p.store.ok.Add(1)
			p.store.logf("tls: %s: %s %s is loaded", p.who, one.name, one.paths[0])
		case failed:
			failures++
			p.store.failed.Add(1)
			kept := "the last good one stays in use"
			if one.optional {
				kept = "it is left out"
			}
			p.store.logf("tls: %s: %s %s; %s", p.who, one.name, one.describe(), kept)
		}
	}
	return changes, failures
}
