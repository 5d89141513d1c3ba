package e2e

import (
	"fmt"
	"slices"
	"strings"
)

// A badRequest is a request head that must not reach a backend.
type badRequest struct {
	name   string
	bytes  string
	status []int // any of these is right
	keeps  bool  // the head's end is certain, so the connection may go on
}

const (
	crlf      = "\r\n"
	goodHost  = "Host: chat.test\r\n"
	longField = 20 << 10 // over the default limit of a head, 16 KiB
)

// malformedHeads is the corpus: every line of DESIGN.md section 6 that is
// about a head, and the tricks known from request smuggling.
func malformedHeads() []badRequest {
	var out []badRequest
	add := func(name, bytes string, status ...int) {
		if len(status) == 0 {
			status = []int{400}
		}
		keeps := strings.Contains(name, "target /") || slices.Contains(status, 426)
		out = append(out, badRequest{name, bytes, status, keeps})
	}
	badLines(add)
	badFields(add)
	badFraming(add)
	badTargets(add)
	badUpgrades(add)
	return out
}

type adder func(name, bytes string, status ...int)

func badLines(add adder) {
	for name, line := range map[string]string{
		"two spaces before the target":  "GET  /bad HTTP/1.1",
		"two spaces before the version": "GET /bad  HTTP/1.1",
		"tab before the target":         "GET\t/bad HTTP/1.1",
		"tab before the version":        "GET /bad\tHTTP/1.1",
		"leading space":                 " GET /bad HTTP/1.1",
		"trailing space":                "GET /bad HTTP/1.1 ",
		"leading empty line":            "\r\nGET /bad HTTP/1.1",
		"lower case http":               "GET /bad http/1.1",
		"more behind the version":       "GET /bad HTTP/1.1x",
		"no minor version":              "GET /bad HTTP/1",
		"version HTTP/0.9":              "GET /bad HTTP/0.9",
		"no version":                    "GET /bad",
		"no target":                     "GET HTTP/1.1",
		"only a method":                 "GET",
		"space inside the target":       "GET /ba d HTTP/1.1",
		"control byte in the target":    "GET /ba\x01d HTTP/1.1",
		"NUL in the target":             "GET /ba\x00d HTTP/1.1",
		"DEL in the target":             "GET /ba\x7fd HTTP/1.1",
		"byte over 0x7f in the target":  "GET /b\xc3\xa4d HTTP/1.1",
		"fragment in the target":        "GET /bad#frag HTTP/1.1",
		"relative target":               "GET bad HTTP/1.1",
		"method that is no token":       "G@T /bad HTTP/1.1",
		"method with a colon":           "GET: /bad HTTP/1.1",
		"bare CR in the line":           "GET /bad\r HTTP/1.1",
		"asterisk with GET":             "GET * HTTP/1.1",
	} {
		add(name, line+crlf+goodHost+crlf)
	}
	add("version without a dot", "GET /bad HTTP/11\r\n"+goodHost+crlf, 400, 505)
	add("two-digit minor version", "GET /bad HTTP/1.10\r\n"+goodHost+crlf, 400, 505)
	add("HTTP/2.0 in the line", "GET /bad HTTP/2.0\r\n"+goodHost+crlf, 505)
	add("HTTP/3.0 in the line", "GET /bad HTTP/3.0\r\n"+goodHost+crlf, 505)
	add("the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)
	add("a TLS ClientHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+crlf+crlf)
	add("an SSH greeting", "SSH-2.0-OpenSSH_9.2\r\n\r\n")
	add("zero bytes", strings.Repeat("\x00", 64))
	add("CONNECT", "CONNECT chat.test:443 HTTP/1.1\r\n"+goodHost+crlf, 400, 405)
	add("a long request line", "GET /"+strings.Repeat("a", longField)+" HTTP/1.1\r\n"+goodHost+crlf, 414)
	add("a long method", strings.Repeat("G", longField)+" / HTTP/1.1\r\n"+goodHost+crlf, 400, 414)
}

// badFields are heads with one bad field line, in a plain request and in an
// upgrade.
func badFields(add adder) {
	lines := map[string]string{
		"bare LF":                       "X-A: b\nX-C: d\r\n",
		"obs-fold":                      "X-A: b\r\n folded\r\n",
		"obs-fold with a tab":           "X-A: b\r\n\tfolded\r\n",
		"space before the colon":        "X-A : b\r\n",
		"tab before the colon":          "X-A\t: b\r\n",
		"space before the colon, Host":  "Host : other.test\r\n",
		"leading space":                 " X-A: b\r\n",
		"empty name":                    ": b\r\n",
		"no colon":                      "X-A\r\n",
		"NUL in the value":              "X-A: b\x00c\r\n",
		"control byte in the value":     "X-A: b\x01c\r\n",
		"DEL in the value":              "X-A: b\x7fc\r\n",
		"bare CR in the value":          "X-A: b\rX-C: d\r\n",
		"CR CR LF":                      "X-A: b\r\r\n",
		"space in the name":             "X A: b\r\n",
		"parenthesis in the name":       "X(A: b\r\n",
		"bytes over 0x7f in the name":   "X-\xc3\xa4: b\r\n",
		"NUL in the name":               "X\x00A: b\r\n",
		"CR in the name":                "X\rA: b\r\n",
		"a second Host":                 "Host: other.test\r\n",
		"a second Host, the same":       goodHost,
		"Connection names Host":         "Connection: host\r\n",
		"Connection names framing":      "Connection: content-length\r\n",
		"Connection names the encoding": "Connection: close, Transfer-Encoding\r\n",
		"Connection is no list":         "Connection: a b\r\n",
	}
	for name, line := range lines {
		add(name, "GET /bad HTTP/1.1\r\n"+goodHost+line+crlf)
		add(name+", in an upgrade", strings.TrimSuffix(upgradeRequest("chat.test", "/bad"), crlf)+line+crlf)
	}
	hosts := map[string]string{
		"no Host": "", "Host with a space": "Host: a b\r\n", "Host with a slash": "Host: a/b\r\n",
		"Host with user": "Host: u@chat.test\r\n", "Host with a query": "Host: chat.test?x\r\n",
		"Host with a bad port": "Host: chat.test:8x\r\n", "Host with a fragment": "Host: chat.test#x\r\n",
	}
	for name, line := range hosts {
		add(name, "GET /bad HTTP/1.1\r\n"+line+crlf)
	}
	add("bare LF ends the head", "GET /bad HTTP/1.1\r\n"+goodHost+"\n")
	add("only bare LF", "GET /bad HTTP/1.1\nHost: chat.test\n\n")
	add("space behind the request line", "GET /bad HTTP/1.1\r\n Host: chat.test\r\n\r\n")
	add("a long field", "GET /bad HTTP/1.1\r\n"+goodHost+"X-A: "+strings.Repeat("b", longField)+crlf+crlf, 431)
	add("a long name", "GET /bad HTTP/1.1\r\n"+goodHost+strings.Repeat("X", longField)+": b\r\n\r\n", 431)
	add("many fields", "GET /bad HTTP/1.1\r\n"+goodHost+strings.Repeat("X-A: b\r\n", 1000)+crlf, 431)
}

// badFraming are bodies whose length two readers could see differently. A
// request that a lax reader would find in the body follows each.
func badFraming(add adder) {
	const smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: chat.test\r\n\r\n"
	for name, lines := range map[string]string{
		"CL with TE":               "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		"TE with CL":               "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
		"two CL":                   "Content-Length: 5\r\nContent-Length: 6\r\n",
		"two CL, the same":         "Content-Length: 5\r\nContent-Length: 5\r\n",
		"CL list":                  "Content-Length: 5, 5\r\n",
		"CL with a plus":           "Content-Length: +5\r\n",
		"negative CL":              "Content-Length: -1\r\n",
		"hex CL":                   "Content-Length: 0x5\r\n",
		"CL with a space inside":   "Content-Length: 5 5\r\n",
		"empty CL":                 "Content-Length:\r\n",
		"CL of letters":            "Content-Length: five\r\n",
		"CL of 2^64":               "Content-Length: 18446744073709551616\r\n",
		"CL of 2^64+5":             "Content-Length: 18446744073709551621\r\n",
		"fractional CL":            "Content-Length: 5.0\r\n",
		"space before the colon":   "Content-Length : 5\r\n",
		"TE of two codings":        "Transfer-Encoding: gzip, chunked\r\n",
		"TE not ending in chunked": "Transfer-Encoding: chunked, gzip\r\n",
		"TE identity":              "Transfer-Encoding: identity\r\n",
		"chunked twice":            "Transfer-Encoding: chunked, chunked\r\n",
		"two TE":                   "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"two different TE":         "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
		"xchunked":                 "Transfer-Encoding: xchunked\r\n",
		"chunked with a parameter": "Transfer-Encoding: chunked;q=1\r\n",
		"chunked in quotes":        "Transfer-Encoding: \"chunked\"\r\n",
		"chunked behind a VT":      "Transfer-Encoding: \x0bchunked\r\n",
		"empty TE":                 "Transfer-Encoding:\r\n",
		"folded TE":                "Transfer-Encoding:\r\n chunked\r\n",
		"space before TE's colon":  "Transfer-Encoding : chunked\r\n",
		"TE with a bare LF":        "X-A: b\nTransfer-Encoding: chunked\r\n",
		"TE with a bare CR":        "X-A: b\rTransfer-Encoding: chunked\r\n",
	} {
		add(name, "POST /bad HTTP/1.1\r\n"+goodHost+lines+crlf+smuggled, 400, 501)
	}
	add("TE in HTTP/1.0", "POST /bad HTTP/1.0\r\n"+goodHost+"Transfer-Encoding: chunked\r\n\r\n"+smuggled)
}

func badTargets(add adder) {
	for _, target := range []string{
		"/..", "/../bad", "/a/../../bad", "/%2e%2e/bad", "/a/%2E./../../bad", "/a%2fb", "/a%2Fb", "/a%5cb", "/a%00b",
		"/%zz", "/%", "/%2", "/bad%", "http://", "http:///bad", "http://u:p@chat.test/bad", "http://u@chat.test/bad",
		"ftp://chat.test/bad", "http://chat.test:x/bad", "//",
	} {
		if target == "//" {
			continue // merged to "/", and fine
		}
		add("target "+target, "GET "+target+" HTTP/1.1\r\n"+goodHost+crlf)
		add("upgrade, target "+target, upgradeRequest("chat.test", target))
	}
}

func badUpgrades(add adder) {
	build := func(method, version string, lines ...string) string {
		return method + " /bad " + version + crlf + goodHost + "Upgrade: websocket\r\nConnection: Upgrade\r\n" +
			strings.Join(lines, crlf) + crlf + crlf
	}
	key, v13 := "Sec-WebSocket-Key: "+sampleKey, "Sec-WebSocket-Version: 13"
	add("no key", build("GET", "HTTP/1.1", v13))
	add("two keys", build("GET", "HTTP/1.1", key, key, v13))
	add("empty key", build("GET", "HTTP/1.1", "Sec-WebSocket-Key:", v13))
	for _, bad := range []string{
		"AAAA", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZSE=",
		"dGhlIHNhbXBsZSBub25jZQ==x", "dGhl!HNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ== ,x",
	} {
		add(fmt.Sprintf("key %q", bad), build("GET", "HTTP/1.1", "Sec-WebSocket-Key: "+bad, v13))
	}
	add("POST", build("POST", "HTTP/1.1", key, v13))
	add("HEAD", build("HEAD", "HTTP/1.1", key, v13))
	add("with a length", build("GET", "HTTP/1.1", key, v13, "Content-Length: 5")+"hello")
	add("with a chunked body", build("GET", "HTTP/1.1", key, v13, "Transfer-Encoding: chunked")+"0\r\n\r\n")
	add("two versions", build("GET", "HTTP/1.1", key, v13, v13))
	add("no version", build("GET", "HTTP/1.1", key), 400, 426)
	for _, v := range []string{"8", "0", "14", "255"} {
		add("version "+v, build("GET", "HTTP/1.1", key, "Sec-WebSocket-Version: "+v), 426)
	}
	for _, v := range []string{"thirteen", "13, 8", "-13", "013"} {
		add("version "+v, build("GET", "HTTP/1.1", key, "Sec-WebSocket-Version: "+v), 400, 426)
	}
}
