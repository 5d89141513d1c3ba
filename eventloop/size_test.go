package eventloop

import (
	"testing"
	"unsafe"
)

// TestIdleSessionIsSmall: DESIGN's bound of 800 bytes of user memory for an
// idle pair is met by this struct and the loop's tables alone.
func TestIdleSessionIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(session{}); n > 576 {
		t.Errorf("a session takes %d bytes, the bound is 576", n)
	} else {
		t.Logf("a session takes %d bytes", n)
	}
}
