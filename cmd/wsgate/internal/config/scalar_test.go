package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "4096": 4096, "64KiB": 64 << 10, "1MiB": 1 << 20, "3GiB": 3 << 30, "2TiB": 2 << 40, "1025KiB": 1025 << 10,
	} {
		n, ok := parseSize(text)
		if !ok || n != want {
			t.Errorf("%s: %d %v", text, n, ok)
		}
		if again, ok := parseSize(sizeText(n)); !ok || again != n {
			t.Errorf("%d is written %s", n, sizeText(n))
		}
	}
	for _, text := range []string{"", "KiB", "-1", "+1", "1.5MiB", "1kib", "1 KiB", "01", "0x10", "1_0", "１", "1KiBKiB"} {
		if n, ok := parseSize(text); ok {
			t.Errorf("%q is read as %d", text, n)
		}
	}
	if n, ok := parseSize("9999999999999TiB"); !ok || n < 1<<62 {
		t.Errorf("overflow: %d %v", n, ok)
	}
}

func TestHints(t *testing.T) {
	for text, want := range map[string]string{
		"64KB": "64KiB", "64k": "64KiB", "64 kib": "64KiB", "1m": "1MiB", "2gb": "2GiB", "100b": "100", "100B": "100",
	} {
		if got := sizeHint(text); got != "write "+want {
			t.Errorf("%q: %s", text, got)
		}
	}
	for text, want := range map[string]string{
		"30 s": "30s", "5sec": "5s", "5 Minutes": "5m", "2days": "48h", "1w": "168h", "250 msec": "250ms",
	} {
		if got := durationHint(text); got != "write "+want {
			t.Errorf("%q: %s", text, got)
		}
	}
	for _, text := range []string{"", "x", "1x", "1.5d", "KB", "9999999999999999999s", "s5"} {
		if got := durationHint(text); !strings.HasPrefix(got, "write a number") {
			t.Errorf("%q: %s", text, got)
		}
		if got := sizeHint(text); !strings.HasPrefix(got, "write a whole number") {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestDurationText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Hour: "1h", 90 * time.Minute: "1h30m", time.Minute: "1m", time.Second: "1s", 10 * time.Second: "10s",
		time.Hour + time.Second: "1h0m1s", 1500 * time.Microsecond: "1.5ms", 10 * time.Minute: "10m", 20 * time.Hour: "20h",
	} {
		if got := durationText(int64(d)); got != want {
			t.Errorf("%v is written %s, not %s", d, got, want)
		}
		if again, err := time.ParseDuration(want); err != nil || again != d {
			t.Errorf("%s is read as %v", want, again)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"hots", "host", 1}, {"ab", "ba", 1},
		{"idle", "ilde", 1}, {"upstream", "upsteam", 1}, {"kitten", "sitting", 3}, {"loops", "loop", 1},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%s %s: %d, not %d", tt.a, tt.b, got, tt.want)
		}
		if got := distance(tt.b, tt.a); got != tt.want {
			t.Errorf("%s %s: %d, not %d", tt.b, tt.a, got, tt.want)
		}
	}
}

// TestAddresses: each address has one form.
func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:80":                  "127.0.0.1:80",
		"localhost:80":                  "127.0.0.1:80",
		"LocalHost:80":                  "127.0.0.1:80",
		"[::1]:80":                      "[::1]:80",
		"[0:0:0:0:0:0:0:1]:80":          "[::1]:80",
		"[2001:DB8::1]:80":              "[2001:db8::1]:80",
		"[::ffff:192.0.2.1]:80":         "192.0.2.1:80",
		"[fe80::1%eth0]:80":             "[fe80::1%eth0]:80",
		"unix:/run/chat.sock":           "unix:/run/chat.sock",
		"unix:///run/../run//chat.sock": "unix:/run/chat.sock",
		"unix:/run/a b.sock":            "unix:/run/a b.sock",
	} {
		c := mustParse(t, "routes: [{upstream: a}]\nupstreams:\n  a:\n    endpoints: ['"+text+"']\nlisteners:\n  - address: '"+strings.Replace(text, ":80", ":81", 1)+"'\n")
		if got := c.Upstreams[0].Endpoints[0].Address; got != want {
			t.Errorf("endpoint %s: %s", text, got)
		}
		if got := strings.Replace(c.Listeners[0].Address, ":81", ":80", 1); got != want {
			t.Errorf("listener %s: %s", text, got)
		}
		usable(t, c)
	}
	c := mustParse(t, "listeners: [127.0.0.1:0]\nadmin: {address: '[::1]:0'}"+tail)
	if c.Listeners[0].Address != "127.0.0.1:0" || c.Admin.Address != "[::1]:0" {
		t.Errorf("%v %v", c.Listeners, c.Admin)
	}
}

