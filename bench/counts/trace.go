package counts

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

// Noise are the system calls that a runtime makes for itself: it schedules,
// sleeps, collects garbage and takes memory when it likes, however many
// messages pass. They are not traced.
var Noise = []string{
	"futex", "nanosleep", "clock_nanosleep", "sched_yield", "sched_getaffinity", "tgkill", "gettid", "getpid",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall",
	"mmap", "munmap", "madvise", "mprotect", "mincore", "brk",
	"clone", "clone3", "set_robust_list", "rseq", "exit", "pread64",
}

// Calls are numbers of system calls by name.
type Calls map[string]int64

// step is what a gateway called between two moments of quiet.
type step struct {
	calls Calls
	timer bool // a timer was set or fired
}

// trace reads the output of strace -f -yy while it is written.
type trace struct {
	f    *os.File
	rest []byte
	// ours are the addresses that mark a socket of a session, as strace
	// writes them.
	ours []string
	// inside says which epoll set an epoll set was added to; session has the
	// sets that wait for a session's socket, or for a set that does. What
	// waits in the others is the runtime, at its own pace.
	inside  map[string]string
	session map[string]bool
}

func newTrace(path string, ours ...string) (*trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &trace{f: f, ours: ours, inside: map[string]string{}, session: map[string]bool{}}, nil
}

func (t *trace) close() { t.f.Close() }

// take returns the calls of the lines that were completed since the last take.
// A thread that waits in a call has not completed its line.
func (t *trace) take() (s step, err error) {
	s.calls = Calls{}
	b, err := io.ReadAll(t.f)
	if err != nil {
		return s, fmt.Errorf("trace: %w", err)
	}
	b = append(t.rest, b...)
	end := bytes.LastIndexByte(b, '\n') + 1
	t.rest = bytes.Clone(b[end:])
	for line := range strings.Lines(string(b[:end])) {
		c, ok := parseCall(line)
		if !ok {
			continue
		}
		t.watch(c)
		switch {
		case strings.HasSuffix(c.fd, "<anon_inode:[timerfd]>"):
			s.timer = true
		case strings.HasPrefix(c.name, "epoll_") && c.fd != "" && !t.session[c.fd]:
			continue
		}
		s.calls[c.name]++
	}
	return s, nil
}

// watch learns which epoll sets belong to sessions.
func (t *trace) watch(c call) {
	if c.name != "epoll_ctl" {
		return
	}
	_, added, ok := strings.Cut(c.args, "EPOLL_CTL_ADD, ")
	if !ok {
		return
	}
	fd := descriptor(added)
	if strings.HasSuffix(fd, "<anon_inode:[eventpoll]>") {
		t.inside[fd] = c.fd
		if !t.session[fd] {
			return
		}
	} else if !t.isOurs(fd) {
		return
	}
	for set, ok := c.fd, true; ok && !t.session[set]; set, ok = t.inside[set] {
		t.session[set] = true
	}
}

func (t *trace) isOurs(fd string) bool {
	for _, a := range t.ours {
		// The colon or bracket keeps 127.0.0.1:80 from being in 127.0.0.1:8080.
		if strings.Contains(fd, "["+a+"]") || strings.Contains(fd, "["+a+"->") || strings.Contains(fd, "->"+a+"]") {
			return true
		}
	}
	return false
}

// call is the beginning of a system call.
type call struct {
	name, args string
	fd         string // the first argument, if it is a descriptor: 5<anon_inode:[eventpoll]>
}

// parseCall reads a line of strace -f -o. It is not ok for anything but the
// beginning of a call: the other half of a call that another thread's line
// came between, a signal, the end of a thread.
func parseCall(line string) (c call, ok bool) {
	line = strings.TrimLeft(line, "0123456789")
	line = strings.TrimLeft(line, " ")
	name, args, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "(")
	if !ok || name == "" || strings.ContainsFunc(name, notInName) {
		return c, false
	}
	return call{name: name, args: args, fd: descriptor(args)}, true
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
}

// descriptor returns the descriptor that args begin with, with what strace -yy
// says about it, or nothing.
func descriptor(args string) string {
	if i := len(args) - len(strings.TrimLeft(args, "0123456789")); i == 0 || i == len(args) || args[i] != '<' {
		return ""
	}
	end := len(args)
	for _, stop := range []string{">,", ">)", "> "} { // but not the arrow between two addresses
		if i := strings.Index(args, stop); i >= 0 {
			end = min(end, i+1)
		}
	}
	return args[:end]
}
