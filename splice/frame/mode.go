package frame

import "fmt"

// Mode says what is done about frames.
type Mode uint8

// The modes. The zero value is Observe.
const (
	Observe Mode = iota // follow the frames and note violations
	Enforce             // also stop at a violation
	Off                 // opaque bytes
)

var modeNames = [...]string{"observe", "enforce", "off"}

// ParseMode returns the mode that name stands for in a configuration.
func ParseMode(name string) (Mode, error) {
	for i, n := range modeNames {
		if n == name {
			return Mode(i), nil
		}
	}
	return Observe, fmt.Errorf("frames: %q is none of observe, enforce, off", name)
}

// String returns the mode as ParseMode takes it.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return "unknown"
}

// Verdict is what Scan came to.
type Verdict uint8

// The verdicts.
const (
	Continue  Verdict = iota // all is well, or at least to be passed on
	Violation                // the next header breaks the protocol
	TooBig                   // the next header makes its message larger than allowed
)

// Config is what a direction is judged by.
type Config struct {
	Mode Mode
	// Masked: the frames of this direction must be masked (client to server),
	// else they must not be (RFC 6455 5.1).
	Masked bool
	// ReservedBits are those that negotiated extensions own: RSV1 = 4, RSV2 = 2,
	// RSV3 = 1. 4 alone is permessage-deflate, which owns RSV1 on the first
	// frame of a data message only (RFC 7692 6); 7 owns all bits on all frames.
	ReservedBits uint8
	// MaxMessage is the most payload bytes a data message may have over all of
	// its frames, as they are on the wire; 0: no limit. With a limit a
	// violation stops the direction under Observe, too: lengths behind it mean
	// nothing.
	MaxMessage int64
}

// violation is the index of a word.
type violation uint8

const (
	none violation = iota
	badOpcode
	badRSV
	badUnmasked
	badMasked
	badControlFragmented
	badControlLength
	badCloseLength
	badContinuation
	badInterleaved
	badLength
)

var violationNames = [...]string{
	"", "opcode", "rsv", "unmasked", "masked", "control_fragmented",
	"control_length", "close_length", "continuation", "interleaved", "length",
}
