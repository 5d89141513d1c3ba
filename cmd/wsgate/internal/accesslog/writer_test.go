package accesslog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"wsgate/eventloop/record"
)

// logIDs logs a line for each ID in [from, to).
func logIDs(w *Writer, from, to int) {
	for id := from; id < to; id++ {
		w.Close(&record.Close{ID: record.ID(id), Time: at, Opened: at, Route: "*/", Why: "close"})
	}
}

// readIDs decodes lines, all of which must be whole, and returns their IDs.
func readIDs(t *testing.T, data []byte) []int {
	t.Helper()
	if len(data) > 0 && data[len(data)-1] != '\n' {
		t.Fatalf("the last line is torn: %q", data[lineStart(data, len(data)):])
	}
	var ids []int
	for line := range bytes.Lines(data) {
		var l struct{ ID string }
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		var id int
		if _, err := fmt.Sscanf(l.ID, "%x", &id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantRange checks that ids are from, from+1, ... to-1.
func wantRange(t *testing.T, ids []int, from, to int) {
	t.Helper()
	if len(ids) != to-from {
		t.Fatalf("%d lines, want %d: %v", len(ids), to-from, ids)
	}
	for i, id := range ids {
		if id != from+i {
			t.Fatalf("line %d has ID %d, want %d", i, id, from+i)
		}
	}
}

func shutdown(t *testing.T, w *Writer) {
	t.Helper()
	if err := w.Shutdown(within(t)); err != nil {
		t.Fatal(err)
	}
}

func TestFileIsAppendedTo(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "access.log")
	for i := range 2 {
		w := mustOpen(t, Options{Path: path})
		logIDs(w, i*10, i*10+10)
		shutdown(t, w)
	}
	wantRange(t, readIDs(t, readFile(t, path)), 0, 20)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != 0o640 {
		t.Errorf("mode %v, want 0640", got)
	}
}

func TestAllTypesReachTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	w := mustOpen(t, Options{Path: path})
	var log record.Log = w
	log.Open(fullOpen())
	log.Close(fullClose())
	log.Request(fullRequest())
	shutdown(t, w)
	want := appendRequest(appendClose(appendOpen(nil, fullOpen()), fullClose()), fullRequest())
	if got := readFile(t, path); !bytes.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOff(t *testing.T) {
	for _, path := range []string{"", Off} {
		w := mustOpen(t, Options{Path: path})
		logIDs(w, 0, 3)
		if err := w.Reopen(); err != nil {
			t.Error(err)
		}
		shutdown(t, w)
		if n := w.Dropped() + w.WriteErrors(); n != 0 {
			t.Errorf("%q: %d drops and errors", path, n)
		}
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		dir:                               syscall.EISDIR,
		filepath.Join(dir, "none", "log"): syscall.ENOENT,
		fifo:                              syscall.ENXIO, // and does not wait for a reader
	} {
		if w, err := Open(Options{Path: path}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, %v, want %v", path, w, err, want)
		}
	}
}

func TestAfterShutdown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	w := mustOpen(t, Options{Path: path})
	logIDs(w, 0, 5)
	shutdown(t, w)
	logIDs(w, 5, 8)
	if got := w.Dropped(); got != 3 {
		t.Errorf("%d lines dropped, want 3", got)
	}
	if err := w.Reopen(); !errors.Is(err, errClosed) {
		t.Errorf("Reopen: %v", err)
	}
	shutdown(t, w)
	wantRange(t, readIDs(t, readFile(t, path)), 0, 5)
}

func TestLineLongerThanTheQueue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	w := mustOpen(t, Options{Path: path, Queue: 4096})
	w.Request(&record.Request{ID: 7, Time: at, Target: bytes.Repeat([]byte("x"), 5000)})
	logIDs(w, 0, 2)
	shutdown(t, w)
	wantRange(t, readIDs(t, readFile(t, path)), 0, 2)
	if got := w.Dropped(); got != 1 {
		t.Errorf("%d lines dropped, want 1", got)
	}
}

// blockedFIFO returns a log on a FIFO whose reader does not read.
func blockedFIFO(t *testing.T, queue int) (w *Writer, reader *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	return mustOpen(t, Options{Path: path, Queue: queue}), reader
}