// TestColons: a text with a colon is one text wherever it stands.
func TestColons(t *testing.T) {
	for _, text := range []string{
		"upstreams: {a: {endpoints: [127.0.0.1:1, 127.0.0.1:2]}}",
		"upstreams: {a: {endpoints: [127.0.0.1:1,127.0.0.1:2]}}",
		"upstreams: {a: {endpoints: [{address: 127.0.0.1:1}, 127.0.0.1:2 ]}}",
		"upstreams: {a: {endpoints: [ 127.0.0.1:1\n , \"127.0.0.1:2\" ] } }",
		"upstreams:\n  a:\n    endpoints: [127.0.0.1:1, 127.0.0.1:2]",
		"upstreams:\n  a:\n    endpoints:\n    - 127.0.0.1:1\n    - address: 127.0.0.1:2",
		"{\"upstreams\":{\"a\":{\"endpoints\":[\"127.0.0.1:1\",{\"address\":\"127.0.0.1:2\",\"weight\":1}]}},\"routes\":[{\"upstream\":\"a\"}]}",
	} {
		if !strings.Contains(text, "routes") {
			text += "\nroutes: [{upstream: a}]\n"
		}
		c := mustParse(t, text)
		e := c.Upstreams[0].Endpoints
		if len(e) != 2 || e[0].Address != "127.0.0.1:1" || e[1].Address != "127.0.0.1:2" {
			t.Errorf("%s: %+v", text, e)
		}
	}
}

// TestRouteNames: hosts and paths are brought to the form of requests.
func TestRouteNames(t *testing.T) {
	for _, tt := range []struct{ host, path, wantHost, wantPath string }{
		{"*", "/", "*", "/"},
		{"Example.COM.", "/a//b/./c/../d", "example.com", "/a/b/d"},
		{"*.Example.com", "/%7euser/%c3%a4", "*.example.com", "/~user/%C3%A4"},
		{"[0::1]", "/a/", "[::1]", "/a/"},
		{"192.0.2.1", "/a:b", "192.0.2.1", "/a:b"},
		{"chat_1", "/*", "chat_1", "/*"},
		{"xn--bcher-kva.example", "/;x=1", "xn--bcher-kva.example", "/;x=1"},
	} {
		c := mustParse(t, "upstreams: {a: {endpoints: [127.0.0.1:1]}}\nroutes:\n  - {upstream: a, host: '"+tt.host+"', path: '"+tt.path+"'}\n  - {upstream: a, host: '"+tt.host+"', path: '="+tt.path+"'}\n")
		for i, r := range c.Routes {
			if r.Host != tt.wantHost || r.Path != tt.wantPath || r.Exact != (i == 1) {
				t.Errorf("%+v: %+v", tt, r)
			}
		}
		usable(t, c)
	}
}

// TestLongTexts: a block text is one value, without the line end behind it.
func TestLongTexts(t *testing.T) {
	c := mustParse(t, `routes:
  - upstream: a
    response_headers:
      set:
        Content-Security-Policy: >-
          default-src 'self';
          connect-src wss:
        X-After: 1.10
access_log:
  path: |-
    /var/log/wsgate/access log.json
admin: {token_file: token}
upstreams: {a: {endpoints: [127.0.0.1:1]}}
`)
	want := []Header{{"Content-Security-Policy", "default-src 'self'; connect-src wss:"}, {"X-After", "1.10"}}
	if got := c.Routes[0].ResponseHeaders.Set; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if c.AccessLog.Path != "/var/log/wsgate/access log.json" || c.Admin.TokenFile != "token" {
		t.Errorf("%+v %+v", c.AccessLog, c.Admin)
	}
}

// TestOff: every way to write that something is not wanted.
func TestOff(t *testing.T) {
	for _, off := range []string{"off", "'off'", "false", "\"\""} {
		for _, text := range []string{"admin: " + off + "\naccess_log: " + off, "admin: {address: " + off + "}\naccess_log: {path: " + off + "}"} {
			c := mustParse(t, text+tail)
			if c.Admin.Address != "" || c.AccessLog.Path != "off" || c.AccessLog.Queue != 4<<20 {
				t.Errorf("%s: %+v %+v", text, c.Admin, c.AccessLog)
			}
		}
	}
}
