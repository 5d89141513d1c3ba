package handshake

import "encoding/binary"

// Classes of bytes, as bits of class.
const (
	classToken  = 1 << iota // tchar, RFC 9110 section 5.6.2
	classMethod             // letters as in every registered method: A-Z, '-' and '_'
	classTarget             // what a request target may hold: visible ASCII without '#'
	className               // what a registered host name may hold
	classDigit
	classHex
	classPlain  // unreserved, RFC 3986 section 2.3
	classBase64 // the alphabet, RFC 4648 section 4
)

// class tells which classes each byte is in.
var class = func() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		digit := c >= '0' && c <= '9'
		upper := c >= 'A' && c <= 'Z'
		alpha := upper || c >= 'a' && c <= 'z'
		if alpha || digit || in(c, "!#$%&'*+-.^_`|~") {
			t[i] |= classToken
		}
		if upper || c == '-' || c == '_' {
			t[i] |= classMethod
		}
		if c > ' ' && c < 0x7f && c != '#' {
			t[i] |= classTarget
		}
		if alpha || digit || in(c, "-._") {
			t[i] |= className
		}
		if digit {
			t[i] |= classDigit
		}
		if digit || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' {
			t[i] |= classHex
		}
		if alpha || digit || in(c, "-._~") {
			t[i] |= classPlain
		}
		if alpha || digit || c == '+' || c == '/' {
			t[i] |= classBase64
		}
	}
	return t
}()

// lower maps A-Z to a-z and every other byte to itself.
var lower = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

func in(c byte, set string) bool {
	for i := 0; i < len(set); i++ {
		if set[i] == c {
			return true
		}
	}
	return false
}

// valueEnd returns where the field value that begins at b[i] ends: the first
// control byte other than HTAB, or stop. Bytes from 0x80 on are obs-text and
// belong to the value (RFC 9110 section 5.5).
func valueEnd(b []byte, i, stop int) int {
	b = b[:stop]
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for i < len(b) {
		// Eight at a time while none is below 0x20 or equal to 0x7f.
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			del := w ^ ones*0x7f
			if ((w-ones*0x20)&^w|(del-ones)&^del)&tops != 0 {
				break
			}
			i += 8
		}
		for n := min(i+8, len(b)); i < n; i++ {
			if c := b[i]; c < ' ' && c != '\t' || c == 0x7f {
				return i
			}
		}
	}
	return i
}

// fold tells whether s is want without regard to case. want is lower case.
func fold(s []byte, want string) bool {
	if len(s) != len(want) {
		return false
	}
	for i, c := range s {
		if lower[c] != want[i] {
			return false
		}
	}
	return true
}

// isToken tells whether s is a token (RFC 9110 section 5.6.2).
func isToken(s []byte) bool {
	for _, c := range s {
		if class[c]&classToken == 0 {
			return false
		}
	}
	return len(s) > 0
}

// trim returns s without the spaces and tabs around it.
func trim(s []byte) []byte {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
