package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wsgate/eventloop/record"
)

// faulty is a file that takes only so many bytes more, then fails as it is
// told. The test is told of each failed write.
type faulty struct {
	*os.File
	failed chan struct{}

	mu   sync.Mutex
	room int
	err  error
}

func (f *faulty) piece(b []byte) []byte { return b }

func (f *faulty) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(b) <= f.room {
		f.room -= len(b)
		return f.File.Write(b)
	}
	n, err := f.File.Write(b[:f.room])
	f.room = 0
	if err == nil {
		err = f.err
	}
	f.failed <- struct{}{}
	return n, err
}

func (f *faulty) makeRoom(n int) {
	f.mu.Lock()
	f.room = n
	f.mu.Unlock()
}

// faultyLog returns a Writer whose first file takes room bytes and then fails
// with err; those that Reopen opens take enough. Every opened file is sent to
// the returned channel.
func faultyLog(t *testing.T, o Options, room int, err error, now func() time.Time) (*Writer, chan *faulty) {
	t.Helper()
	opened := make(chan *faulty, 8)
	w, startErr := start(o, func(path string) (sink, error) {
		f, e := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if e != nil {
			return nil, e
		}
		s := &faulty{File: f, failed: make(chan struct{}, 64), room: room, err: err}
		room = 1 << 20
		opened <- s
		return s, nil
	}, now)
	if startErr != nil {
		t.Fatal(startErr)
	}
	return w, opened
}

// await receives one token.
func await(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-within(t).Done():
		t.Fatal("no write has failed")
	}
}

// A write ends in the middle of the second of three lines. What follows it
// must never be glued to the half line.
func TestShortWrite(t *testing.T) {
	line := appendClose(nil, &record.Close{Time: at, Opened: at, Route: "*/", Why: "close"})
	short := len(line) + len(line)/2
	const plenty = 1 << 20

	tests := []struct {
		name string
		err  error
		then func(t *testing.T, w *Writer, path string, f *faulty)
		want []int // IDs in the file at path
		// Whether the first file was moved away. It ends in a half line.
		moved bool
	}{
		{"goes on where it ended", syscall.ENOSPC, func(t *testing.T, w *Writer, _ string, f *faulty) {
			f.makeRoom(plenty)
		}, []int{0, 1, 2}, false},
		{"ends again and again", syscall.ENOSPC, func(t *testing.T, w *Writer, _ string, f *faulty) {
			for range 40 {
				f.makeRoom(1)
				poke(w.control)
				await(t, f.failed)
			}
			f.makeRoom(plenty)
		}, []int{0, 1, 2}, false},
		{"the full file is truncated", syscall.ENOSPC, func(t *testing.T, w *Writer, path string, f *faulty) {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
			f.makeRoom(plenty)
		}, []int{1, 2}, false},
		{"the same file is opened again", syscall.EIO, func(t *testing.T, w *Writer, _ string, f *faulty) {
			if err := w.Reopen(); err != nil {
				t.Fatal(err)
			}
		}, []int{0, 1, 2}, false},
		{"another file is opened", syscall.EIO, func(t *testing.T, w *Writer, path string, f *faulty) {
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
			if err := w.Reopen(); err != nil {
				t.Fatal(err)
			}
		}, []int{1, 2}, true},
		{"another file is opened, which is longer", syscall.EIO, func(t *testing.T, w *Writer, path string, f *faulty) {
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, bytes.Repeat(line, 5), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := w.Reopen(); err != nil {
				t.Fatal(err)
			}
		}, []int{0, 0, 0, 0, 0, 1, 2}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "access.log")
			told := make(chan struct{}, 64)
			w, opened := faultyLog(t, Options{Path: path, Logf: func(string, ...any) { told <- struct{}{} }}, short, test.err, time.Now)
			first := <-opened
			logIDs(w, 0, 3)
			await(t, first.failed)
			await(t, told) // the Writer has noted the size of the file
			test.then(t, w, path, first)
			shutdown(t, w)
			if got := readIDs(t, readFile(t, path)); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if test.moved {
				old := readFile(t, path+".1")
				wantRange(t, readIDs(t, old[:lineStart(old, len(old))]), 0, 1)
			}
			if w.WriteErrors() == 0 || w.Dropped() != 0 {
				t.Errorf("%d write errors, %d lines dropped", w.WriteErrors(), w.Dropped())
			}
		})
	}
}

// A FIFO's reader goes away in the middle of a line, and another comes: that
// one's first line is whole.
func TestNewReaderOfAFIFOBeginsWithAWholeLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	w, opened := faultyLog(t, Options{Path: path}, 100, syscall.EPIPE, time.Now)
	f := <-opened
	logIDs(w, 0, 2)
	await(t, f.failed)
	f.makeRoom(1 << 20)
	shutdown(t, w)
	b := readFile(t, path)
	wantRange(t, readIDs(t, b[100:]), 0, 2)
}

func TestFullDiskFillsTheQueueOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{}, 64)
	w := mustOpen(t, Options{Path: path, Logf: func(string, ...any) { told <- struct{}{} }})
	logIDs(w, 0, 10)
	await(t, told)
	logIDs(w, 10, 20)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := w.Reopen(); err != nil {
		t.Fatal(err)
	}
	shutdown(t, w)
	wantRange(t, readIDs(t, readFile(t, path)), 0, 20)
	if w.WriteErrors() == 0 || w.Dropped() != 0 {
		t.Errorf("%d write errors, %d lines dropped", w.WriteErrors(), w.Dropped())
	}
}

func TestShutdownOnAFullDisk(t *testing.T) {
	w := mustOpen(t, Options{Path: "/dev/full"})
	logIDs(w, 0, 10)
	err := w.Shutdown(within(t))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "10 lines") {
		t.Errorf("got %v", err)
	}
	if n := w.Dropped(); n != 10 {
		t.Errorf("%d lines dropped, want 10", n)
	}
}

// clock is a time that the test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	c.t = c.t.Add(d)
	c.mu.Unlock()
}

func TestErrorsAreToldOnceAMinute(t *testing.T) {
	var told []string // appended to on the Writer's goroutine, read when it has ended
	c := &clock{t: at}
	w, opened := faultyLog(t, Options{
		Path: filepath.Join(t.TempDir(), "access.log"), Queue: 1024,
		Logf: func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) },
	}, 0, syscall.ENOSPC, c.now)
	f := <-opened
	logIDs(w, 0, 1)
	await(t, f.failed)
	for range 5 {
		poke(w.control)
		await(t, f.failed)
	}
	c.add(tellTime)
	// The write below fails after the report of the one before it.
	for range 2 {
		poke(w.control)
		await(t, f.failed)
	}
	logIDs(w, 1, 20) // more than the queue holds
	dropped := w.Dropped()
	f.makeRoom(1 << 20)
	shutdown(t, w)
	if len(told) != 3 {
		t.Fatalf("told %q", told)
	}
	for i, want := range []string{"no space left on device", "no space left on device", fmt.Sprintf("%d lines dropped so far, the queue", dropped)} {
		if !strings.Contains(told[i], want) {
			t.Errorf("told %q, want %q in it", told[i], want)
		}
	}
	if dropped == 0 {
		t.Error("nothing was dropped")
	}
}

func TestStreamPieces(t *testing.T) {
	line := func(n int) string { return strings.Repeat("x", n-1) + "\n" }
	tests := []struct {
		in   string
		want int
	}{
		{line(10), 10},
		{line(atomicWrite), atomicWrite},
		{line(atomicWrite + 1), atomicWrite + 1},
		{line(4000) + line(97), 4000},
		{line(4000) + line(96), 4096},
		{line(100) + line(100) + line(9000), 200},
		{line(9000) + line(100), 9000},
	}
	for _, test := range tests {
		if got := len(stream{}.piece([]byte(test.in))); got != test.want {
			t.Errorf("%d bytes: piece of %d, want %d", len(test.in), got, test.want)
		}
	}
}

// role runs a part of this test binary in a process of its own.
func role(name string) *exec.Cmd {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "ACCESSLOG_TEST_ROLE="+name)
	return c
}

func runRole(name string) int {
	if name == "share" {
		return share()
	}
	w, err := Open(Options{Path: Stderr})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	logIDs(w, 0, 10)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err = w.Shutdown(ctx)
	fmt.Println(w.WriteErrors(), w.Dropped(), err)
	return 0
}

// Writing to a stderr that nobody reads any more does not end the process.
func TestStderrWithoutAReader(t *testing.T) {
	r, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	c := role("broken")
	c.Stderr = pipe
	out, err := c.Output()
	pipe.Close()
	if err != nil {
		t.Fatalf("%v, output %q", err, out)
	}
	if got, want := string(out), "10 lines not written"; !strings.Contains(got, want) || !strings.Contains(got, "broken pipe") {
		t.Errorf("got %q, want %q and the broken pipe in it", got, want)
	}
}

// share logs to stdout while the process writes lines of its own there.
func share() int {
	w, err := Open(Options{Path: Stdout})
	if err != nil {
		return 1
	}
	var wg sync.WaitGroup
	wg.Go(func() { logIDs(w, 0, 3000) })
	wg.Go(func() {
		for i := range 3000 {
			fmt.Printf("operator %d\n", i)
		}
	})
	wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := w.Shutdown(ctx); err != nil {
		return 1
	}
	return 0
}

// The access log and the operator's log share a pipe, and no line of the one
// stands within one of the other.
func TestSharedPipe(t *testing.T) {
	out, err := role("share").Output()
	if err != nil {
		t.Fatal(err)
	}
	var access []byte
	operator := 0
	for line := range bytes.Lines(out) {
		if string(line) == fmt.Sprintf("operator %d\n", operator) {
			operator++
			continue
		}
		access = append(access, line...)
	}
	wantRange(t, readIDs(t, access), 0, 3000)
	if operator != 3000 {
		t.Errorf("%d lines of the operator's log, want 3000", operator)
	}
}
