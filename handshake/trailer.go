package handshake

// trailer follows a trailer section byte by byte (RFC 9112 section 7.1.2). It is
// as strict as the fields of a head.
type trailer struct {
	state trailerState
	n     uint8    // bytes of name
	name  [26]byte // of the field being read; longer than any name that matters
}

type trailerState uint8

const (
	trailerLine trailerState = iota
	trailerName
	trailerValue
	trailerLF
	trailerEnd
)

// step takes one byte; ended tells that it was the last of the section.
func (t *trailer) step(c byte) (ended bool, f fault) {
	switch t.state {
	case trailerLine:
		switch {
		case c == '\r':
			t.state = trailerEnd
			return false, faultNone
		case c == ' ' || c == '\t':
			return false, faultFold
		case c == ':':
			return false, faultFieldName
		}
		t.state, t.n = trailerName, 0
		fallthrough
	case trailerName:
		switch {
		case c == ':':
			if forbiddenInTrailer(t.name[:t.n]) {
				return false, faultTrailerForbidden
			}
			t.state = trailerValue
		case class[c]&classToken == 0:
			return false, notColon(c)
		case int(t.n) < len(t.name):
			t.name[t.n] = c
			t.n++
		}
	case trailerValue:
		switch {
		case c == '\r':
			t.state = trailerLF
		case c < ' ' && c != '\t' || c == 0x7f:
			return false, control(c)
		}
	case trailerLF, trailerEnd:
		if c != '\n' {
			return false, faultBareCR
		}
		if t.state == trailerEnd {
			return true, faultNone
		}
		t.state = trailerLine
	}
	return false, faultNone
}

// forbiddenInTrailer tells whether name must not be in a trailer section (RFC
// 9110 section 6.5.1): an endpoint that merges trailers into the head would frame
// or route by it, see another client, or see other credentials.
func forbiddenInTrailer(name []byte) bool {
	const forbidden = traitHop | traitIdentity | traitFraming | traitFixed
	k := kindOf(name)
	return (kindTraits[k]|kindTraits[kindOfAlias(name)])&forbidden != 0 || k == KindExpect
}
