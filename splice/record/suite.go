package record

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	_ "crypto/sha256" // the hashes of the suites
	_ "crypto/sha512"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// Suite is a cipher suite of TLS 1.3 (RFC 8446 B.4).
type Suite uint16

// The suites that crypto/tls negotiates.
const (
	AES128GCM Suite = 0x1301
	AES256GCM Suite = 0x1302
	ChaCha20  Suite = 0x1303
)

// Supported tells whether suite is one of them.
func Supported(suite uint16) bool {
	return suite >= uint16(AES128GCM) && suite <= uint16(ChaCha20)
}

func (s Suite) hash() crypto.Hash {
	if s == AES256GCM {
		return crypto.SHA384
	}
	return crypto.SHA256
}

func (s Suite) keyLen() int {
	if s == AES128GCM {
		return 16
	}
	return 32
}

// limit is how many records may be sealed under one key: RFC 8446 5.5 allows
// 2^24.5 full ones with AES-GCM. ChaCha20-Poly1305 has no bound below that of
// the sequence number.
func (s Suite) limit() uint64 {
	if s == ChaCha20 {
		return 1 << 60
	}
	return 1 << 24
}

func (s Suite) aead(key []byte) cipher.AEAD {
	if s == ChaCha20 {
		a, err := chacha20poly1305.New(key)
		if err != nil {
			panic(err) // the length is right
		}
		return a
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return a
}

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446 7.1).
func (s Suite) expandLabel(secret []byte, label string, n int) []byte {
	info := make([]byte, 0, 32)
	info = append(info, byte(n>>8), byte(n), byte(len("tls13 ")+len(label)))
	info = append(info, "tls13 "...)
	info = append(info, label...)
	info = append(info, 0)
	out, err := hkdf.Expand(s.hash().New, secret, string(info), n)
	if err != nil {
		panic(fmt.Sprintf("hkdf: %v", err)) // the lengths are right
	}
	return out
}
