package scale

import (
	"regexp"
	"strconv"
	"strings"
)

// trace is one garbage collection, as GODEBUG=gctrace=1 has a Go program
// describe it (package runtime, "gctrace").
type trace struct {
	number int
	clock  [3]float64 // milliseconds: stop for sweep termination, concurrent mark, stop for mark termination
	live   int        // MB that were found alive
	forced bool       // asked for by the program
}

// The fields behind the processor times have grown over the years, and the line
// may stand behind what another thread was printing.
var traceLine = regexp.MustCompile(`\bgc (\d+) @[\d.]+s \d+%: ([\d.]+)\+([\d.]+)\+([\d.]+) ms clock, .* ms cpu, \d+->\d+->(\d+) MB,.* \d+ P( \(forced\))?$`)

func parseTrace(line string) (t trace, ok bool) {
	m := traceLine.FindStringSubmatch(strings.TrimRight(line, "\r\n "))
	if m == nil {
		return t, false
	}
	var err error
	if t.number, err = strconv.Atoi(m[1]); err != nil {
		return t, false
	}
	for i := range t.clock {
		if t.clock[i], err = strconv.ParseFloat(m[2+i], 64); err != nil {
			return t, false
		}
	}
	if t.live, err = strconv.Atoi(m[5]); err != nil {
		return t, false
	}
	t.forced = m[6] != ""
	return t, true
}

// collection is what is told about t.
func (t trace) collection() Collection {
	return Collection{
		Seconds:  (t.clock[0] + t.clock[1] + t.clock[2]) / 1e3,
		PausesUS: [2]float64{t.clock[0] * 1e3, t.clock[2] * 1e3},
		LiveMB:   t.live,
	}
}
