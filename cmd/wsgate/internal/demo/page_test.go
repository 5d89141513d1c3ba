package demo

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func (w *world) request(backend int, method, path string) (*http.Response, string) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.ctx, method, "http://"+w.backends.Addresses()[backend]+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp, string(b)
}

func TestPaths(t *testing.T) {
	w := newWorld(t, defaultLimits())
	for _, c := range []struct {
		method, path string
		status       int
		body         bool
	}{
		{"GET", "/", 200, true},
		{"HEAD", "/", 200, false},
		{"GET", "/?x=1", 200, true},
		{"POST", "/", 405, true},
		{"GET", "/page.js", 404, true},
		{"GET", "/chat", 426, true},
	} {
		resp, body := w.request(1, c.method, c.path)
		if resp.StatusCode != c.status || (body != "") != c.body {
			t.Errorf("%s %s: %s with %d bytes", c.method, c.path, resp.Status, len(body))
		}
	}
	for i, name := range backendNames {
		if resp, _ := w.request(i, "GET", "/"); resp.Header.Get("X-Backend") != name {
			t.Errorf("backend %d calls itself %q", i, resp.Header.Get("X-Backend"))
		}
	}
}

// The page runs under its own policy: what is inline is named by hash, nothing
// comes from elsewhere, and no element has a handler or a style attribute.
func TestPage(t *testing.T) {
	w := newWorld(t, defaultLimits())
	resp, body := w.request(0, "GET", "/")
	policy := resp.Header.Get("Content-Security-Policy")
	for _, element := range []string{"style", "script"} {
		parts := regexp.MustCompile(`(?s)<`+element+`[^>]*>(.*?)</`+element+`>`).FindAllStringSubmatch(body, -1)
		if len(parts) != 1 || len(parts[0][1]) < 500 {
			t.Fatalf("%d <%s> elements", len(parts), element)
		}
		sum := sha256.Sum256([]byte(parts[0][1]))
		if want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	for _, bad := range []string{"unsafe-inline", "unsafe-eval", "*"} {
		if strings.Contains(policy, bad) {
			t.Errorf("policy %q has %s", policy, bad)
		}
	}
	for _, id := range []string{"messages", "form", "input", "send", "name", "backend", "state", "people", "notice", "reconnect"} {
		if strings.Count(body, ` id="`+id+`"`) != 1 {
			t.Errorf("no single element with id %s", id)
		}
	}
	for _, bad := range []string{`\son[a-z]+\s*=\s*["']`, `\sstyle\s*=\s*["']`, `\ssrc\s*=`, `<link[^>]*stylesheet`, `@import`, `url\(`, `innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(`, `{{`} {
		if found := regexp.MustCompile(bad).FindString(body); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
	if len(body) > 32<<10 {
		t.Errorf("the page has %d bytes", len(body))
	}
}
