package certs

import (
	"bytes"
	"crypto/tls"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"wsgate/cmd/wsgate/internal/config"
)

// TestSwap: a new certificate is served once both of its files are there, and
// nothing is said in between.
func TestSwap(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	old, fresh := ca.issue(request{}, "a.test"), ca.issue(request{}, "a.test", "b.test")
	l := w.listener(section(w.put("a", old)))
	before := l.Config()
	w.write("a.pem", fresh.chain)
	w.pass(time.Second)
	w.shows(l, "a.test", old)
	w.pass(grace - 1)
	w.expect()
	w.write("a.key", fresh.key)
	w.pass(time.Second)
	w.shows(l, "a.test", fresh)
	w.expect("listener 127.0.0.1:443: certificate " + w.path("a.pem") + " is loaded")
	if st := w.store.Status(); st.Reloaded != 1 || st.Failed != 0 || strings.Join(st.Certificates[0].Names, " ") != "a.test b.test" {
		t.Errorf("%+v", st)
	}
	if l.Config() == before {
		t.Error("the configuration was changed, and not replaced")
	}
}

// TestSymlinks: certbot's links to files, and Kubernetes' link to a folder.
func TestSymlinks(t *testing.T) {
	ca := newAuthority(t, "CA")
	old, fresh := ca.issue(request{}, "a.test"), ca.issue(request{}, "a.test")
	for _, kind := range []string{"files", "folder"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			link := func(target, name string) {
				t.Helper()
				_ = os.Remove(w.path(name + ".new"))
				if err := os.Symlink(target, w.path(name+".new")); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(w.path(name+".new"), w.path(name)); err != nil {
					t.Fatal(err)
				}
			}
			point := func(version string) {
				if kind == "folder" {
					link(version, "..data")
					return
				}
				link(version+"/a.pem", "a.pem")
				link(version+"/a.key", "a.key")
			}
			for version, i := range map[string]issued{"1": old, "2": fresh} {
				if err := os.Mkdir(w.path(version), 0o700); err != nil {
					t.Fatal(err)
				}
				w.put(version+"/a", i)
			}
			point("1")
			if kind == "folder" {
				link("..data/a.pem", "a.pem")
				link("..data/a.key", "a.key")
			}
			c := section()
			c.Certificates = append(c.Certificates, config.Certificate{Cert: w.path("a.pem"), Key: w.path("a.key")})
			l := w.listener(c)
			w.shows(l, "a.test", old)
			point("2")
			if changed, failed := w.pass(0); changed != 1 || failed != 0 {
				t.Errorf("%d changed, %d failed", changed, failed)
			}
			w.shows(l, "a.test", fresh)
		})
	}
}

// TestBroken: what stays broken is told once, with the reason, and counted; the
// last good one is served meanwhile.
func TestBroken(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	old, fresh, stranger := ca.issue(request{}, "a.test"), ca.issue(request{}, "a.test"), ca.issue(request{}, "a.test")
	l := w.listener(section(w.put("a", old)))
	tell := func(reason string) {
		t.Helper()
		w.pass(0)
		w.expect()
		w.pass(grace)
		w.expect(reason + "; the last good one stays in use")
		w.pass(time.Hour)
		w.expect()
		w.shows(l, "a.test", old)
	}
	w.write("a.pem", []byte("garbage"))
	tell("a.pem has no certificate in PEM")
	w.write("a.pem", bytes.Replace(fresh.chain, []byte("MII"), []byte("AAA"), 1))
	tell("a.pem has a bad certificate: malformed certificate")
	w.write("a.pem", fresh.chain)
	w.write("a.key", stranger.key)
	tell(`a.key is not the key of the certificate for ["a.test"]`)
	if err := os.Remove(w.path("a.key")); err != nil {
		t.Fatal(err)
	}
	tell("a.key cannot be read: no such file or directory")
	if st := w.store.Status(); st.Reloaded != 0 || st.Failed != 4 {
		t.Errorf("%+v", st)
	}
	// The old one again: good news after bad.
	w.put("a", old)
	w.pass(0)
	w.expect("a.pem is loaded")
	w.put("a", fresh)
	w.pass(0)
	w.expect("a.pem is loaded")
	w.shows(l, "a.test", fresh)
	if st := w.store.Status(); st.Reloaded != 2 || st.Failed != 4 {
		t.Errorf("%+v", st)
	}
	w.put("a", ca.issue(request{to: time.Now().Add(-time.Minute)}, "a.test"))
	w.pass(0)
	w.pass(grace)
	w.expect("a.pem expired on ")
	w.shows(l, "a.test", fresh)
}

