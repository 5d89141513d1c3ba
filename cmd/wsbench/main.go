package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"
)

// errFaults ends a command whose run was done and has faults; the report has
// told which.
var errFaults = errors.New("the run has faults")

func main() {
	// On one core too: what ends a run must not wait for a busy loop to be
	// preempted.
	runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	root := &cobra.Command{
		Use:           "wsbench",
		Short:         "measures WebSocket gateways",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(loadCommand(), backendCommand(), compareCommand(), countsCommand(), reportCommand(), scaleCommand(), scaleGuestCommand(), guardCommand())
	err := root.ExecuteContext(ctx)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "wsbench: interrupted")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "wsbench:", err)
		os.Exit(1)
	}
}
