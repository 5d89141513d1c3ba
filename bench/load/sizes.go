package load

import (
	"fmt"
	"os"

	"wsgate/bench/wire"
)

// Sizes is a distribution of payload sizes that was read from a file. It may
// serve any number of runs.
type Sizes struct {
	file string
	dist *wire.Sizes
}

// ReadSizes reads a histogram of payload sizes: a line for each size, in
// bytes, and its weight, a whole number; empty lines and lines that begin with
// # are comments. Errors name the file and the line.
func ReadSizes(file string) (*Sizes, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("sizes: %w", err)
	}
	defer f.Close()
	dist, err := wire.ReadSizes(file, f)
	if err != nil {
		return nil, fmt.Errorf("sizes: %w", err)
	}
	return &Sizes{file: file, dist: dist}, nil
}

// SizesReport says what Sizes a run had.
type SizesReport struct {
	File     string  `json:"file"`
	Mean     float64 `json:"mean_bytes"` // of the distribution
	Shortest int     `json:"shortest_bytes"`
	Longest  int     `json:"longest_bytes"`
}

func (s *Sizes) report() *SizesReport {
	return &SizesReport{File: s.file, Mean: s.dist.Mean(), Shortest: s.dist.Shortest(), Longest: s.dist.Longest()}
}

// checkSizes checks Size or, in its place, Sizes. Bulk messages carry a whole
// stamp, and their sizes travel in the request line.
func (c *Config) checkSizes(check func(ok bool, format string, args ...any)) {
	shortest, bulk := c.Size, c.Mode == Up || c.Mode == Down
	if c.Sizes != nil {
		check(c.Size == 0, "size: %d and sizes from %s are one too many", c.Size, c.Sizes.file)
		shortest = c.Sizes.dist.Shortest()
		n := len(c.Sizes.dist.String())
		check(!bulk || n <= wire.MaxSizesText, "sizes: %s takes %d bytes of the request that tells the backend, and %s has room for %d", c.Sizes.file, n, c.Mode, wire.MaxSizesText)
	}
	check(!bulk || shortest >= wire.StampSize, "size: %d is below %d, and bulk messages carry a stamp", shortest, wire.StampSize)
}

// dist is the distribution of sizes, or nil.
func (c *Config) dist() *wire.Sizes {
	if c.Sizes == nil {
		return nil
	}
	return c.Sizes.dist
}

// longest is the longest payload of the run.
func (c *Config) longest() int {
	if c.Sizes == nil {
		return c.Size
	}
	return c.Sizes.dist.Longest()
}

// sizeOf is the size of message seq of conn.
func (l *loop) sizeOf(conn, seq uint32) int {
	if l.cfg.Sizes == nil {
		return l.cfg.Size
	}
	return l.cfg.Sizes.dist.Of(l.pattern, conn, seq)
}

// unit counts a unit whose payload was message seq of conn.
func (l *loop) unit(conn, seq uint32) {
	l.units++
	l.bytes += int64(l.sizeOf(conn, seq))
}
