package vm

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"wsgate/bench/spawn"
)

// Config is one machine.
type Config struct {
	Kernel      string // image
	CPUs        int    // default 2
	Memory      int64  // bytes, rounded down to MiB
	Descriptors int    // limit of a process in the guest
	Files       []File // beside busybox and init
	Command     []string
	// Boot is how long the machine may take to the command's first frame,
	// Deadline how long in all. Defaults: 3 minutes, an hour.
	Boot, Deadline time.Duration
	// Log is called with each line of the command's, one at a time.
	Log func(string)
}

// Outcome is what a machine left.
type Outcome struct {
	Result      []byte
	BootSeconds float64 // until the command's first frame
	Seconds     float64 // until its last
}

//go:embed init.sh
var initScript string

// Run starts a machine and returns what its command sends as the result. The
// machine has ended when Run returns.
func Run(ctx context.Context, sup *spawn.Supervisor, c Config) (*Outcome, error) {
	if c.CPUs == 0 {
		c.CPUs = 2
	}
	if c.Boot == 0 {
		c.Boot = 3 * time.Minute
	}
	if c.Deadline == 0 {
		c.Deadline = time.Hour
	}
	if err := Check(c.Memory); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(sup.Dir(), "vm-")
	if err != nil {
		return nil, err
	}
	m := machine{c: c, dir: dir, first: make(chan struct{}), done: make(chan struct{}), started: time.Now()}
	m.in.log = c.Log
	if err := m.writeInitramfs(); err != nil {
		return nil, err
	}
	p, err := sup.Start(spawn.Spec{Path: qemuProgram, Args: m.args(), Core: spawn.AnyCore, Line: m.line})
	if err != nil {
		return nil, err
	}
	err = m.wait(ctx, p)
	p.Stop(0)
	if err != nil {
		return nil, fmt.Errorf("virtual machine: %w", err)
	}
	return &Outcome{
		Result:      m.in.result,
		BootSeconds: m.booted.Sub(m.started).Seconds(), Seconds: m.ended.Sub(m.started).Seconds(),
	}, nil
}

// machine is one under way.
type machine struct {
	c       Config
	dir     string
	started time.Time

	// These belong to line until done is closed, or the process has ended.
	in     receiver
	booted time.Time
	ended  time.Time
	first  chan struct{} // closed with the first frame
	done   chan struct{} // closed with the result, or an error
}

func (m *machine) line(s string) {
	if m.in.done {
		return
	}
	if m.in.line(s); m.in.seq > 0 && m.booted.IsZero() {
		m.booted = time.Now()
		close(m.first)
	}
	if m.in.done {
		m.ended = time.Now()
		close(m.done)
	}
}

// wait returns when there is a result, or why there is none.
func (m *machine) wait(ctx context.Context, p *spawn.Process) error {
	boot := time.NewTimer(m.c.Boot)
	defer boot.Stop()
	deadline := time.NewTimer(m.c.Deadline)
	defer deadline.Stop()
	first := m.first
	for {
		select {
		case <-first:
			first = nil
			boot.Stop()
		case <-m.done:
			return m.in.err
		case <-ctx.Done():
			return ctx.Err()
		case <-boot.C:
			return fmt.Errorf("nothing came from the command within %v: %s", m.c.Boot, m.said(p))
		case <-deadline.C:
			return fmt.Errorf("not done within %v: %s", m.c.Deadline, m.said(p))
		case <-p.Done():
			select {
			case <-m.done:
				return m.in.err
			default:
				return fmt.Errorf("it ended without a result: %s", m.said(p))
			}
		}
	}
}

// said is the end of what QEMU and the guest's console have to say.
func (m *machine) said(p *spawn.Process) string {
	const end = 2 << 10
	b, _ := os.ReadFile(m.console())
	var qemu []string
	for l := range strings.Lines(p.Output()) {
		if !strings.HasPrefix(l, mark) {
			qemu = append(qemu, strings.TrimSpace(l))
		}
	}
	return fmt.Sprintf("QEMU: %q, console: %q", strings.Join(qemu, "\n"), bytes.TrimSpace(b[max(0, len(b)-end):]))
}

func (m *machine) console() string   { return filepath.Join(m.dir, "console") }
func (m *machine) initramfs() string { return filepath.Join(m.dir, "initramfs") }

// writeInitramfs writes the guest's root: busybox, init and the files.
func (m *machine) writeInitramfs() (err error) {
	t, err := template.New("init.sh").Parse(initScript)
	if err != nil {
		return err
	}
	var script bytes.Buffer
	err = t.Execute(&script, map[string]any{"Descriptors": m.c.Descriptors, "Device": Device, "Command": quote(m.c.Command)})
	if err != nil {
		return err
	}
	f, err := os.Create(m.initramfs())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return WriteInitramfs(f, append([]File{
		{Name: "bin/busybox", From: busybox, Mode: 0o755},
		{Name: "init", Data: script.Bytes(), Mode: 0o755},
	}, m.c.Files...))
}

// quote makes one line for a shell of argv.
func quote(argv []string) string {
	var words []string
	for _, a := range argv {
		words = append(words, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(words, " ")
}

// args is QEMU's command line. The guest's kernel defends nobody against
// speculation: an emulated processor has none. It reads the time from the
// emulated counter, which QEMU keeps monotonic over all processors; by itself
// it would find the counters apart, as slowly as they are looked at, and turn
// to a clock that every look at leaves the emulation for.
func (m *machine) args() []string {
	return []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-nic", "none",
		// KVM inside a virtual machine hangs often enough that emulation is
		// the only one to rely on.
		"-machine", "pc", "-accel", "tcg,thread=multi,tb-size=256",
		"-cpu", "max,la57=off", // five levels of page tables only cost time
		"-smp", strconv.Itoa(m.c.CPUs), "-m", strconv.FormatInt(m.c.Memory>>20, 10) + "M",
		"-no-reboot", // a panic is the end
		"-kernel", m.c.Kernel, "-initrd", m.initramfs(), "-append", "console=ttyS0 panic=-1 quiet mitigations=off tsc=reliable clocksource=tsc",
		"-serial", "file:" + m.console(),
		"-chardev", "stdio,id=frames,signal=off", "-serial", "chardev:frames",
	}
}
