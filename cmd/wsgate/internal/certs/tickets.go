package certs

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// ticketKey encrypts session tickets (RFC 5077, RFC 8446 4.6.1).
type ticketKey = [32]byte

const (
	// keptKeys is how many random keys are taken: the one that makes tickets
	// and two before it.
	keptKeys = 3
	// maxKeys bounds the keys of a file: a ticket is tried with each.
	maxKeys = 16
)

// ring are random ticket keys, the newest first. They live as long as the
// store, so that sessions are resumed across generations.
type ring struct {
	keys []ticketKey
	born time.Time // of the newest
}

func newRing(now time.Time) *ring { return &ring{keys: []ticketKey{newKey()}, born: now} }

func newKey() (k ticketKey) {
	rand.Read(k[:]) // never fails
	return k
}

// turn makes new keys in place of those that are due, and tells whether it has.
func (r *ring) turn(now time.Time, every time.Duration) bool {
	turned := false
	for range keptKeys {
		if now.Sub(r.born) < every {
			return turned
		}
		r.keys = append([]ticketKey{newKey()}, r.keys[:min(len(r.keys), keptKeys-1)]...)
		r.born = r.born.Add(every)
		turned = true
	}
	if now.Sub(r.born) >= every {
		r.born = now // asleep for so long that no key is left of before
	}
	return turned
}

// parseTickets reads ticket keys: text with a key a line, 32 bytes as base64 or
// hex, with blank lines and comments; or 32, 48 or 80 raw bytes as one key.
func parseTickets(data []byte) ([]ticketKey, error) {
	if isBinary(data) {
		switch len(data) {
		case 32:
			return []ticketKey{ticketKey(data)}, nil
		case 48, 80: // as openssl rand makes them for nginx
			return []ticketKey{sha256.Sum256(data)}, nil
		}
		return nil, fmt.Errorf("has %d raw bytes, and a key is 32, 48 or 80", len(data))
	}
	var keys []ticketKey
	number := 0
	for line := range bytes.Lines(data) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, ok := parseKey(string(line))
		if !ok {
			return nil, fmt.Errorf("line %d is not 32 bytes as base64 or hex", number)
		}
		if keys = append(keys, key); len(keys) > maxKeys {
			return nil, fmt.Errorf("has more than %d keys", maxKeys)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("has no ticket key")
	}
	return keys, nil
}

func parseKey(s string) (k ticketKey, ok bool) {
	for _, decode := range [...]func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString, base64.URLEncoding.DecodeString,
	} {
		if b, err := decode(s); err == nil && len(b) == len(k) {
			return ticketKey(b), true
		}
	}
	return k, false
}

func isBinary(data []byte) bool {
	for _, c := range data {
		if c >= 0x7f || c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return true
		}
	}
	return false
}
