package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wsgate/bench/compare"
	"wsgate/bench/spawn"
)

func compareCommand() *cobra.Command {
	var o compare.Options
	var out string
	var failOnLoss bool
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "measures wsgate beside nginx and HAProxy; about ten minutes",
		Example: `  wsbench compare
  wsbench compare --scenarios echo,churn --rounds 5 --duration 5s
  wsbench compare --targets nginx,haproxy --wsgate ./wsgate
  wsbench compare --baseline HEAD~1 --scenarios echo,churn --rounds 7 --fail-on-loss`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			o.Self = []string{self}
			if o.Baseline != "" && !cmd.Flags().Changed("out") {
				out = "" // the folder has the comparison with the peers
			}
			o.Log = func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
			if o.Binary, err = existing(o.Binary); err != nil {
				return err
			}
			res, err := compare.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if out != "" {
				if err := res.Write(out); err != nil {
					return err
				}
				o.Log("written to %s, with charts; wsbench report shows them in the README", filepath.Join(out, "latest.{json,md}"))
			}
			page, err := res.Markdown()
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), page)
			if n := res.Failed(); n > 0 {
				return fmt.Errorf("%d runs failed", n)
			}
			if l := res.Losses(); failOnLoss && len(l) > 0 {
				return fmt.Errorf("worse than at %s:\n%s", o.Baseline, strings.Join(l, "\n"))
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Binary, "wsgate", "", "wsgate binary; built from this module when empty")
	f.StringSliceVar(&o.Targets, "targets", nil, "targets: direct, wsgate, nginx, nginx-16k, haproxy, haproxy-splice; all when empty")
	f.StringSliceVar(&o.Scenarios, "scenarios", nil, fmt.Sprintf("scenarios, or %q; when empty: %s", compare.Full, strings.Join(compare.Quick, ", ")))
	f.StringVar(&o.Baseline, "baseline", "", "git revision: measures wsgate beside itself at that commit, without the peers unless --targets has them; writes no files unless --out is given")
	f.BoolVar(&failOnLoss, "fail-on-loss", false, "with --baseline: exit 1 when wsgate has become worse in any metric that is judged; give it 7 rounds or more, of 3 the spread is too easily small by chance")
	f.IntVar(&o.Rounds, "rounds", 3, "rounds")
	f.IntVar(&o.IdleRounds, "idle-rounds", 2, "rounds of the idle scenario")
	f.DurationVar(&o.Duration, "duration", 2*time.Second, "measured time of a run")
	f.DurationVar(&o.Warmup, "warmup", 500*time.Millisecond, "traffic before the measured time")
	f.DurationVar(&o.Quiet, "quiet", 10*time.Second, "quiet before memory is read")
	f.IntVar(&o.Pairs, "pairs", 5000, "idle sessions")
	f.IntVar(&o.GatewayCore, "gateway-core", 1, "core of the gateway")
	f.IntVar(&o.KitCore, "kit-core", 0, "core of everything else")
	f.StringVar(&out, "out", filepath.Join("bench", "results"), "folder for latest.json, latest.md and charts; empty writes none")
	return cmd
}

// existing is the path of a file, made absolute: a benchmark's processes have
// a working folder of their own. Empty stays empty.
func existing(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	if _, err := os.Stat(file); err != nil {
		return "", err
	}
	return filepath.Abs(file)
}

// guardCommand is the process that cleans up after a comparison that was
// killed; see package spawn.
func guardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "guard",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(*cobra.Command, []string) error { return spawn.Guard(os.Stdin) },
	}
}
