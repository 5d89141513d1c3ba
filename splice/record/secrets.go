package record

import (
	"bytes"
	"encoding/hex"
	"io"
)

// Secrets keeps the application traffic secrets of one handshake: the
// KeyLogWriter of a tls.Config that was cloned for that handshake alone. It
// looks at no client random, because that is the client's to choose.
type Secrets struct {
	client, server []byte
	log            io.Writer
}

// NewSecrets returns Secrets that pass every line on to log, if that is not
// nil.
func NewSecrets(log io.Writer) *Secrets { return &Secrets{log: log} }

// Write implements io.Writer for lines of the NSS key log format.
func (s *Secrets) Write(line []byte) (int, error) {
	label, rest, _ := bytes.Cut(line, []byte(" "))
	_, value, _ := bytes.Cut(rest, []byte(" "))
	switch string(label) {
	case "CLIENT_TRAFFIC_SECRET_0":
		s.client = decode(value)
	case "SERVER_TRAFFIC_SECRET_0":
		s.server = decode(value)
	}
	if s.log != nil {
		return s.log.Write(line)
	}
	return len(line), nil
}

func decode(value []byte) []byte {
	value = bytes.TrimSpace(value)
	out := make([]byte, hex.DecodedLen(len(value)))
	if _, err := hex.Decode(out, value); err != nil {
		return nil
	}
	return out
}

// Client returns the secret that the client seals with, nil before it is
// known. It is valid until Wipe.
func (s *Secrets) Client() []byte { return s.client }

// Server returns the secret that the server seals with.
func (s *Secrets) Server() []byte { return s.server }

// Wipe zeroes the secrets.
func (s *Secrets) Wipe() {
	clear(s.client)
	clear(s.server)
}
