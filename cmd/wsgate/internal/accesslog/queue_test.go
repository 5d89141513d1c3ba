package accesslog

import "testing"

// What a burst has touched of a buffer goes back to the kernel, so that an idle
// gateway does not keep it: it reads as zero afterwards. A small batch keeps
// its pages for the next.
func TestBurstIsReleased(t *testing.T) {
	for _, test := range []struct {
		batch int
		want  byte
	}{{keepResident, 'x'}, {keepResident + 1, 0}} {
		front, back, err := queues(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		defer unmap(front)
		defer unmap(back)
		for range test.batch {
			back = append(back, 'x')
		}
		w := &Writer{front: front, back: back, from: len(back)}
		w.take()
		if got := w.front[:1][0]; len(w.front) != 0 || got != test.want {
			t.Errorf("after a batch of %d bytes the queue holds %d and begins with %q, want %q",
				test.batch, len(w.front), got, test.want)
		}
	}
}
