package admin

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// gzipMagic begins every profile in the binary format.
const gzipMagic = "\x1f\x8b"

func TestProfiles(t *testing.T) {
	s := mustStart(t, options("127.0.0.1:0"))
	for _, test := range []struct {
		path   string
		want   int
		starts string
	}{
		{"/debug/pprof/", 200, "<html>"},
		{"/debug/pprof/heap", 200, gzipMagic},
		{"/debug/pprof/goroutine?debug=1", 200, "goroutine profile: total "},
		{"/debug/pprof/cmdline", 200, ""},
		{"/debug/pprof/symbol", 200, "num_symbols: 1"},
		{"/debug/pprof/trace?seconds=0.01", 200, "go 1."},
		{"/debug/pprof/nonsense", 404, ""},
		{"/debug/pprof/profile?seconds=61", 400, "seconds must be"},
		{"/debug/pprof/trace?seconds=1e9", 400, "seconds must be"},
		{"/debug/pprof/heap?seconds=NaN", 400, "seconds must be"},
		{"/debug/pprof/profile?seconds=-1", 400, "seconds must be"},
		{"/debug/pprof/profile?seconds=soon", 400, "seconds must be"},
	} {
		if r, body := get(t, s, test.path); r.StatusCode != test.want || !strings.HasPrefix(body, test.starts) {
			t.Errorf("%s: %s %.60q", test.path, r.Status, body)
		}
	}
	if _, body := get(t, s, "/"); !strings.Contains(body, `href="/debug/pprof/"`) {
		t.Error("/ does not link to /debug/pprof/")
	}
}

func TestHeapProfileCollects(t *testing.T) {
	s := mustStart(t, options("127.0.0.1:0"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if r, _ := get(t, s, "/debug/pprof/heap?gc=1"); r.StatusCode != 200 {
		t.Fatal(r.Status)
	}
	if runtime.ReadMemStats(&after); after.NumForcedGC == before.NumForcedGC {
		t.Error("no collection was made")
	}
}

// A profile that takes longer than the server lets an answer take arrives.
func TestProfileOutlivesTheWriteDeadline(t *testing.T) {
	o := options("127.0.0.1:0")
	s, err := start(o, bounds{head: ample, conns: 64, write: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	r, body := get(t, s, "/debug/pprof/profile?seconds=1")
	if r.StatusCode != 200 || !strings.HasPrefix(body, gzipMagic) {
		t.Errorf("%s %.60q", r.Status, body)
	}
}

func TestProfilesAreNotForOtherPages(t *testing.T) {
	s := mustStart(t, options("127.0.0.1:0"))
	for site, want := range map[string]int{"none": 200, "same-origin": 200, "same-site": 403, "cross-site": 403} {
		raw := "GET /debug/pprof/cmdline HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: " + site + "\r\n\r\n"
		if r, _ := ask(t, s, raw); r.StatusCode != want {
			t.Errorf("%s: %s, want %d", site, r.Status, want)
		}
	}
	for method, raw := range map[string]string{
		"post": "POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
		"host": "GET /debug/pprof/heap HTTP/1.1\r\nHost: evil.example\r\n\r\n",
	} {
		if r, _ := ask(t, s, raw); r.StatusCode != http.StatusMethodNotAllowed && r.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s: %s", method, r.Status)
		}
	}
}
