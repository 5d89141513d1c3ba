package handshake

// scan is the resumable part of reading a head. It goes through the bytes once,
// in order: which fault is found depends on the bytes alone, not on how they
// were cut into pieces.
type scan struct {
	pos   uint32 // bytes before it are verified and not looked at again
	line  uint32 // where the line being read begins
	part  uint32 // where the part of the line being read begins
	state state
	fault fault // found: nothing is read any more
	name  Span  // of the field being read
	value Span  // of the field just read
}

type state uint8

const (
	inMethod state = iota // requests begin here
	inTarget
	inVersion
	inProto // responses begin here
	inStatus
	inReason
	atStartLF
	atLine
	inName
	inValue
	atLF
	atEndLF
	atDone
)

type event uint8

const (
	more  event = iota // the bytes at hand are used up
	field              // name and value are those of a field line
	end                // the empty line was read
)

// stop returns how far the line being read may be looked at: to the end of the
// bytes at hand, of what a line may have, or of what a head may have.
func (s *scan) stop(have int, n bounds) int {
	return min(have, int(s.line)+n.line, n.head)
}

// short says why there is nothing to read at stop: more is to come, or a limit
// is reached. A head of exactly the limit is complete before this is asked.
func (s *scan) short(stop int, n bounds) (event, fault) {
	starting := s.state <= atStartLF
	switch {
	case starting && (stop == int(s.line)+n.line || stop == n.head):
		return more, faultStartLineTooLong
	case stop == n.head:
		return more, faultHeadTooLarge
	case stop == int(s.line)+n.line:
		return more, faultFieldTooLong
	}
	return more, faultNone
}

// next reads up to the end of one field line or of the head. The state is atLine
// or behind it.
func (s *scan) next(b []byte, n bounds) (event, fault) {
	for {
		stop := s.stop(len(b), n)
		i := int(s.pos)
		if i >= stop {
			return s.short(stop, n)
		}
		switch s.state {
		case atLine:
			switch b[i] {
			case '\r':
				s.pos, s.state = s.pos+1, atEndLF
			case ' ', '\t':
				// RFC 9112 section 5.2: obs-fold is refused; section 2.2: so is white
				// space before the first field.
				return more, faultFold
			default:
				s.part, s.state = s.pos, inName
			}
		case inName:
			for i < stop && class[b[i]]&classToken != 0 {
				i++
			}
			s.pos = uint32(i)
			if i == stop {
				continue
			}
			if b[i] != ':' {
				return more, notColon(b[i])
			}
			if s.pos == s.part {
				return more, faultFieldName
			}
			s.name = Span{s.part, s.pos}
			s.pos, s.part, s.state = s.pos+1, s.pos+1, inValue
		case inValue:
			i = valueEnd(b, i, stop)
			s.pos = uint32(i)
			if i == stop {
				continue
			}
			if b[i] != '\r' {
				return more, control(b[i])
			}
			s.value = trimmed(b, s.part, s.pos)
			s.pos, s.state = s.pos+1, atLF
		case atLF, atEndLF:
			if b[i] != '\n' {
				return more, faultBareCR
			}
			s.pos++
			s.line = s.pos
			if s.state == atEndLF {
				s.state = atDone
				return end, faultNone
			}
			s.state = atLine
			return field, faultNone
		}
	}
}

// notColon says what is wrong with a field name that c ends.
func notColon(c byte) fault {
	switch {
	case c == ' ' || c == '\t':
		return faultSpaceBeforeColon // RFC 9112 section 5.1
	case c < ' ' && c != '\r' || c == 0x7f:
		return control(c)
	}
	return faultFieldName
}

// control says what is wrong with the control byte c.
func control(c byte) fault {
	switch c {
	case '\n':
		return faultBareLF // RFC 9112 section 2.2 lets a recipient refuse it
	case '\r':
		return faultBareCR
	}
	return faultControl
}

// trimmed is the span from off to end without the white space around it.
func trimmed(b []byte, off, end uint32) Span {
	for off < end && (b[off] == ' ' || b[off] == '\t') {
		off++
	}
	for off < end && (b[end-1] == ' ' || b[end-1] == '\t') {
		end--
	}
	return Span{off, end}
}
