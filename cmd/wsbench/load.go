package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"wsgate/bench/load"
)

func loadCommand() *cobra.Command {
	var cfg load.Config
	var sources, sizes, histogram string
	var asJSON bool
	var secure tlsFlags
	cmd := &cobra.Command{
		Use:   "load MODE URL",
		Short: "drives a WebSocket target; MODE is echo, rate, idle, churn, down, up, fanout or storm",
		Example: `  wsbench load echo ws://127.0.0.1:8080 -c 100
  wsbench load rate ws://127.0.0.1:8080 -c 1000 --rate 10000
  wsbench load idle ws://127.0.0.1:8080 -c 9000 --source 127.0.2.1-16 --duration 1m
  wsbench load down ws://127.0.0.1:8080 -c 8 --size 65536
  wsbench load fanout ws://127.0.0.1:8080 -c 1000 --room 100
  wsbench load storm ws://127.0.0.1:8080 -c 5000 --source 127.0.2.1-16
  wsbench load echo ws://127.0.0.1:8080 --path '/slow?rate=10000'
  wsbench load churn wss://127.0.0.1:8443 --ca ca.pem --tls-version 1.3 --tls-group X25519 --resume`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			cfg.Mode, cfg.URL = load.Mode(args[0]), args[1]
			if cfg.Sources, err = load.ParseSources(sources); err != nil {
				return err
			}
			if sizes != "" {
				cfg.Size = 0
				if cfg.Sizes, err = load.ReadSizes(sizes); err != nil {
					return err
				}
			}
			if cfg.TLS, err = secure.options(cmd); err != nil {
				return err
			}
			if isTerminal(os.Stderr) {
				cfg.Progress = progressLine
			}
			rep, err := load.Run(cmd.Context(), cfg)
			if cfg.Progress != nil {
				fmt.Fprint(os.Stderr, "\r\x1b[K")
			}
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(rep)
			} else {
				err = rep.WriteText(cmd.OutOrStdout())
			}
			if err == nil && histogram != "" {
				err = writeHistogram(histogram, rep)
			}
			switch {
			case err != nil:
				return err
			case rep.Interrupted:
				return cmd.Context().Err()
			case rep.FaultCount() > 0:
				return errFaults
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVarP(&cfg.Conns, "connections", "c", 100, "connections")
	f.IntVarP(&cfg.InFlight, "in-flight", "n", 1, "messages under way a connection (echo, up)")
	f.Float64Var(&cfg.Rate, "rate", 0, "messages a second over all connections (rate), or over all rooms (fanout)")
	f.IntVar(&cfg.Size, "size", 64, "payload bytes a message; -1 means empty")
	f.StringVar(&sizes, "sizes", "", "file of payload sizes: lines of a size and its weight, # begins a comment")
	f.IntVar(&cfg.Room, "room", 0, "members of a room (fanout); default all connections")
	f.IntVar(&cfg.Storms, "storms", 0, "how often all connections drop (storm); default 3")
	f.Float64Var(&cfg.Trickle, "trickle", 0, "messages a second over all connections while they are held (idle)")
	f.DurationVar(&cfg.Warmup, "warmup", 0, "traffic before the measured time")
	f.DurationVar(&cfg.Duration, "duration", 0, "measured time, or how long to hold (idle); default 5s")
	f.DurationVar(&cfg.Timeout, "timeout", 0, "for an upgrade, for what is due at the end, for all to come back after a storm; default 10s")
	f.StringVar(&sources, "source", "", "local addresses to connect from: 127.0.2.1-16, or several with commas")
	f.IntVar(&cfg.Loops, "loops", 1, "event loops")
	f.IntVar(&cfg.Opening, "opening", 128, "connections being opened at a time")
	f.StringVar(&cfg.Path, "path", "", "path and query of the request, in place of the backend's")
	secure.register(cmd)
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	f.StringVar(&histogram, "hgrm", "", "file for the whole distribution of latencies, as HdrHistogram's plotters read it")
	cmd.MarkFlagsMutuallyExclusive("size", "sizes")
	return cmd
}

func writeHistogram(file string, rep *load.Report) error {
	var b bytes.Buffer
	if err := rep.WriteHistogram(&b); err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

func progressLine(p load.Progress) {
	fmt.Fprintf(os.Stderr, "\r\x1b[K%s: %d connections open, %s, %d faults", p.Phase, p.Open, load.Count(p.Units, p.Unit), p.Faults)
}
