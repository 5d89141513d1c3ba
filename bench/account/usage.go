package account

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what the processes of a group have used since they started.
type Usage struct {
	CPU      time.Duration // exact, threads that have ended included
	User     time.Duration // the kernel's split of it, which it samples
	System   time.Duration
	Switches int64 // context switches of the threads that live, of both kinds
	PIDs     []int
}

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on Linux.
const tick = 10 * time.Millisecond

// Members returns the processes of the group pgid, zombies not included.
func Members(pgid int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		f, err := stat(pid)
		if err != nil || f[0] == "Z" || f[0] == "X" {
			continue
		}
		if f[2] == strconv.Itoa(pgid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// stat returns the fields of /proc/PID/stat behind the name: the state is the first.
func stat(pid int) ([]string, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil, err
	}
	return parseStat(string(b))
}

func parseStat(s string) ([]string, error) {
	// The name is in parentheses and may hold spaces and parentheses.
	i := strings.LastIndexByte(s, ')')
	f := strings.Fields(s[i+1:])
	if i < 0 || len(f) < 13 {
		return nil, fmt.Errorf("unexpected stat line %q", s)
	}
	return f, nil
}

// Take reads the usage of the group pgid. A group without processes is an error.
func Take(pgid int) (u Usage, err error) {
	if u.PIDs, err = Members(pgid); err != nil {
		return u, err
	}
	if len(u.PIDs) == 0 {
		return u, fmt.Errorf("process group %d has no process", pgid)
	}
	for _, pid := range u.PIDs {
		if err := u.add(pid); err != nil {
			return u, err
		}
	}
	return u, nil
}

func (u *Usage) add(pid int) error {
	// The clock of a process (kernel's posix-timers.h: the inverted pid, and
	// 2 for scheduler time) is exact to the nanosecond and keeps the time of
	// threads that have ended; /proc/PID/stat rounds to 10 ms.
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return fmt.Errorf("processor clock of process %d: %w", pid, err)
	}
	u.CPU += time.Duration(ts.Nano())
	f, err := stat(pid)
	if err != nil {
		return err
	}
	for i, d := range []*time.Duration{&u.User, &u.System} {
		n, err := strconv.ParseInt(f[11+i], 10, 64)
		if err != nil {
			return fmt.Errorf("stat of process %d: %w", pid, err)
		}
		*d += time.Duration(n) * tick
	}
	tasks, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/status")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the thread has ended meanwhile
		}
		if err != nil {
			return err
		}
		u.Switches += number(b, "voluntary_ctxt_switches:") + number(b, "nonvoluntary_ctxt_switches:")
	}
	return nil
}

// Since is what was used between before and u. User and System are scaled so
// that they add up to CPU.
func (u Usage) Since(before Usage) Usage {
	d := Usage{CPU: u.CPU - before.CPU, Switches: u.Switches - before.Switches, PIDs: u.PIDs}
	user, system := u.User-before.User, u.System-before.System
	if sum := user + system; sum > 0 {
		d.User = time.Duration(float64(d.CPU) * float64(user) / float64(sum))
		d.System = d.CPU - d.User
	}
	return d
}

// number returns the number behind the line that starts with name, or 0.
func number(b []byte, name string) int64 {
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			f := bytes.Fields(rest)
			if len(f) > 0 {
				n, _ := strconv.ParseInt(string(f[0]), 10, 64)
				return n
			}
		}
	}
	return 0
}
