package wire

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// MaxHead is the longest request or response head, in bytes, that either end
// of the kit takes.
const MaxHead = 16 << 10

// ErrHeadTooLong is a head beyond MaxHead.
var ErrHeadTooLong = errors.New("head is too long")

// Key makes the Sec-WebSocket-Key of a connection (RFC 6455 4.1) from any number.
func Key(n uint64) string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], mix(n))
	binary.LittleEndian.PutUint64(b[8:], mix(n+1<<40))
	return base64.StdEncoding.EncodeToString(b[:])
}

// Accept is the Sec-WebSocket-Accept that answers key (RFC 6455 4.2.2).
func Accept(key string) string {
	h := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(h[:])
}

// AppendRequest appends an upgrade request to dst.
func AppendRequest(dst []byte, host, target, key string) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, target...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	dst = append(dst, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	dst = append(dst, key...)
	return append(dst, "\r\n\r\n"...)
}

// AppendAccepted appends the 101 that accepts key to dst.
func AppendAccepted(dst []byte, key string) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = append(dst, Accept(key)...)
	return append(dst, "\r\n\r\n"...)
}

// head returns the lines of the head at the start of b, without their ends,
// and its length; n is 0 while the head is not complete.
func head(b []byte) (lines []string, n int, err error) {
	i := bytes.Index(b, []byte("\r\n\r\n"))
	if i < 0 {
		if len(b) > MaxHead {
			return nil, 0, ErrHeadTooLong
		}
		return nil, 0, nil
	}
	return strings.Split(string(b[:i]), "\r\n"), i + 4, nil
}

// field returns the value of the only field called name.
func field(lines []string, name string) (value string, err error) {
	found := false
	for _, l := range lines[1:] {
		k, v, ok := strings.Cut(l, ":")
		if !ok {
			return "", fmt.Errorf("field line %q has no colon", l)
		}
		if !strings.EqualFold(k, name) {
			continue
		}
		if found {
			return "", fmt.Errorf("two %s fields", name)
		}
		found, value = true, strings.TrimSpace(v)
	}
	return value, nil
}

// Refusal is an answer to an upgrade request other than 101.
type Refusal struct {
	Line   string // its status line
	Status string // the code in it; empty when it is no HTTP/1.1
}

func (r *Refusal) Error() string { return fmt.Sprintf("answer is %q, not 101", r.Line) }

// ParseAccepted checks the answer to an upgrade request with key. n is the
// length of the head: what follows is the first bytes of the stream. n is 0
// while more is needed. Any other answer than a correct 101 is an error: a
// [*Refusal] when it is another status.
func ParseAccepted(b []byte, key string) (n int, err error) {
	lines, n, err := head(b)
	if n == 0 || err != nil {
		return 0, err
	}
	if f := strings.Fields(lines[0]); len(f) < 2 || f[0] != "HTTP/1.1" {
		return 0, &Refusal{Line: lines[0]}
	} else if f[1] != "101" {
		return 0, &Refusal{Line: lines[0], Status: f[1]}
	}
	for _, want := range [][2]string{{"Upgrade", "websocket"}, {"Connection", "upgrade"}, {"Sec-WebSocket-Accept", Accept(key)}} {
		v, err := field(lines, want[0])
		if err != nil {
			return 0, err
		}
		if v != want[1] && (want[0] == "Sec-WebSocket-Accept" || !strings.EqualFold(v, want[1])) {
			return 0, fmt.Errorf("101 with %s %q instead of %q", want[0], v, want[1])
		}
	}
	if v, err := field(lines, "Sec-WebSocket-Extensions"); err != nil || v != "" {
		return 0, fmt.Errorf("101 with extensions %q, none was offered", v)
	}
	return n, nil
}

// Request is what the backend needs to know of a request.
type Request struct {
	Target string
	Key    string // empty: not an upgrade
	Length int    // of the head in bytes; 0 while it is not complete
}

// ParseRequest reads the request head at the start of b.
func ParseRequest(b []byte) (r Request, err error) {
	lines, n, err := head(b)
	if n == 0 || err != nil {
		return r, err
	}
	f := strings.Fields(lines[0])
	if len(f) != 3 || f[0] != http.MethodGet {
		return r, fmt.Errorf("request line %q", lines[0])
	}
	r.Target, r.Length = f[1], n
	up, err := field(lines, "Upgrade")
	if err != nil || !strings.EqualFold(up, "websocket") {
		return r, err
	}
	r.Key, err = field(lines, "Sec-WebSocket-Key")
	return r, err
}
