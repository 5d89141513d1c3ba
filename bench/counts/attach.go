package counts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"wsgate/bench/account"
)

// Counter counts the system calls of a process group that runs.
type Counter struct {
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan struct{}
	err  error
}

// Attach attaches strace -c -f to every process of the group pgid, and returns
// when every thread of theirs is traced. It works on any gateway.
//
// What is counted: every system call of every thread, those of threads and
// processes that start later included, from the moment Attach returns, or a
// little earlier, until Stop is called; a call counts when it returns. The
// wait that a thread was in when it was attached to is interrupted and made
// again, and counts once or twice more; over thousands of messages that is
// nothing, for a few use [Measure]. Calls of a runtime for itself are in it:
// see [Noise].
//
// What is traced becomes several times slower: no time or CPU that is measured
// meanwhile means anything, and numbers a message that depend on who is faster
// (waits, reads of what came in several pieces) are those of a slow gateway.
//
// The error is [exec.ErrNotFound] where strace is not installed,
// [ErrNotPermitted] where it may not trace. When ctx ends, strace is killed and
// the group goes on untraced. When this process is killed, strace ends with
// the group that it traces.
func Attach(ctx context.Context, pgid int) (*Counter, error) {
	for deadline := time.Now().Add(stepLimit); ; {
		c, err := attach(ctx, pgid)
		if !errors.Is(err, errMissed) || time.Now().After(deadline) {
			return c, err
		}
	}
}

// errMissed is a thread that strace did not see: it was started by one that
// was not traced yet, after strace had listed all.
var errMissed = errors.New("strace does not trace every thread")

// missedAfter is how long strace may take to trace all that it has listed.
const missedAfter = 2 * time.Second

func attach(ctx context.Context, pgid int) (*Counter, error) {
	pids, err := account.Members(pgid)
	if err != nil {
		return nil, err
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("process group %d has no process", pgid)
	}
	args := []string{"-c", "-f", "-U", "calls,name", "-e", "signal=none"}
	for _, pid := range pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	c := &Counter{cmd: exec.CommandContext(ctx, "strace", args...), done: make(chan struct{})}
	c.cmd.Stderr = &c.out
	// What a terminal sends to our group would end the count with half of it.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	if err := c.attached(ctx, pids); err != nil {
		_ = c.cmd.Process.Kill()
		<-c.done
		return nil, err
	}
	return c, nil
}

// attached returns when every thread of pids is traced by c.
func (c *Counter) attached(ctx context.Context, pids []int) error {
	deadline := time.Now().Add(missedAfter)
	for !c.traces(pids) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.done:
			return straceError(c.err, c.out.Bytes())
		case <-time.After(2 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errMissed
		}
	}
	return nil
}

// traces reports whether every thread of pids that lives is traced by c.
func (c *Counter) traces(pids []int) bool {
	want := []byte("TracerPid:\t" + strconv.Itoa(c.cmd.Process.Pid) + "\n")
	for _, pid := range pids {
		tasks, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/status")
		if err != nil {
			return false
		}
		for _, t := range tasks {
			if b, err := os.ReadFile(t); err == nil && !bytes.Contains(b, want) {
				return false
			}
		}
	}
	return true
}

// Stop ends the count and returns it by the names of the calls; what was not
// called is not in it. It may be called once.
func (c *Counter) Stop() (map[string]int64, error) {
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return nil, fmt.Errorf("strace: %w", err)
	}
	<-c.done
	// strace ends by the signal that it was sent, once it has let go.
	var exit *exec.ExitError
	if errors.As(c.err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGINT {
		c.err = nil
	}
	if c.err != nil {
		return nil, straceError(c.err, c.out.Bytes())
	}
	return parseSummary(c.out.String())
}

// parseSummary reads what strace -c -U calls,name prints, beside its other
// messages.
func parseSummary(s string) (map[string]int64, error) {
	calls := map[string]int64{}
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		if len(f) != 2 || f[1] == "total" || strings.ContainsFunc(f[1], notInName) {
			continue
		}
		n, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			continue // the head, the rule, a message
		}
		calls[f[1]] = n
	}
	if len(calls) == 0 && !strings.Contains(s, "calls") {
		return nil, fmt.Errorf("strace printed no counts: %q", s)
	}
	return calls, nil
}
