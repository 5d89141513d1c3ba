package certs

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"wsgate/cmd/wsgate/internal/config"
)

// resumer is a client that keeps its first session, and does not take tickets
// after that: so it shows how long one is good.
type resumer struct{ *tls.Config }

type firstOnly struct{ state *tls.ClientSessionState }

func (f *firstOnly) Get(string) (*tls.ClientSessionState, bool) { return f.state, f.state != nil }
func (f *firstOnly) Put(_ string, s *tls.ClientSessionState) {
	if f.state == nil {
		f.state = s
	}
}

func (w *world) resumer(l *Listener, version uint16) resumer {
	w.Helper()
	r := resumer{&tls.Config{ServerName: "a.test", InsecureSkipVerify: true, MaxVersion: version, ClientSessionCache: &firstOnly{}}}
	if w.resumes(l, r) {
		w.Error("resumed without a session")
	}
	return r
}

func (w *world) resumes(l *Listener, r resumer) bool {
	w.Helper()
	return w.mustMeet(l, r.Config).DidResume
}

var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// TestRotation: a ticket is good until its key has been replaced three times,
// whatever happens to certificates and generations meanwhile.
func TestRotation(t *testing.T) {
	for _, version := range versions {
		w := newWorld(t)
		ca := newAuthority(t, "CA")
		s := section(w.put("a", ca.issue(request{}, "a.test")))
		l := w.listener(s)
		r := w.resumer(l, version)
		w.pass(59 * time.Minute)
		w.put("a", ca.issue(request{}, "a.test"))
		w.pass(time.Minute) // one key further
		if !w.resumes(l, r) {
			t.Error("not resumed after a rotation and another certificate")
		}
		next := w.listener(s)
		if !w.resumes(next, r) {
			t.Error("not resumed in the next generation")
		}
		l.Close()
		w.pass(time.Hour)
		if !w.resumes(next, r) {
			t.Error("not resumed after two rotations")
		}
		w.pass(time.Hour)
		if w.resumes(next, r) {
			t.Error("resumed with a key that should be gone")
		}
		r = w.resumer(next, version)
		w.pass(100 * time.Hour) // the machine slept
		if w.resumes(next, r) {
			t.Error("resumed long after")
		}
		r = w.resumer(next, version)
		w.pass(time.Hour)
		if !w.resumes(next, r) {
			t.Error("keys turn at once after a sleep")
		}
	}
}

func TestNoTickets(t *testing.T) {
	for _, version := range versions {
		w := newWorld(t)
		s := section(w.put("a", newAuthority(t, "CA").issue(request{}, "a.test")))
		s.Tickets = config.Tickets{Off: true}
		l := w.listener(s)
		if r := w.resumer(l, version); w.resumes(l, r) {
			t.Error("resumed")
		}
	}
}

// TestOwnKeys: one listener's tickets are nothing to another.
func TestOwnKeys(t *testing.T) {
	w := newWorld(t)
	s := section(w.put("a", newAuthority(t, "CA").issue(request{}, "a.test")))
	r := w.resumer(w.listener(s), tls.VersionTLS13)
	other, err := w.store.Listener(&config.Listener{Address: "127.0.0.1:444", TLS: s})
	if err != nil {
		t.Fatal(err)
	}
	if w.resumes(other, r) {
		t.Error("resumed at another listener")
	}
}

// TestSharedKeys: machines with the same file resume each other's sessions; the
// first key makes tickets, all of them are taken, and a changed file is read.
func TestSharedKeys(t *testing.T) {
	a, b, c := strings.Repeat("a1", 32), base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xb2}, 32)), strings.Repeat("c3", 32)
	for _, version := range versions {
		w := newWorld(t)
		s := section(w.put("a", newAuthority(t, "CA").issue(request{}, "a.test")))
		s.Tickets = config.Tickets{File: w.write("keys", []byte(a+"\n"))}
		l := w.listener(s)
		there, err := w.open().Listener(&config.Listener{Address: "127.0.0.2:443", TLS: s})
		if err != nil {
			t.Fatal(err)
		}
		r := w.resumer(l, version)
		if !w.resumes(there, r) {
			t.Error("not resumed on the other machine")
		}
		w.write("keys", []byte("# new\n\n"+b+"\n "+a+" \n"))
		w.pass(0)
		if !w.resumes(l, r) {
			t.Error("the second key is not taken")
		}
		if w.resumes(there, w.resumer(l, version)) {
			t.Error("the first key does not make the tickets")
		}
		w.write("keys", []byte(c))
		w.pass(0)
		if w.resumes(l, r) {
			t.Error("a key that is gone is taken")
		}
		r = w.resumer(l, version)
		w.logged()
		w.write("keys", []byte("oops"))
		w.pass(0)
		w.pass(grace)
		w.expect("ticket keys " + w.path("keys") + " line 1 is not 32 bytes as base64 or hex; the last good one stays in use")
		if !w.resumes(l, r) {
			t.Error("a bad file ends resumption")
		}
	}
}

func TestParseTickets(t *testing.T) {
	raw := bytes.Repeat([]byte{0xfe}, 80)
	key := ticketKey(raw)
	for _, text := range []string{
		string(raw[:32]), hex.EncodeToString(raw[:32]), strings.ToUpper(hex.EncodeToString(raw[:32])), "\r\n# c\r\n" + hex.EncodeToString(raw[:32]) + "\r\n",
		base64.StdEncoding.EncodeToString(raw[:32]), base64.RawStdEncoding.EncodeToString(raw[:32]), base64.URLEncoding.EncodeToString(raw[:32]) + "\n",
	} {
		if got, err := parseTickets([]byte(text)); err != nil || !slices.Equal(got, []ticketKey{key}) {
			t.Errorf("%q: %d keys, %v", text, len(got), err)
		}
	}
	long, err := parseTickets(raw)
	if short, shortErr := parseTickets(raw[:48]); err != nil || shortErr != nil || len(long) != 1 || long[0] == short[0] || long[0] == key {
		t.Errorf("%v %v", err, shortErr)
	}
	line := hex.EncodeToString(raw[:32]) + "\n"
	for text, want := range map[string]string{
		"":                              "has no ticket key",
		"# nothing\n":                   "has no ticket key",
		string(raw[:33]):                "has 33 raw bytes",
		line + line[2:]:                 "line 2 is not 32 bytes",
		strings.Repeat(line, maxKeys+1): "has more than 16 keys",
	} {
		if _, err := parseTickets([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if got, err := parseTickets([]byte(strings.Repeat(line, maxKeys))); err != nil || len(got) != maxKeys {
		t.Errorf("%d keys, %v", len(got), err)
	}
}

// FuzzParseTickets: what is taken is some keys, and never what an error shows.
func FuzzParseTickets(f *testing.F) {
	f.Add([]byte(strings.Repeat("a1", 32) + "\n# c\n"))
	f.Add(bytes.Repeat([]byte{0xff}, 48))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseTickets(data)
		if (err == nil) != (len(keys) > 0) || len(keys) > maxKeys {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		if err != nil && len(data) > 40 && strings.Contains(err.Error(), string(data[:20])) {
			t.Fatalf("shown: %v", err)
		}
	})
}