// More is logged than the FIFO and both buffers hold while nobody reads: the
// caller comes through, the rest is counted, and what was queued arrives whole
// and in order when somebody reads.
func TestFullQueueDropsAndNeverBlocks(t *testing.T) {
	const lines = 4000
	w, reader := blockedFIFO(t, 32<<10)
	logIDs(w, 0, lines)
	dropped := int(w.Dropped())
	if dropped == 0 {
		t.Fatal("nothing was dropped")
	}
	got := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(reader)
		got <- b
	}()
	shutdown(t, w)
	ids := readIDs(t, <-got)
	if len(ids)+dropped != lines {
		t.Errorf("%d lines read and %d dropped of %d", len(ids), dropped, lines)
	}
	for i := 1; i < len(ids); i++ {
		if ids[i] <= ids[i-1] {
			t.Fatalf("ID %d comes behind %d", ids[i], ids[i-1])
		}
	}
	if n := int(w.Dropped()); n != dropped {
		t.Errorf("%d lines dropped after the shutdown, %d before", n, dropped)
	}
}

func TestShutdownGivesUpAtItsDeadline(t *testing.T) {
	const lines = 4000
	w, reader := blockedFIFO(t, 1<<20)
	logIDs(w, 0, lines)
	expired, cancel := context.WithCancel(context.Background())
	cancel()
	err := w.Shutdown(expired)
	if err == nil || !strings.Contains(err.Error(), "lines not written") {
		t.Fatalf("got %v", err)
	}
	b, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	whole := len(readIDs(t, b[:lineStart(b, len(b))]))
	if got := whole + int(w.Dropped()); got != lines {
		t.Errorf("%d lines arrived and %d were counted as dropped, of %d", whole, w.Dropped(), lines)
	}
	if n := w.WriteErrors(); n != 0 {
		t.Errorf("%d write errors", n)
	}
}

func TestReopenLosesNothingAndTearsNothing(t *testing.T) {
	const writers, each, turns = 4, 3000, 25
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	w := mustOpen(t, Options{Path: path, Queue: 8 << 20})
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { logIDs(w, i*each, (i+1)*each) })
	}
	for i := range turns {
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, i)); err != nil {
			t.Fatal(err)
		}
		if err := w.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	shutdown(t, w)
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != turns+1 {
		t.Fatalf("%v, %v", files, err)
	}
	seen := make(map[int]int)
	for _, f := range files {
		for _, id := range readIDs(t, readFile(t, f)) {
			seen[id]++
		}
	}
	for id := range writers * each {
		if seen[id] != 1 {
			t.Errorf("ID %d stands in the logs %d times", id, seen[id])
		}
	}
	if n := w.Dropped(); n != 0 {
		t.Errorf("%d lines dropped", n)
	}
}

func TestLinesAfterReopenGoToTheNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	w := mustOpen(t, Options{Path: path})
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first opened file may be replaced before it is used
		if err := w.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	logIDs(w, 0, 10)
	shutdown(t, w)
	wantRange(t, readIDs(t, readFile(t, path)), 0, 10)
	wantRange(t, readIDs(t, readFile(t, path+".1")), 0, 0)
}

func TestFailedReopenKeepsTheOldFile(t *testing.T) {
	dir := t.TempDir()
	logs := filepath.Join(dir, "logs")
	if err := os.Mkdir(logs, 0o700); err != nil {
		t.Fatal(err)
	}
	w := mustOpen(t, Options{Path: filepath.Join(logs, "access.log")})
	logIDs(w, 0, 5)
	if err := os.Rename(logs, logs+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := w.Reopen(); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	logIDs(w, 5, 10)
	shutdown(t, w)
	wantRange(t, readIDs(t, readFile(t, filepath.Join(logs+".moved", "access.log"))), 0, 10)
}

// No line is encoded into new memory. The Writer's goroutine allocates nothing
// either: it would show here, too.
func TestLoggingAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops buffers at random under the race detector")
	}
	w := mustOpen(t, Options{Path: "/dev/null"})
	open, end, request := fullOpen(), fullClose(), fullRequest()
	n := testing.AllocsPerRun(20000, func() {
		w.Open(open)
		w.Close(end)
		w.Request(request)
	})
	if n != 0 {
		t.Errorf("%v allocations for three lines", n)
	}
}

func BenchmarkClose(b *testing.B) {
	w, err := Open(Options{Path: "/dev/null"})
	if err != nil {
		b.Fatal(err)
	}
	end := fullClose()
	b.ReportAllocs()
	for b.Loop() {
		w.Close(end)
	}
	if err := w.Shutdown(context.Background()); err != nil {
		b.Fatal(err)
	}
}