// TestReloadAtOnce: on SIGHUP nothing waits.
func TestReloadAtOnce(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	old, fresh := ca.issue(request{}, "a.test"), ca.issue(request{}, "a.test")
	l := w.listener(section(w.put("a", old)))
	if changed, failed := w.store.Reload(); changed != 0 || failed != 0 {
		t.Errorf("%d changed, %d failed, of nothing", changed, failed)
	}
	w.write("a.pem", fresh.chain)
	if changed, failed := w.store.Reload(); changed != 0 || failed != 1 {
		t.Errorf("%d changed, %d failed", changed, failed)
	}
	w.expect("is not the key of the certificate")
	w.write("a.key", fresh.key)
	if changed, failed := w.store.Reload(); changed != 1 || failed != 0 {
		t.Errorf("%d changed, %d failed", changed, failed)
	}
	w.shows(l, "a.test", fresh)
}

// TestUnseenChange: a file that is rewritten in place right behind being read,
// with the same size and within the resolution of its time, is read again.
func TestUnseenChange(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	path := w.write("keys", bytes.Repeat([]byte{0xaa}, 32))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	c := section(w.put("a", ca.issue(request{}, "a.test")))
	c.Tickets.File = path
	l := w.listener(c)
	if err := os.WriteFile(path, bytes.Repeat([]byte{0xbb}, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if changed, _ := w.pass(0); changed != 1 || l.shared[0][0] != 0xbb {
		t.Errorf("%d changed", changed)
	}
}

// TestSwapUnderLoad: no handshake fails while certificates change, keys turn and
// generations come and go.
func TestSwapUnderLoad(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	pairs := []issued{ca.issue(request{}, "a.test"), ca.issue(request{}, "a.test")}
	s := section(w.put("a", pairs[0]))
	l := w.listener(s)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() {
			client := &tls.Config{ServerName: "a.test", RootCAs: ca.pool(), MaxVersion: tls.VersionTLS12 + uint16(i%2), ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			for n := 0; ; n++ {
				if _, _, err := meet(l.Config(), client); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-stop:
					if n > 0 {
						return
					}
				default:
				}
			}
		})
	}
	for i := range 50 {
		w.put("a", pairs[i%2])
		w.pass(20 * time.Minute)
		w.store.Status()
		next, err := w.store.Listener(&config.Listener{Address: l.address, TLS: s})
		if err != nil {
			t.Error(err)
			break
		}
		next.Close()
	}
	close(stop)
	clients.Wait()
	if st := w.store.Status(); st.Failed != 0 || st.Reloaded < 49 {
		t.Errorf("%+v", st)
	}
}

// TestWatching: files are looked at without being told to, and no longer after
// Close.
func TestWatching(t *testing.T) {
	w := newWorld(t)
	ca := newAuthority(t, "CA")
	fresh := ca.issue(request{}, "a.test")
	s := section(w.put("a", ca.issue(request{}, "a.test")))
	loaded := make(chan string, 8)
	store := Open(Options{Every: time.Millisecond, Logf: func(format string, args ...any) { loaded <- format }})
	l, err := store.Listener(&config.Listener{Address: "127.0.0.1:443", TLS: s})
	if err != nil {
		t.Fatal(err)
	}
	w.put("a", fresh)
	<-loaded
	w.shows(l, "a.test", fresh)
	store.Close()
	store.Close()
	w.shows(l, "a.test", fresh)
}
