package spawn

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"wsgate/bench/account"
)

// AnyCore leaves a process where the scheduler puts it.
const AnyCore = -1

// Supervisor owns a scratch folder, a guard and a thread that starts processes.
type Supervisor struct {
	dir     string
	starts  chan func()
	thread  sync.WaitGroup
	guard   *exec.Cmd
	guardMu sync.Mutex
	toGuard io.WriteCloser

	mu    sync.Mutex
	procs map[*Process]struct{}
}

// New makes a scratch folder and starts the guard: a command line that ends
// in a call of [Guard].
func New(guard []string) (s *Supervisor, err error) {
	s = &Supervisor{starts: make(chan func()), procs: map[*Process]struct{}{}}
	if s.dir, err = os.MkdirTemp("", "wsbench-"); err != nil {
		return nil, err
	}
	// A gateway's workers may run as another user and must reach their files.
	if err = os.Chmod(s.dir, 0o755); err == nil {
		err = s.startGuard(guard)
	}
	if err != nil {
		os.RemoveAll(s.dir)
		return nil, err
	}
	s.thread.Go(s.startThread)
	return s, nil
}

func (s *Supervisor) startGuard(argv []string) (err error) {
	s.guard = exec.Command(argv[0], argv[1:]...)
	s.guard.Stderr = os.Stderr
	// Its own session: what a terminal sends to our group must not reach it.
	s.guard.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if s.toGuard, err = s.guard.StdinPipe(); err != nil {
		return err
	}
	if err = s.guard.Start(); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	return s.tell("dir", s.dir)
}

func (s *Supervisor) tell(word, value string) error {
	s.guardMu.Lock()
	defer s.guardMu.Unlock()
	if _, err := fmt.Fprintf(s.toGuard, "%s %s\n", word, value); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	return nil
}

// startThread is the parent of every process: they are killed when this
// thread ends, and it must not end before.
func (s *Supervisor) startThread() {
	runtime.LockOSThread() // and never unlocked: the thread has changed its affinity
	for f := range s.starts {
		f()
	}
}

// Dir is the scratch folder. It is removed by Close.
func (s *Supervisor) Dir() string { return s.dir }

// Close stops what still runs and removes the scratch folder.
func (s *Supervisor) Close() error {
	s.mu.Lock()
	var left []*Process
	for p := range s.procs {
		left = append(left, p)
	}
	s.mu.Unlock()
	for _, p := range left {
		p.Stop(0)
	}
	close(s.starts)
	s.thread.Wait()
	err := os.RemoveAll(s.dir)
	return errors.Join(err, s.toGuard.Close(), s.guard.Wait())
}

// Spec is a process to start.
type Spec struct {
	Path string
	Args []string
	Dir  string   // working directory; empty: the scratch folder
	Env  []string // KEY=value, beside this process's own environment
	Core int      // processor to pin it to, or AnyCore
	// Line is called with each line of output, one at a time; it may be nil.
	Line func(string)
}

// Process is a process group under way.
type Process struct {
	s     *Supervisor
	cmd   *exec.Cmd
	group int
	out   *tail
	done  chan struct{}
	err   error
	stop  sync.Once
}

// Start starts spec.
func (s *Supervisor) Start(spec Spec) (*Process, error) {
	p := &Process{s: s, cmd: exec.Command(spec.Path, spec.Args...), out: &tail{line: spec.Line}, done: make(chan struct{})}
	if len(spec.Env) > 0 {
		p.cmd.Env = append(os.Environ(), spec.Env...)
	}
	p.cmd.Dir = spec.Dir
	if p.cmd.Dir == "" {
		p.cmd.Dir = s.dir
	}
	if len(spec.Env) > 0 {
		p.cmd.Env = append(os.Environ(), spec.Env...)
	}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	// A process that leaves children behind with our pipe must not hold Wait up.
	p.cmd.WaitDelay = time.Second
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	s.starts <- func() { started <- pinned(spec.Core, p.cmd.Start) }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	p.group = p.cmd.Process.Pid
	s.mu.Lock()
	s.procs[p] = struct{}{}
	s.mu.Unlock()
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := s.tell("group", fmt.Sprint(p.group)); err != nil {
		p.Stop(0)
		return nil, err
	}
	return p, nil
}

// pinned calls start with the calling thread on core, and brings the thread
// back to where it was.
func pinned(core int, start func() error) error {
	if core == AnyCore {
		return start()
	}
	var was, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &was); err != nil {
		return fmt.Errorf("sched_getaffinity: %w", err)
	}
	set.Set(core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin to core %d: %w", core, err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &was) }()
	return start()
}

// Group is the process group.
func (p *Process) Group() int { return p.group }

// Done is closed when the first process of the group has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the first process of the group ended: nil for exit status 0. It
// may be called once Done is closed.
func (p *Process) Err() error { return p.err }

// Output is the end of what the process printed.
func (p *Process) Output() string { return p.out.String() }

// Stop ends the whole group: SIGTERM first, and SIGKILL after grace. It
// returns when no process is left. It may be called more than once.
func (p *Process) Stop(grace time.Duration) {
	p.stop.Do(func() {
		if grace > 0 {
			_ = unix.Kill(-p.group, unix.SIGTERM)
			select {
			case <-p.done:
			case <-time.After(grace):
			}
		}
		p.killAll()
		<-p.done
		p.s.mu.Lock()
		delete(p.s.procs, p)
		p.s.mu.Unlock()
		_ = p.s.tell("gone", fmt.Sprint(p.group))
	})
}

// killAll kills the group until it has no member: a worker may be forked
// between the look and the kill.
func (p *Process) killAll() {
	for {
		_ = unix.Kill(-p.group, unix.SIGKILL)
		if left, err := account.Members(p.group); err != nil || len(left) == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// tail keeps the last lines of output.
type tail struct {
	mu    sync.Mutex
	line  func(string)
	part  string
	lines []string
}

// keep is how many lines of output are kept.
const keep = 20

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.part += string(b)
	for {
		l, rest, ok := strings.Cut(t.part, "\n")
		if !ok {
			break
		}
		t.part = rest
		t.lines = append(t.lines, l)
		t.lines = t.lines[max(0, len(t.lines)-keep):]
		if t.line != nil {
			t.line(l)
		}
	}
	if len(t.part) > 64<<10 {
		t.part = ""
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.Join(append(t.lines[:len(t.lines):len(t.lines)], t.part), "\n"))
}
