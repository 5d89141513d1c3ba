package counts

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"golang.org/x/sys/unix"

	"wsgate/bench/account"
	"wsgate/bench/spawn"
)

//go:embed wsgate.yaml
var configuration string

// gateway is a gateway under way, with the backend that it leads to.
type gateway struct {
	proc    *spawn.Process
	backend *net.TCPListener
	addr    netip.AddrPort
	admin   netip.AddrPort
	trace   *trace // nil: not traced
	tasks   string // its threads in /proc, when traced
	log     tally
}

// stepLimit is how long a gateway may take for any one thing, on a machine as
// busy as it may be.
const stepLimit = 30 * time.Second

// start starts binary, under strace when traced is set, on one core: its
// runtime then runs one thread at a time, as in the comparison.
func start(ctx context.Context, sup *spawn.Supervisor, binary string, traced bool) (g *gateway, err error) {
	g = &gateway{}
	defer func() {
		if err != nil {
			g.stop()
		}
	}()
	if g.backend, err = net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 3, 1)}); err != nil {
		return g, err
	}
	dir, err := os.MkdirTemp(sup.Dir(), "counts-")
	if err != nil {
		return g, err
	}
	conf := filepath.Join(dir, "wsgate.yaml")
	if err := g.configure(conf); err != nil {
		return g, err
	}
	core, err := lastCore()
	if err != nil {
		return g, err
	}
	ready := make(chan string, 1)
	spec := spawn.Spec{Path: binary, Args: []string{"run", "-c", conf}, Dir: dir, Core: core, Line: func(l string) {
		if strings.Contains(l, " Ready ") {
			select {
			case ready <- l:
			default:
			}
		}
	}}
	out := filepath.Join(dir, "trace")
	if traced {
		strace := []string{"-f", "--seccomp-bpf", "-yy", "-s", "0", "-e", "signal=none", "-e", "trace=!" + strings.Join(Noise, ",?"), "-o", out, "--", binary}
		spec.Path, spec.Args = "strace", append(strace, spec.Args...)
	}
	if g.proc, err = sup.Start(spec); err != nil {
		return g, err
	}
	if err := g.ready(ctx, ready); err != nil {
		return g, fmt.Errorf("%w: %s", err, g.proc.Output())
	}
	if !traced {
		return g, nil
	}
	if g.trace, err = newTrace(out, g.addr.String(), g.backend.Addr().String()); err != nil {
		return g, err
	}
	return g, g.findTasks()
}

func (g *gateway) configure(path string) error {
	t, err := template.New("").Option("missingkey=error").Parse(configuration)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = t.Execute(f, map[string]any{"Listen": "127.0.1.1:0", "Admin": "127.0.1.1:0", "Backend": g.backend.Addr()})
	return errors.Join(err, f.Close())
}

// lastCore is the last core that this process may use.
func lastCore() (core int, err error) {
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return 0, fmt.Errorf("sched_getaffinity: %w", err)
	}
	for i := range len(may) * 64 {
		if may.IsSet(i) {
			core = i
		}
	}
	return core, nil
}

var listening = regexp.MustCompile(`listening=(\S+) admin=(\S+)`)

// ready waits for the line that names the gateway's addresses.
func (g *gateway) ready(ctx context.Context, line <-chan string) (err error) {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-g.proc.Done():
		return errors.New("the gateway ended before it was ready")
	case <-time.After(stepLimit):
		return fmt.Errorf("the gateway is not ready after %v", stepLimit)
	case l := <-line:
		m := listening.FindStringSubmatch(l)
		if m == nil {
			return fmt.Errorf("no addresses in %q", l)
		}
		if g.addr, err = netip.ParseAddrPort(m[1]); err != nil {
			return fmt.Errorf("address in %q: %w", l, err)
		}
		if g.admin, err = netip.ParseAddrPort(m[2]); err != nil {
			return fmt.Errorf("admin address in %q: %w", l, err)
		}
		return nil
	}
}

func (g *gateway) stop() {
	if g.proc != nil {
		g.proc.Stop(3 * time.Second)
	}
	if g.backend != nil {
		g.backend.Close()
	}
	if g.trace != nil {
		g.trace.close()
	}
}

// Quiet is told from a pause by looking several times.
const (
	looks   = 3
	between = 200 * time.Microsecond
)

// settle waits until every thread of the gateway sleeps and its trace has not
// grown between several looks: it has done all that follows from what was sent
// to it. Then it files what the gateway called since the last time under the
// name of the step that is done. A gateway that is not traced is left alone.
func (g *gateway) settle(ctx context.Context, step string) error {
	if g.trace == nil {
		return nil
	}
	deadline := time.Now().Add(stepLimit)
	size := int64(-1)
	for quiet := 0; quiet < looks; {
		asleep, err := g.asleep()
		if err != nil {
			return err
		}
		st, err := g.trace.f.Stat()
		if err != nil {
			return err
		}
		if quiet++; !asleep || st.Size() != size {
			quiet = 0
		}
		size = st.Size()
		if time.Now().After(deadline) {
			return fmt.Errorf("the gateway is not quiet after %v", stepLimit)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(between)
	}
	done, err := g.trace.take()
	g.log.add(step, done)
	return err
}

// asleep reports whether every thread of the gateway sleeps. One that strace
// has stopped does not.
func (g *gateway) asleep() (bool, error) {
	tasks, err := os.ReadDir(g.tasks)
	if err != nil {
		return false, fmt.Errorf("the gateway has ended: %w: %s", err, g.proc.Output())
	}
	for _, t := range tasks {
		b, err := os.ReadFile(filepath.Join(g.tasks, t.Name(), "stat"))
		if err != nil {
			return false, nil // the thread has ended
		}
		// The name in parentheses, then the state.
		if i := bytes.LastIndexByte(b, ')'); i < 0 || !bytes.HasPrefix(b[i:], []byte(") S")) {
			return false, nil
		}
	}
	return true, nil
}

// findTasks finds the gateway among the processes of its group, of which strace
// is the other.
func (g *gateway) findTasks() error {
	pids, err := account.Members(g.proc.Group())
	if err != nil {
		return err
	}
	pids = slices.DeleteFunc(pids, func(pid int) bool { return pid == g.proc.Group() })
	if len(pids) != 1 {
		return fmt.Errorf("strace has %d processes to trace: %s", len(pids), g.proc.Output())
	}
	g.tasks = "/proc/" + strconv.Itoa(pids[0]) + "/task"
	return nil
}
