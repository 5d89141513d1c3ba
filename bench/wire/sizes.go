package wire

import (
	"bufio"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Sizes is a distribution of payload sizes. Which size a message has follows
// from the run's seed, its connection and its number, so that both ends know
// it without a word. It does not change once it is made, and may be shared.
type Sizes struct {
	list  []int
	upTo  []uint64 // the sum of the weights up to and with each size
	shown string
}

// maxWeight bounds one weight, and maxSizes how many sizes there are: their
// sum stays far from an overflow.
const (
	maxWeight = 1 << 40
	maxSizes  = 1 << 12
)

// ReadSizes reads a histogram: lines of a size in bytes and a weight, a whole
// number of at least 1. Empty lines and lines that begin with # are comments.
// Errors name the line as name:number.
func ReadSizes(name string, r io.Reader) (*Sizes, error) {
	s := &Sizes{}
	in := bufio.NewScanner(r)
	n := 0
	for in.Scan() {
		n++
		line := strings.TrimSpace(in.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 2 {
			return nil, fmt.Errorf("%s:%d: %q is not a size and a weight", name, n, line)
		}
		if err := s.add(f[0], f[1]); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, n+1, err)
	}
	if len(s.list) == 0 {
		return nil, fmt.Errorf("%s: no sizes", name)
	}
	return s, nil
}

// parseSizes reads what String writes.
func parseSizes(text string) (*Sizes, error) {
	s := &Sizes{}
	for part := range strings.SplitSeq(text, ",") {
		size, weight, _ := strings.Cut(part, ":")
		if err := s.add(size, weight); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Sizes) add(size, weight string) error {
	n, err := strconv.ParseUint(size, 10, 31)
	if err != nil || n > MaxSize {
		return fmt.Errorf("size %q is not a number from 0 to %d", size, MaxSize)
	}
	w, err := strconv.ParseUint(weight, 10, 63)
	if err != nil || w < 1 || w > maxWeight {
		return fmt.Errorf("weight %q is not a whole number from 1 to %d", weight, uint64(maxWeight))
	}
	if slices.Contains(s.list, int(n)) {
		return fmt.Errorf("size %d comes twice", n)
	}
	if len(s.list) == maxSizes {
		return fmt.Errorf("more than %d sizes", maxSizes)
	}
	if len(s.list) > 0 {
		s.shown += ","
	}
	s.shown += strconv.FormatUint(n, 10) + ":" + strconv.FormatUint(w, 10)
	s.list = append(s.list, int(n))
	s.upTo = append(s.upTo, s.total()+w)
	return nil
}

func (s *Sizes) total() uint64 {
	if len(s.upTo) == 0 {
		return 0
	}
	return s.upTo[len(s.upTo)-1]
}

// String is s as an [Order] carries it: size:weight,size:weight.
func (s *Sizes) String() string { return s.shown }

// Shortest is the smallest size, in bytes.
func (s *Sizes) Shortest() int { return slices.Min(s.list) }

// Longest is the largest size, in bytes.
func (s *Sizes) Longest() int { return slices.Max(s.list) }

// Mean is the mean size, in bytes.
func (s *Sizes) Mean() float64 {
	sum, before := 0.0, uint64(0)
	for i, n := range s.list {
		sum += float64(n) * float64(s.upTo[i]-before)
		before = s.upTo[i]
	}
	return sum / float64(s.total())
}

// Of is the size of message seq of conn in the run of p. It does not allocate.
func (s *Sizes) Of(p *Pattern, conn, seq uint32) int {
	// Another number than the stamp's: the size must not tell the content.
	at, _ := bits.Mul64(mix(p.check(conn, seq)+0x9e3779b97f4a7c15), s.total())
	i, _ := slices.BinarySearch(s.upTo, at+1)
	return s.list[i]
}
