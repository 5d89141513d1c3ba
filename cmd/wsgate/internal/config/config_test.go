package config

import (
	"bytes"
	"crypto/tls"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"wsgate/eventloop/route"
	"wsgate/splice/frame"
	"wsgate/splice/sys"
)

// tail makes a file of a section that is not about routes.
const tail = "\nroutes: [{upstream: a}]\nupstreams: {a: {endpoints: [127.0.0.1:1]}}\n"

// mustParse parses what must be right.
func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, errs := Parse("test.yaml", []byte(text))
	if len(errs) > 0 {
		t.Fatalf("refused:\n%s\n%v", text, errs)
	}
	return c
}

// bare is c without what the file's layout decides.
func bare(c *Config) *Config {
	out := *c
	out.Warnings, out.file, out.files = nil, "", nil
	out.Listeners = append([]Listener(nil), c.Listeners...)
	for i := range out.Listeners {
		l := &out.Listeners[i]
		l.Pos, l.TLS = Pos{}, bareTLS(l.TLS)
	}
	out.Routes = append([]Route(nil), c.Routes...)
	for i := range out.Routes {
		out.Routes[i].Pos = Pos{}
	}
	out.Upstreams = append([]Upstream(nil), c.Upstreams...)
	for i := range out.Upstreams {
		u := &out.Upstreams[i]
		u.Pos = Pos{}
		if u.TLS != nil {
			t := *u.TLS
			t.Pos = Pos{}
			u.TLS = &t
		}
		u.Endpoints = append([]Endpoint(nil), u.Endpoints...)
		for j := range u.Endpoints {
			u.Endpoints[j].Pos = Pos{}
		}
	}
	return &out
}

func bareTLS(t *TLS) *TLS {
	if t == nil {
		return nil
	}
	out := *t
	out.Pos = Pos{}
	out.Certificates = append([]Certificate(nil), t.Certificates...)
	for i := range out.Certificates {
		out.Certificates[i].Pos = Pos{}
	}
	if t.ACME != nil {
		a := *t.ACME
		a.Pos = Pos{}
		out.ACME = &a
	}
	return &out
}

// documented returns the YAML blocks of the package's documentation.
func documented(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, block := range regexp.MustCompile(`(?m)^//\n((?://\t.*\n)+)`).FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, strings.ReplaceAll(block[1], "//\t", ""))
	}
	return blocks[1:] // the first is Go
}

