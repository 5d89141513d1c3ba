package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wsgate/bench/account"
	"wsgate/bench/build"
	"wsgate/bench/rivals"
	"wsgate/bench/scale"
	"wsgate/bench/spawn"
	"wsgate/bench/vm"
)

// scaleFlags are what the command was told.
type scaleFlags struct {
	scale.Options
	native, machine bool
	memory          int64 // MiB, of the machine
	kernel          string
	deadline        time.Duration
	out             string
}

func scaleCommand() *cobra.Command {
	var f scaleFlags
	cmd := &cobra.Command{
		Use:   "scale",
		Short: "measures what N idle pairs cost in one wsgate; in a virtual machine where the descriptor limit asks for it",
		Example: `  wsbench scale --pairs 8000
  wsbench scale --pairs 500000 --out bench/results`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.Log = func(format string, args ...any) {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
			}
			res, err := f.run(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), res.Markdown())
			if f.out != "" {
				if err := res.Write(f.out); err != nil {
					return err
				}
				f.Log("written to %s", filepath.Join(f.out, "scale.{json,md}"))
			}
			if res.Failed() {
				return errFaults
			}
			return nil
		},
	}
	fl := cmd.Flags()
	fl.IntVar(&f.Pairs, "pairs", 200_000, "idle pairs, up to a million")
	fl.StringVar(&f.Binary, "wsgate", "", "wsgate binary; built from this module when empty")
	fl.BoolVar(&f.native, "native", false, "measure here, without a virtual machine; fails when the descriptor limit is too low")
	fl.BoolVar(&f.machine, "vm", false, "measure in a virtual machine, whatever the descriptor limit")
	fl.Int64Var(&f.memory, "memory", 0, "MiB of the virtual machine; 0 follows from the pairs")
	fl.StringVar(&f.kernel, "kernel", "", "kernel image of the virtual machine; what make bench-deps got, or /boot's, when empty")
	fl.DurationVar(&f.deadline, "deadline", 0, "for the virtual machine to be done; 0 follows from the pairs")
	fl.DurationVar(&f.Quiet, "quiet", 10*time.Second, "quiet before memory is read")
	fl.DurationVar(&f.Echo, "echo", 5*time.Second, "of messages beside the idle pairs, at each stage")
	fl.StringVar(&f.out, "out", filepath.Join("bench", "results"), "folder for scale.json and scale.md; empty writes none")
	cmd.MarkFlagsMutuallyExclusive("native", "vm")
	return cmd
}

// run measures here or in a machine.
func (f *scaleFlags) run(ctx context.Context) (res *scale.Result, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f.Self = []string{self}
	inside := f.machine || !f.native && scale.Fits(account.Here().Descriptors) < f.Pairs
	if inside {
		// Before anything is built.
		if err := f.prepareMachine(); err != nil {
			return nil, err
		}
	}
	sup, err := spawn.New([]string{self, "guard"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sup.Close()) }()
	if f.Binary == "" {
		f.Log("building wsgate")
		if f.Binary, err = build.Gateway(ctx, sup, "", rivals.Subject); err != nil {
			return nil, err
		}
	} else if f.Binary, err = filepath.Abs(f.Binary); err != nil {
		return nil, err
	} else if _, err = os.Stat(f.Binary); err != nil {
		return nil, err
	}
	if inside {
		return f.runInside(ctx, sup)
	}
	return scale.Run(ctx, sup, f.Options)
}

// Memory and time of a machine, by pairs: measured, with a margin.
const (
	guestBase    = 768 << 20 // bytes
	guestPair    = 20 << 10  // bytes
	guestStart   = 15 * time.Minute
	guestPerPair = 30 * time.Millisecond
)

// prepareMachine fills in what was not given, and sees whether it can be had.
func (f *scaleFlags) prepareMachine() (err error) {
	if f.kernel == "" {
		if f.kernel, err = vm.FindKernel(filepath.Join("bin", "kernel"), "/boot"); err != nil {
			return err
		}
	}
	if f.memory == 0 {
		f.memory = (guestBase + guestPair*int64(f.Pairs)) >> 20
	}
	if f.deadline == 0 {
		f.deadline = guestStart + time.Duration(f.Pairs)*guestPerPair
	}
	return vm.Check(f.memory << 20)
}

// guestOptions is where the guest finds its share of Options.
const guestOptions = "scale.json"

// guestOrder is what it finds there.
type guestOrder struct {
	Pairs       int
	Quiet, Echo time.Duration
}

// runInside runs the same measurement in a machine, whose command is this
// program.
func (f *scaleFlags) runInside(ctx context.Context, sup *spawn.Supervisor) (*scale.Result, error) {
	kit := f.Self[0]
	if vm.Static(kit) != nil {
		var err error
		f.Log("building wsbench for the machine")
		if kit, err = build.Command(ctx, sup, "", build.Kit, "wsbench"); err != nil {
			return nil, err
		}
	}
	if err := vm.Static(f.Binary); err != nil {
		return nil, err
	}
	order, err := json.Marshal(guestOrder{f.Pairs, f.Quiet, f.Echo})
	if err != nil {
		return nil, err
	}
	const cpus = 2
	f.Log("%d pairs need %d descriptors: booting a machine of %d MiB, %s", f.Pairs, scale.Descriptors(f.Pairs), f.memory, filepath.Base(f.kernel))
	out, err := vm.Run(ctx, sup, vm.Config{
		Kernel: f.kernel, CPUs: cpus, Memory: f.memory << 20, Descriptors: max(1<<16, 2*scale.Descriptors(f.Pairs)), Deadline: f.deadline,
		Files: []vm.File{
			{Name: "bin/wsbench", From: kit, Mode: 0o755},
			{Name: "bin/wsgate", From: f.Binary, Mode: 0o755},
			{Name: guestOptions, Data: order, Mode: 0o644},
		},
		Command: []string{"/bin/wsbench", "scale-guest"},
		Log:     func(l string) { f.Log("%s", l) },
	})
	if err != nil {
		return nil, err
	}
	res := new(scale.Result)
	if err := json.Unmarshal(out.Result, res); err != nil {
		return nil, fmt.Errorf("the machine's result: %w", err)
	}
	res.VM = &scale.VM{QEMU: vm.Version(ctx), MemoryBytes: f.memory << 20, CPUs: cpus, BootSeconds: out.BootSeconds, Host: account.Here()}
	res.CheckClock(out.Seconds - out.BootSeconds)
	return res, nil
}

// scaleGuestCommand is what the machine runs.
func scaleGuestCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "scale-guest",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			port, err := vm.Open()
			if err != nil {
				return err
			}
			defer port.Close()
			res, err := scaleInGuest(cmd.Context(), port)
			if err != nil {
				return port.Fail(err)
			}
			return port.Result(res)
		},
	}
}

func scaleInGuest(ctx context.Context, port *vm.Port) (_ []byte, err error) {
	b, err := os.ReadFile("/" + guestOptions)
	if err != nil {
		return nil, err
	}
	var order guestOrder
	if err := json.Unmarshal(b, &order); err != nil {
		return nil, err
	}
	if err := port.Log("the machine is up"); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	sup, err := spawn.New([]string{self, "guard"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sup.Close()) }()
	res, err := scale.Run(ctx, sup, scale.Options{
		Self: []string{self}, Binary: "/bin/wsgate", Pairs: order.Pairs, Quiet: order.Quiet, Echo: order.Echo,
		Log: func(format string, args ...any) { _ = port.Log(strings.TrimSpace(fmt.Sprintf(format, args...))) },
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(res)
}
