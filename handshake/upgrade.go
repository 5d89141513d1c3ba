package handshake

import (
	"crypto/sha1"
	"encoding/base64"
)

// version notes a Sec-WebSocket-Version field of a request.
func (s *seen) version(v []byte) {
	if s.has(isVersion) {
		s.is |= isTwoVersions
	}
	s.is |= isVersion
	switch {
	case string(v) == "13":
		s.is |= isVersion13
	case !validVersion(v):
		s.is |= isBadVersion
	}
}

// validVersion tells whether v is a number from 0 to 255 without leading zeros
// (RFC 6455 section 4.3).
func validVersion(v []byte) bool {
	if len(v) == 0 || len(v) > 3 || len(v) > 1 && v[0] == '0' {
		return false
	}
	n := 0
	for _, c := range v {
		if class[c]&classDigit == 0 {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 255
}

// checkUpgrade is RFC 6455 section 4.2.1 for what asks for a WebSocket.
func (r *Request) checkUpgrade(b []byte) fault {
	s := &r.seen
	switch {
	case string(r.Method.Of(b)) != "GET":
		return faultUpgradeMethod
	case r.Body.Kind != NoBody:
		// Bytes behind the head are held for the tunnel; a body there would be read
		// as frames by one side and not by the other.
		return faultUpgradeBody
	case s.has(isTwoKeys):
		return faultTwoKeys
	case !s.has(isKey):
		return faultNoKey
	case !validKey(r.Key.Of(b)):
		return faultBadKey
	case s.has(isTwoVersions):
		return faultTwoVersions
	case s.has(isBadVersion):
		return faultBadVersion
	case !s.has(isVersion13):
		// No version at all is that of the drafts before 04: like any other
		// version it is told which one to use (section 4.4).
		return faultOtherVersion
	}
	return faultNone
}

// validKey tells whether key is base64 of 16 bytes. The four bits that the last
// digit has too many are not looked at, and neither do other servers.
func validKey(key []byte) bool {
	if len(key) != 24 || key[22] != '=' || key[23] != '=' {
		return false
	}
	for _, c := range key[:22] {
		if class[c]&classBase64 == 0 {
			return false
		}
	}
	return true
}

// acceptGUID is appended to every key (RFC 6455 section 1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

const acceptLen = 28 // base64 of a SHA-1 sum

// AppendAccept appends the Sec-WebSocket-Accept that belongs to key (RFC 6455
// section 4.2.2). It does not allocate, but for dst when that is too small and
// for keys over 24 bytes.
func AppendAccept(dst, key []byte) []byte {
	var buf [24 + len(acceptGUID)]byte
	sum := sha1.Sum(append(append(buf[:0], key...), acceptGUID...))
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}
