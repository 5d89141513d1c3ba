package demo

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// inbound is a message from a member: say or name.
type inbound struct {
	Type string `json:"type"`
	Text string `json:"text"`
	Name string `json:"name"`
}

type welcome struct {
	Type    string            `json:"type"`
	Room    string            `json:"room"`
	You     uint64            `json:"you"`
	Name    string            `json:"name"`
	Backend string            `json:"backend"`
	History []json.RawMessage `json:"history"`
}

type message struct {
	Type    string `json:"type"`
	ID      uint64 `json:"id"`
	Time    int64  `json:"time"` // milliseconds since 1970
	From    uint64 `json:"from"`
	Name    string `json:"name"`
	Backend string `json:"backend"`
	Text    string `json:"text"`
}

type people struct {
	Type     string         `json:"type"`
	Count    int            `json:"count"`
	Backends map[string]int `json:"backends"`
}

type named struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

type refused struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// encode encodes one of the types above, which cannot fail.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encoding %T: %v", v, err))
	}
	return b
}

// cleanText returns s on one line, without control characters and without those
// that reorder what stands around them, and whether anything visible is left.
func cleanText(s string) (string, bool) {
	visible := false
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Bidi_Control, r):
			return -1
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		}
		visible = visible || unicode.IsGraphic(r) && !unicode.IsSpace(r)
		return r
	}, s)
	return strings.TrimSpace(s), visible
}

// cleanName is cleanText with single spaces and at most limit runes.
func cleanName(s string, limit int) (string, bool) {
	s, _ = cleanText(s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit])
	}
	return cleanText(s)
}