func TestSmallestFile(t *testing.T) {
	got := bare(mustParse(t, documented(t)[0]))
	want := Default()
	want.Routes = []Route{{Host: "*", Path: "/", Upstream: "chat", Frames: "observe"}}
	want.Upstreams = []Upstream{{Name: "chat", Policy: "round_robin", Endpoints: []Endpoint{{Address: "127.0.0.1:9001", Weight: 1}}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestDocumentedFile: the documentation has every key, and the defaults that it
// names are those that there are.
func TestDocumentedFile(t *testing.T) {
	text := documented(t)[1]
	got := bare(mustParse(t, text))
	limit := int64(1 << 20)
	want := Default()
	want.Admin.TokenFile = "/etc/wsgate/token"
	want.Listeners = append(want.Listeners, documentedTLS)
	want.Routes = []Route{{
		Host: "*.example.com", Path: "/chat", Upstream: "chat", Frames: "observe", Message: &limit, Idle: 2 * time.Hour,
		RequestHeaders:  HeaderRules{Set: []Header{{"X-Gateway", "wsgate"}}, Remove: []string{"X-Internal"}},
		ResponseHeaders: HeaderRules{Set: []Header{{"X-Served-By", "wsgate"}}, Remove: []string{"Server"}},
		UpstreamHost:    "chat.internal", Forwarded: true, AllowEncoded: true,
	}}
	want.Upstreams = []Upstream{{Name: "chat", Policy: "round_robin", Endpoints: []Endpoint{
		{Address: "127.0.0.1:9001", Weight: 1}, {Address: "127.0.0.1:9002", Weight: 2},
	}, TLS: &UpstreamTLS{
		ServerName: "chat.internal", CA: "/etc/wsgate/backends.pem",
		Cert: "/etc/wsgate/client.pem", Key: "/etc/wsgate/client.key", MinVersion: tls.VersionTLS12,
	}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for i, line := range strings.Split(text, "\n") {
		if line != "" && !strings.Contains(line, "#") && strings.HasSuffix(line, ":") && strings.TrimSpace(line) != "upstreams:" {
			t.Errorf("line %d says nothing: %s", i+1, line)
		}
	}
	// Every key that Print writes is in the documentation, too.
	var printed bytes.Buffer
	got.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	if err := Print(&printed, got); err != nil {
		t.Fatal(err)
	}
	for _, key := range regexp.MustCompile(`(?m)^[ -]*([a-z_]+):`).FindAllStringSubmatch(printed.String(), -1) {
		if !regexp.MustCompile(`(?m)(^[ -]*|\{|, )` + key[1] + `:`).MatchString(text) {
			t.Errorf("key %s is not documented", key[1])
		}
	}
}

// design is the file that the design shows: all of it is default but for
// routes and upstreams.
const design = `
loops: 0
listeners:
  - address: 127.0.0.1:8080
routes:
  - host: "*"
    path: /
    upstream: chat
    frames: observe
upstreams:
  chat:
    policy: round_robin
    endpoints:
      - 127.0.0.1:9001
      - {address: 127.0.0.1:9002, weight: 2}
timeouts:
  {request_head: 10s, request_body: 60s, connect: 3s, upgrade: 10s, response: 60s, send: 60s, keepalive: 75s, half_close: 30s, close: 5s, idle: 1h, drain: 30s}
limits:
  {request_head: 16KiB, message: 0, connections: 0, buffered: 256MiB, handshakes: 4096}
access_log: {path: stderr}
admin: {address: 127.0.0.1:9901}
`

func TestDefaults(t *testing.T) {
	got, want := bare(mustParse(t, design)), Default()
	got.Routes, got.Upstreams = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestPartialSections: a section that is there in part keeps its other defaults.
func TestPartialSections(t *testing.T) {
	c := mustParse(t, "timeouts: {idle: 0}\nlimits: {message: 1KiB}\ntcp: {user_timeout: 90s}\naccess_log: {queue: 1MiB}\nadmin: {token_file: ./token}"+tail)
	want := Default()
	want.Timeouts.Idle = 0
	want.Limits.Message = 1024
	want.TCP.UserTimeout = 90 * time.Second
	want.AccessLog.Queue = 1 << 20
	want.Admin.TokenFile = "./token"
	c.Routes, c.Upstreams = nil, nil
	if !reflect.DeepEqual(bare(c), bare(want)) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

// TestPositions: entries know where they are.
func TestPositions(t *testing.T) {
	c := mustParse(t, "# ä\r\nlisteners:\r\n  - 127.0.0.1:1\r\n  - address:  \"127.0.0.1:2\"\r\nroutes:\r\n  - {host: a, upstream: b}\r\n  - upstream: b\r\n"+
		"upstreams:\r\n  b:\r\n    endpoints: [ 127.0.0.1:3, {weight: 2, address: '127.0.0.1:4'}]\r\n")
	got := []Pos{c.Listeners[0].Pos, c.Listeners[1].Pos, c.Routes[0].Pos, c.Routes[1].Pos, c.Upstreams[0].Pos, c.Upstreams[0].Endpoints[0].Pos, c.Upstreams[0].Endpoints[1].Pos}
	want := []Pos{{3, 5}, {4, 15}, {6, 5}, {7, 5}, {9, 3}, {10, 18}, {10, 52}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	// Blanks at the ends of lines and of the file have no place.
	c = mustParse(t, "listeners:   \n  - 127.0.0.1:1  \t \n\nroutes:\n  - upstream: b   \nupstreams:\n  b: \n    endpoints:\n      - 127.0.0.1:3   \n      - 127.0.0.1:4  \n   \n  \n")
	got = []Pos{c.Listeners[0].Pos, c.Routes[0].Pos, c.Upstreams[0].Endpoints[0].Pos, c.Upstreams[0].Endpoints[1].Pos}
	want = []Pos{{2, 5}, {5, 5}, {9, 9}, {10, 9}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestWarnings(t *testing.T) {
	c := mustParse(t, `listeners: [127.0.0.1:80, "[::]:80"]
routes: [{upstream: a}]
upstreams:
  spare: {endpoints: [127.0.0.1:1]}
  a: {endpoints: [127.0.0.1:80]}
`)
	want := `w.yaml:1:13: listeners[0]: "127.0.0.1:80" is part of "[::]:80" of listeners[1] unless net.ipv6.bindv6only is set
    listeners: [127.0.0.1:80, "[::]:80"]
                ^
    hint: that is on line 1
w.yaml:4:3: upstream "spare" is used by no route
      spare: {endpoints: [127.0.0.1:1]}
      ^
w.yaml:5:19: upstreams.a.endpoints[0]: "127.0.0.1:80" is a listener of this gateway
      a: {endpoints: [127.0.0.1:80]}
                      ^
    hint: requests will go round until limits end them
`
	if got := strings.ReplaceAll(c.Warnings.Error(), "test.yaml", "w.yaml"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestPrint: what Print writes is read as the same configuration.
func TestPrint(t *testing.T) {
	full := documented(t)[1]
	for _, text := range []string{design, full, documented(t)[0],
		"admin: off\naccess_log: off\ntrusted_proxies: [10.0.0.0/8, '::1', 192.0.2.7]\nlisteners: ['unix:/run/a b''c.sock', '[fe80::1%eth0]:80']" +
			"\nlimits: {message: 1025, buffered: 0}\ntimeouts: {idle: 1h1ms, drain: 1h0m1s, close: 90m, send: 1500us}" + tail,
		"routes: [{path: '=/it''s', upstream: '1', message_limit: 0, response_headers: {set: {'X-''': \"a: 'b'\\t#c\", Empty: '', 'Null': 'null', Number: 0x10}}}]\nupstreams: {1: {endpoints: [localhost:1]}}\n",
		"listeners: [{address: '127.0.0.1:1', plain_http: serve, tls: {self_signed: true, tickets: off, min_version: 1.3, cipher_suites: [TLS_AES_128_GCM_SHA256], curves: [X25519MLKEM768]}}]" + tail,
		"websocket_over_h2: true\nlisteners: [{address: '127.0.0.1:1', tls: {acme: {domains: [A.example.], storage: 'it''s', agree: true}}}, {address: '127.0.0.1:2', tls: {certificates: [{cert: a, key: b}], alpn: [http/1.1]}}]" +
			"\nroutes: [{upstream: a}, {path: /b, upstream: b}]\nupstreams: {a: {tls: true, endpoints: [127.0.0.1:1]}, b: {tls: {server_name: B., insecure_skip_verify: true, min_version: '1.3'}, endpoints: ['unix:/b']}}\n",
	} {
		first := mustParse(t, text)
		var out bytes.Buffer
		if err := Print(&out, first); err != nil {
			t.Fatal(err)
		}
		if second := mustParse(t, out.String()); !reflect.DeepEqual(bare(first), bare(second)) {
			t.Errorf("printed\n%s\ngot  %+v\nwant %+v", out.String(), bare(second), bare(first))
		}
	}
}

// usable: what the configuration lets through, the rest of the gateway takes.
func usable(t *testing.T, c *Config) {
	t.Helper()
	address := func(s string) {
		if _, err := sys.ParseAddr(s); err != nil && !strings.Contains(s, "%") {
			t.Errorf("address %q: %v", s, err)
		}
	}
	for _, l := range c.Listeners {
		address(l.Address)
	}
	for _, u := range c.Upstreams {
		for _, e := range u.Endpoints {
			address(e.Address)
		}
	}
	if c.Admin.Address != "" {
		address(c.Admin.Address)
	}
	routes := make([]*route.Route, 0, len(c.Routes))
	for _, r := range c.Routes {
		if _, err := frame.ParseMode(r.Frames); err != nil {
			t.Error(err)
		}
		routes = append(routes, &route.Route{Host: r.Host, Path: r.Path, Exact: r.Exact, AllowEncoded: r.AllowEncoded})
	}
	if _, err := route.NewTable(routes); err != nil {
		t.Errorf("routes %+v: %v", c.Routes, err)
	}
}
