package accesslog

import (
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"wsgate/eventloop/record"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string (RFC 8259 section 7). It allocates
// only when b is too small.
func appendString[T ~string | ~[]byte](b []byte, s T) []byte {
	b = append(b, '"')
	plain := 0 // s[plain:i] goes out as it is
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[plain:i]...)
			b = appendEscaped(b, c)
			i++
			plain = i
			continue
		}
		var lead [utf8.UTFMax]byte
		r, size := utf8.DecodeRune(lead[:copy(lead[:], s[i:])])
		if r == utf8.RuneError && size == 1 {
			b = append(b, s[plain:i]...)
			b = utf8.AppendRune(b, utf8.RuneError)
			plain = i + size
		} else if r <= 0x9f || r == 0x2028 || r == 0x2029 {
			b = append(b, s[plain:i]...)
			b = appendHex(b, r)
			plain = i + size
		}
		i += size
	}
	b = append(b, s[plain:]...)
	return append(b, '"')
}

// appendEscaped appends an ASCII character that must not stand for itself.
func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return appendHex(b, rune(c))
}

// appendHex appends r, which is below 0x10000, as \uXXXX.
func appendHex(b []byte, r rune) []byte {
	return append(b, '\\', 'u',
		hexDigits[r>>12&0xf], hexDigits[r>>8&0xf], hexDigits[r>>4&0xf], hexDigits[r&0xf])
}

// The functions below append one member: a comma, the key and the value. A
// line begins with its time, which takes no comma.

// key is a constant of this package and needs no escaping.
func appendKey(b []byte, key string) []byte {
	b = append(b, ',', '"')
	b = append(b, key...)
	return append(b, '"', ':')
}

func appendText[T ~string | ~[]byte](b []byte, key string, s T) []byte {
	return appendString(appendKey(b, key), s)
}

// appendOptional leaves an empty string out.
func appendOptional[T ~string | ~[]byte](b []byte, key string, s T) []byte {
	if len(s) == 0 {
		return b
	}
	return appendText(b, key, s)
}

func appendUint(b []byte, key string, n uint64) []byte {
	return strconv.AppendUint(appendKey(b, key), n, 10)
}

// appendPositive leaves 0 out.
func appendPositive(b []byte, key string, n uint64) []byte {
	if n == 0 {
		return b
	}
	return appendUint(b, key, n)
}

// appendTrue leaves false out.
func appendTrue(b []byte, key string, v bool) []byte {
	if !v {
		return b
	}
	return append(appendKey(b, key), "true"...)
}

// appendMillis appends d in milliseconds with three decimals. A negative d,
// which a clock that was set back can give, is 0.
func appendMillis(b []byte, key string, d time.Duration) []byte {
	us := max(d.Microseconds(), 0)
	b = strconv.AppendInt(appendKey(b, key), us/1000, 10)
	f := us % 1000
	return append(b, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
}

// appendTime appends t with its quotes and without a key.
func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

func appendID(b []byte, key string, id record.ID) []byte {
	b = append(appendKey(b, key), '"')
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, hexDigits[id>>shift&0xf])
	}
	return append(b, '"')
}

// appendAddr leaves an invalid address out. The zone of an IPv6 address may
// hold any bytes when a peer named the address, so it is escaped, too.
func appendAddr(b []byte, key string, a netip.Addr) []byte {
	if !a.IsValid() {
		return b
	}
	var text [64]byte
	return appendText(b, key, a.AppendTo(text[:0]))
}

// appendAddrPort leaves an invalid address out.
func appendAddrPort(b []byte, key string, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return b
	}
	var text [80]byte
	return appendText(b, key, a.AppendTo(text[:0]))
}

// appendEndState appends who and phase as two letters, "-" for none.
func appendEndState(b []byte, key string, w record.Who, p record.Phase) []byte {
	return append(appendKey(b, key), '"', letter(byte(w)), letter(byte(p)), '"')
}

// letter makes sure that a value outside its set cannot break the line.
func letter(c byte) byte {
	if c < 'A' || c > 'Z' {
		return '-'
	}
	return c
}
