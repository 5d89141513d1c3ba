package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// headLines are the field lines of a head, without its first line.
func headLines(head string) []string {
	lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
	return lines[1:]
}

// field returns the values of a field in a head, in order.
func field(head, name string) []string {
	var out []string
	for _, l := range headLines(head) {
		n, v, _ := strings.Cut(l, ":")
		if strings.EqualFold(n, name) {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return out
}

// headBackend upgrades, sends the request head it got as a text message, and
// ends with a Close.
func (w *world) headBackend(extra ...string) string {
	return w.rawBackend(func(c *wire) { serveHead(c, extra...) })
}

func serveHead(c *wire, extra ...string) {
	head, err := accept101(c, extra...)
	if err != nil {
		return
	}
	_, _ = c.Write(append(fromServer(1, string(head)), fromServer(8, closeBody(1000, ""))...))
	_, _ = c.readFrame()
}

// seenHead upgrades with the lines given and returns the request head that
// reached the backend.
func (g *gateway) seenHead(path, host string, extra ...string) string {
	g.w.t.Helper()
	c := g.w.dial(g.addr(path))
	c.sends(upgradeRequest(host, path, extra...))
	c.accepted()
	f, err := c.readFrame()
	if err != nil {
		g.w.t.Fatal(err)
	}
	c.Close()
	return string(f.payload)
}

// End-to-end fields of an upgrade request arrive byte for byte and in order;
// hop-by-hop ones and those that Connection names do not arrive; the fields
// that state who the client is are the gateway's own.
func TestUpgradeRequestFields(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	g := w.start(simple(w.headBackend()))
	pass := []string{
		"Origin: https://chat.example",
		"User-Agent: test (a; b)  two  spaces",
		"cookie: a=1; b=\"2\"",
		"COOKIE: c=3",
		"Sec-WebSocket-Protocol: chat.v1, chat.v2",
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
		"X-Text: caf\xe9 \xff",
		"Accept-Language: de, en;q=0.5",
		"X-Empty:",
		"Authorization: Basic dTpw",
		"x-lower: 1",
	}
	drop := []string{
		"Connection: keep-alive, X-Named",
		"X-Named: gone",
		"Keep-Alive: timeout=5",
		"Proxy-Connection: keep-alive",
		"TE: trailers",
		"X-Forwarded-For: 6.6.6.6",
		"X-Forwarded-Proto: https",
		"X-Forwarded-Host: evil.example",
		"X-Forwarded-Port: 443",
		"X-Real-IP: 6.6.6.6",
		"Forwarded: for=6.6.6.6",
	}
	var mixed []string
	for i := range pass {
		mixed = append(mixed, pass[i])
		if i < len(drop) {
			mixed = append(mixed, drop[i])
		}
	}
	head := g.seenHead("/room/7?x=%20&y=a/../b", "Chat.Test:8443", mixed...)
	if !strings.HasPrefix(head, "GET /room/7?x=%20&y=a/../b HTTP/1.1\r\n") {
		t.Errorf("request line: %q", head)
	}
	var arrived []string
	for _, l := range headLines(head) {
		if slices.Contains(pass, l) {
			arrived = append(arrived, l)
		}
	}
	if !slices.Equal(arrived, pass) {
		t.Errorf("end-to-end fields:\n%q\nwant\n%q\nin\n%s", arrived, pass, head)
	}
	want := map[string][]string{
		"Host": {"Chat.Test:8443"}, "Upgrade": {"websocket"}, "Connection": {"Upgrade"},
		"Sec-WebSocket-Key": {sampleKey}, "Sec-WebSocket-Version": {"13"},
		"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Proto": {"http"},
		"X-Forwarded-Host": {"Chat.Test:8443"}, "X-Real-IP": {"127.0.0.1"},
		"X-Named": nil, "Keep-Alive": nil, "Proxy-Connection": nil, "TE": nil,
		"Forwarded": nil, "X-Forwarded-Port": nil,
	}
	for name, values := range want {
		got := field(head, name)
		if !slices.EqualFunc(got, values, strings.EqualFold) {
			t.Errorf("%s: %q, want %q", name, got, values)
		}
	}
}

// Behind a trusted proxy the addresses it names are kept and the proxy's own is
// appended; the log's client is the one that the proxy names.
func TestTrustedProxy(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	c := simple(w.headBackend())
	c.trusted = []string{"127.0.0.0/8"}
	g := w.start(c)
	head := g.seenHead("/trusted", "chat.test",
		"X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: public.example")
	for name, value := range map[string]string{
		"X-Forwarded-For": "203.0.113.9, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "public.example",
	} {
		if got := field(head, name); !slices.Equal(got, []string{value}) {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	if opened, _ := g.closeOf("/trusted"); opened.Client != "203.0.113.9" {
		t.Errorf("client in the log: %q", opened.Client)
	}
}

// The 101 that reaches the client has the endpoint's end-to-end fields in
// their order, and none of its hop-by-hop ones.
func TestUpgradeResponseFields(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	pass := []string{
		"Set-Cookie: a=1; Path=/", "Server: odd/1.0", "set-cookie: b=2", "X-Text: caf\xe9",
		"Sec-WebSocket-Protocol: chat.v2",
	}
	lines := append([]string{"Connection: X-Named", "X-Named: gone", "Keep-Alive: timeout=5"}, pass...)
	g := w.start(simple(w.headBackend(lines...)))
	c := w.dial(g.addr("/"))
	c.sends(upgradeRequest("chat.test", "/", "Sec-WebSocket-Protocol: chat.v1, chat.v2"))
	b, err := readHead(c.br)
	if err != nil {
		t.Fatal(err)
	}
	head := string(b)
	if !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("status line of %q", head)
	}
	var arrived []string
	for _, l := range headLines(head) {
		if slices.Contains(pass, l) {
			arrived = append(arrived, l)
		}
	}
	if !slices.Equal(arrived, pass) {
		t.Errorf("end-to-end fields:\n%q\nwant\n%q\nin\n%s", arrived, pass, head)
	}
	for _, name := range []string{"X-Named", "Keep-Alive"} {
		if got := field(head, name); got != nil {
			t.Errorf("%s: %q came through", name, got)
		}
	}
	for name, value := range map[string]string{"Upgrade": "websocket", "Connection": "upgrade", "Sec-WebSocket-Accept": sampleAccept} {
		if got := field(head, name); len(got) != 1 || !strings.EqualFold(got[0], value) {
			t.Errorf("%s: %q, want %q once", name, got, value)
		}
	}
}

// The endpoint's choice of subprotocol and extension reaches every client
// library, and the log.
func TestSubprotocol(t *testing.T) {
	w := newWorld(t)
	node, _ := w.nodeServer(map[string]any{"deflate": true})
	g := w.start(conf{routes: []routeConf{
		{path: "/last", to: []string{node}},
		{path: "/listed", to: []string{w.coderEcho(true, false)}},
	}})
	sessions := []nodeSession{
		{URL: g.url("/last"), Protocols: []string{"chat.v3", "chat.v1"}, Deflate: true, Sizes: []int{5}},
		{URL: g.url("/listed"), Protocols: []string{"chat.v3", "chat.v1"}, Deflate: true, Sizes: []int{5}},
	}
	for _, impl := range []string{"ws", "undici"} {
		for _, r := range nodeClient(t, impl, sessions) {
			if !r.OK || r.Protocol != "chat.v1" || !strings.HasPrefix(r.Extensions, "permessage-deflate") {
				t.Errorf("%s to %s: %+v", impl, r.URL, r)
			}
		}
	}
	if target != targetGateway {
		return
	}
	for _, l := range g.waitLog("open", 4, nil) {
		if l.Subprotocol != "chat.v1" || !strings.HasPrefix(l.Extensions, "permessage-deflate") {
			t.Errorf("open line: %+v", l)
		}
	}
}

// Routes may set and remove fields both ways, and name the Host to send.
func TestHeaderRules(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	c := simple(w.headBackend("X-Powered-By: magic", "X-Kept: yes"))
	c.routes[0].extra = []string{
		"request_headers: {set: {X-Gateway: wsgate}, remove: [Cookie]}",
		"response_headers: {set: {X-Frame-Options: DENY}, remove: [X-Powered-By]}",
		"upstream_host: backend.internal",
	}
	g := w.start(c)
	conn := w.dial(g.addr("/"))
	conn.sends(upgradeRequest("chat.test", "/", "Cookie: a=1", "X-Gateway: spoofed"))
	r := conn.accepted()
	if r.Header.Get("X-Powered-By") != "" || r.Header.Get("X-Frame-Options") != "DENY" || r.Header.Get("X-Kept") != "yes" {
		t.Errorf("response fields: %v", r.Header)
	}
	f, err := conn.readFrame()
	if err != nil {
		t.Fatal(err)
	}
	head := string(f.payload)
	for name, want := range map[string][]string{
		"X-Gateway": {"wsgate"}, "Cookie": nil, "Host": {"backend.internal"}, "X-Forwarded-Host": {"chat.test"},
	} {
		if got := field(head, name); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Hosts and paths choose the upstream for upgrades and plain requests alike.
func TestRouting(t *testing.T) {
	gatewayOnly(t)
	w := newWorld(t)
	var c conf
	add := func(host, path string) {
		name := host + path
		c.routes = append(c.routes, routeConf{host: host, path: path, to: []string{w.namedBackend(name)}})
	}
	add("*", "/")
	add("*", "/chat")
	add("*", "=/exact")
	add("a.example", "/")
	add("*.example", "/")
	g := w.start(c)
	for _, k := range []struct{ host, target, want string }{
		{"x", "/", "*/"}, {"x", "/chatter", "*/"}, {"x", "/chat", "*/chat"}, {"x", "/chat/", "*/chat"},
		{"x", "/chat/a?b", "*/chat"}, {"x", "//chat", "*/chat"}, {"x", "/y/../chat", "*/chat"}, {"x", "/%63hat", "*/chat"},
		{"x", "/exact", "*=/exact"}, {"x", "/exact/", "*/"}, {"A.Example:80", "/chat", "a.example/"},
		{"b.example", "/chat", "*.example/"}, {"c.b.example.", "/", "*.example/"}, {"example", "/", "*/"},
	} {
		conn := w.dial(g.addr("/"))
		conn.sends("GET " + k.target + " HTTP/1.1\r\nHost: " + k.host + "\r\n\r\n")
		if _, body := conn.response("GET"); body != k.want {
			t.Errorf("GET %s at %s: went to %q, want %q", k.target, k.host, body, k.want)
		}
		conn.sends(upgradeRequest(k.host, k.target))
		if r, _ := conn.response("GET"); r.StatusCode != 101 || r.Header.Get("X-Name") != k.want {
			t.Errorf("upgrade %s at %s: went to %q, want %q", k.target, k.host, r.Header.Get("X-Name"), k.want)
		}
	}
}

// namedBackend tells its name in plain answers and in its 101.
func (w *world) namedBackend(name string) string {
	echo := w.httpBackend(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = rw.Write([]byte(name))
			return
		}
		rw.Header().Set("X-Name", name)
		upgradeAndEcho(rw, r)
	}))
	return echo
}
