package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"wsgate/bench/counts"
)

// errGrew ends a check that found more than was recorded; the table has told
// what.
var errGrew = errors.New("counts have grown; when that is meant, record them: make counts-record")

func countsCommand() *cobra.Command {
	var o counts.Options
	var check, record string
	cmd := &cobra.Command{
		Use:   "counts",
		Short: "system calls and allocations of wsgate a message and an upgrade; they repeat exactly",
		Long: `counts drives wsgate one step at a time, under strace and without, and counts its
system calls and heap allocations for a message of 64 bytes and back, and for a
whole session: connect, upgrade, one message, close.

With --check it compares them with a record and fails when any has grown. Where
strace may not trace, it says so and checks the allocations only.`,
		Example: `  wsbench counts
  wsbench counts --check bench/counts/counts.json
  wsbench counts --record bench/counts/counts.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var old *counts.Record
			var err error
			if check != "" {
				if old, err = counts.Read(check); err != nil {
					return err
				}
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			o.Self = []string{self}
			o.Log = func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
			if check != "" {
				return checkCounts(cmd, o, old)
			}
			r, err := counts.Measure(cmd.Context(), o)
			if err != nil {
				return err
			}
			if r.Skipped != "" && record != "" {
				return fmt.Errorf("a record needs system calls: %s", r.Skipped)
			}
			skipped(cmd, r)
			if err := counts.WriteTable(cmd.OutOrStdout(), r.Changes(r)); err != nil || record == "" {
				return err
			}
			return r.Write(record)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Binary, "wsgate", "", "wsgate binary; built from this module when empty")
	f.StringVar(&check, "check", "", "file with the counts that must not grow")
	f.StringVar(&record, "record", "", "file to write the counts to")
	f.IntVar(&o.Messages, "messages", 60, "messages to trace")
	f.IntVar(&o.Sessions, "sessions", 25, "sessions to trace")
	f.IntVar(&o.Attempts, "attempts", 3, "with --check: measurements before a growth is believed")
	cmd.MarkFlagsMutuallyExclusive("check", "record")
	return cmd
}

// checkCounts fails when a count is larger than in old.
func checkCounts(cmd *cobra.Command, o counts.Options, old *counts.Record) error {
	r, all, err := counts.Check(cmd.Context(), o, old)
	if err != nil {
		return err
	}
	skipped(cmd, r)
	if err := counts.WriteTable(cmd.OutOrStdout(), all); err != nil {
		return err
	}
	if r.Go != old.Go {
		o.Log("recorded with %s, built now with %s", old.Go, r.Go)
	}
	switch {
	case slices.ContainsFunc(all, counts.Change.Grew):
		return errGrew
	case slices.ContainsFunc(all, counts.Change.Shrank):
		o.Log("counts have shrunk: record them, so that they stay there: make counts-record")
	}
	return nil
}

// skipped says what could not be counted.
func skipped(cmd *cobra.Command, r *counts.Record) {
	if r.Skipped != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "SKIPPED: system calls were NOT counted: %s\n", r.Skipped)
	}
}
