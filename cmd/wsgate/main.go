package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"wsgate/cmd/wsgate/internal/certs"
	"wsgate/cmd/wsgate/internal/config"
)

// version is stamped by the linker (see the Makefile).
var version = "unstamped"

func main() {
	if err := command().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "wsgate:", err)
		os.Exit(1)
	}
}

// command builds the command line. cobra is the de facto standard for it
// (Kubernetes, Hugo, GitHub's own); it brings usage, help and completion.
func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "wsgate",
		Short:         "WebSocket gateway",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(runCommand(), checkCommand(), versionCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "wsgate %s %s %s/%s\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

// buildVersion falls back to what the module was built from.
func buildVersion() string {
	if version != "unstamped" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return version
}

func checkCommand() *cobra.Command {
	var file string
	var show bool
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Check a configuration and print every error in it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, errs := config.Load(file)
			if len(errs) > 0 {
				fmt.Fprint(cmd.ErrOrStderr(), errs.Error())
				os.Exit(1)
			}
			errs, warnings := certs.Check(c, time.Now())
			if len(errs) > 0 {
				fmt.Fprint(cmd.ErrOrStderr(), errs.Error())
				os.Exit(1)
			}
			c.Warnings = append(c.Warnings, warnings...)
			for _, w := range c.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w.Error())
			}
			if show {
				config.Print(cmd.OutOrStdout(), c)
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", file)
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration file")
	cmd.Flags().BoolVarP(&show, "print", "p", false, "print the effective configuration, defaults included")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}
