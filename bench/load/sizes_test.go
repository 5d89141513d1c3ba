package load

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// sizes is a histogram in a file.
func sizes(t *testing.T, text string) *Sizes {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sizes")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ReadSizes(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestModesWithSizes(t *testing.T) {
	mixed := sizes(t, "# short, and now and then a long one\n0 5\n1 5\n16 10\n200 70\n3000 9\n70000 1\n")
	stamped := sizes(t, "16 1\n300 8\n70000 1\n")
	tests := map[string]Config{
		"echo":   {Mode: Echo, Conns: 8, InFlight: 3},
		"rate":   {Mode: Rate, Conns: 8, Rate: 2000},
		"idle":   {Mode: Idle, Conns: 20, Trickle: 500},
		"churn":  {Mode: Churn, Conns: 5},
		"fanout": {Mode: Fanout, Conns: 9, Room: 3, Loops: 2},
		"storm":  {Mode: Storm, Conns: 20, Storms: 2},
		"down":   {Mode: Down, Conns: 3, Sizes: stamped},
		"up":     {Mode: Up, Conns: 3, InFlight: 2, Sizes: stamped},
	}
	leaks(t)
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.Sizes == nil {
				c.Sizes = mixed
			}
			c = quickly("ws://"+serve(t), c)
			c.Duration = 150 * time.Millisecond
			r := mustRun(t, c)
			if err := r.Err(); err != nil {
				t.Fatalf("%v %q", err, r.Examples)
			}
			if r.Answered == 0 || r.Sizes == nil || r.Sizes.File != c.Sizes.file || r.Sizes.Mean != c.Sizes.dist.Mean() {
				t.Fatalf("%+v, sizes %+v", r, r.Sizes)
			}
			if most := r.Units * int64(r.Sizes.Longest); r.Bytes > most || r.Bytes == 0 && r.Units > 100 {
				t.Errorf("%d bytes in %d units", r.Bytes, r.Units)
			}
			var b strings.Builder
			if err := r.WriteText(&b); err != nil || !strings.Contains(b.String(), "from "+c.Sizes.file) {
				t.Errorf("%s, %v", b.String(), err)
			}
		})
	}
}

// TestBytesOfFixedSizes: every unit has the bytes that were asked for.
func TestBytesOfFixedSizes(t *testing.T) {
	r := mustRun(t, quickly("ws://"+serve(t), Config{Mode: Rate, Conns: 5, Rate: 1000, Size: 300}))
	if r.Bytes != r.Units*300 || r.Units == 0 || r.Sizes != nil {
		t.Fatalf("%d bytes in %d units", r.Bytes, r.Units)
	}
}

// TestFaultsAreFoundWithSizes: a wrong length is one too, where each message
// has its own.
func TestFaultsAreFoundWithSizes(t *testing.T) {
	mixed := sizes(t, "17 1\n300 1\n5000 1\n")
	type change = func(conn, n int, f ws.Frame) []ws.Frame
	leaks(t)
	for name, tt := range map[string]struct {
		change func(g *faulty) change
		want   string
	}{
		"dropped":    {func(*faulty) change { return once(1, drop) }, "lost"},
		"doubled":    {func(*faulty) change { return once(1, double) }, "duplicate"},
		"corrupt":    {func(*faulty) change { return once(1, flip) }, "corrupt"},
		"shortened":  {func(*faulty) change { return once(1, shortenIt) }, "corrupt"},
		"cut short":  {func(*faulty) change { return once(1, truncateIt) }, "corrupt"},
		"lengthened": {func(*faulty) change { return once(1, lengthenIt) }, "corrupt"},
		"swapped":    {func(g *faulty) change { return swap(g, 1) }, "reordered"},
		"to another": {func(g *faulty) change { return cross(g, 0) }, "foreign"},
	} {
		for _, mode := range []Mode{Echo, Down} {
			if mode == Down && name != "dropped" && name != "shortened" {
				continue
			}
			t.Run(string(mode)+" "+name, func(t *testing.T) {
				t.Parallel()
				g := &faulty{}
				g.down = tt.change(g)
				c := quickly(g.listen(t), Config{Mode: mode, Conns: 3, InFlight: 4, Sizes: mixed})
				c.Timeout = time.Second / 2
				if r := mustRun(t, c); r.Faults[tt.want] == 0 {
					t.Fatalf("want %q, got %v %q", tt.want, r.Faults, r.Examples)
				}
			})
		}
	}
}

func truncateIt(f ws.Frame) []ws.Frame {
	f.Header.Length--
	f.Payload = f.Payload[:f.Header.Length]
	return []ws.Frame{f}
}

func lengthenIt(f ws.Frame) []ws.Frame {
	f.Header.Length++
	f.Payload = append(f.Payload, 'x')
	return []ws.Frame{f}
}

func TestSizesAreChecked(t *testing.T) {
	short := sizes(t, "15 1\n64 1\n")
	var long strings.Builder
	for n := range 500 {
		fmt.Fprintln(&long, n+16, 1000)
	}
	for name, tt := range map[string]struct {
		c    Config
		says string
	}{
		"both":          {Config{Size: 64, Sizes: short}, "one too many"},
		"without stamp": {Config{Mode: Down, Sizes: short}, "carry a stamp"},
		"too many":      {Config{Mode: Up, Sizes: sizes(t, long.String())}, "room for"},
	} {
		tt.c.URL = "ws://127.0.0.1:1"
		if _, err := Run(t.Context(), tt.c); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for text, says := range map[string]string{"64": "sizes:1: ", "": "no sizes"} {
		file := filepath.Join(t.TempDir(), "sizes")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadSizes(file); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ReadSizes(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there is read")
	}
}
