package certs

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	// maxFile bounds the files that are read, in bytes.
	maxFile = 4 << 20
	// grace is how long files may be at odds before that is an error:
	// certificate and key are replaced one after the other.
	grace = 10 * time.Second
	// settle is how old a file must be when it is read, so that a later change
	// shows in its time of modification, which is coarse.
	settle = 2 * time.Second
)

// stamp tells whether the file that a path leads to has been changed or
// replaced. Symbolic links are followed, so that a swapped one shows.
type stamp struct {
	err      string
	device   uint64
	inode    uint64
	size     int64
	modified time.Time
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{err: err.Error()}
	}
	s := stamp{size: info.Size(), modified: info.ModTime()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.device, s.inode = sys.Dev, sys.Ino
	}
	return s
}

// read returns the content of a file. Errors leave its path out.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unread(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, unread(err)
	}
	if info.IsDir() {
		return nil, errors.New("cannot be read: is a directory")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, unread(err)
	}
	if len(data) > maxFile {
		return nil, errors.New("is larger than 4MiB")
	}
	return data, nil
}

func unread(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// part is what comes from a set of files: a certificate with its key, the
// certificates of an authority, ticket keys, an OCSP response. It is touched
// under Store.mu only.
type part struct {
	name  string   // for the log
	paths []string // one at least
	// apply parses and keeps what is in the files. On an error it has changed
	// nothing, and the error is told to the operator after name.
	apply func(contents [][]byte) error
	// optional: without it the listener starts.
	optional bool

	stamps []stamp
	sum    [sha256.Size]byte // of what was applied last
	readAt time.Time         // wall clock
	err    error             // of the last attempt
	since  time.Time         // when these stamps were seen first
	told   bool              // err has been logged and counted
	broken bool              // so has one, since files were right the last time
}

// outcome is what a look at the files came to.
type outcome uint8

const (
	same    outcome = iota // nothing that anybody should hear of
	changed                // something new is applied
	failed                 // broken, to be told now
)

// look applies the files if they have changed. Broken ones are failed once,
// when they have stayed as they are for the grace period, or at once with
// force, which also reads what has not changed.
func (p *part) look(now time.Time, force bool) outcome {
	stamps := make([]stamp, len(p.paths))
	young := false
	for i, path := range p.paths {
		stamps[i] = stampOf(path)
		young = young || p.readAt.Sub(stamps[i].modified) < settle && stamps[i].err == ""
	}
	moved := !slices.Equal(stamps, p.stamps)
	if moved {
		p.since, p.told = now, false
	}
	if moved || young || force {
		p.stamps, p.readAt = stamps, time.Now()
		fresh, err := p.load()
		if p.err = err; err == nil {
			mended := p.broken
			p.broken = false
			if fresh || mended {
				return changed
			}
			return same
		}
	}
	if p.err != nil && !p.told && (force || now.Sub(p.since) >= grace) {
		p.told, p.broken = true, true
		return failed
	}
	return same
}

// load reads the files and applies them if they are not what was applied last.
func (p *part) load() (fresh bool, err error) {
	contents := make([][]byte, len(p.paths))
	h := sha256.New()
	for i, path := range p.paths {
		if contents[i], err = read(path); err != nil {
			return false, &fault{path: i, err: err}
		}
		fmt.Fprintf(h, "%d ", len(contents[i]))
		h.Write(contents[i])
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	if sum == p.sum {
		return false, nil
	}
	if err := p.apply(contents); err != nil {
		return false, err
	}
	p.sum = sum
	return true, nil
}

// forget makes the next look read and apply the files again.
func (p *part) forget() {
	p.stamps, p.sum = nil, [sha256.Size]byte{}
}

// fault is an error about one of the paths of a part.
type fault struct {
	path int // index
	err  error
	hint string
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// describe is the error with the path that it is about.
func (p *part) describe() string {
	var f *fault
	if errors.As(p.err, &f) {
		return fmt.Sprintf("%s %v", p.paths[f.path], f.err)
	}
	return fmt.Sprintf("%s %v", p.paths[0], p.err)
}
