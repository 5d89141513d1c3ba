package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"wsgate/cmd/wsgate/internal/certs"
	"wsgate/cmd/wsgate/internal/config"
	"wsgate/cmd/wsgate/internal/demo"
	"wsgate/cmd/wsgate/internal/server"
)

func runCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run [-c FILE]",
		Short: "Run the gateway; without a file, the demo",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return runDemo()
			}
			c, errs := config.Load(file)
			if len(errs) > 0 {
				fmt.Fprint(os.Stderr, errs.Error())
				os.Exit(1)
			}
			errs, warnings := certs.Check(c, time.Now())
			if len(errs) > 0 {
				fmt.Fprint(os.Stderr, errs.Error())
				os.Exit(1)
			}
			c.Warnings = append(c.Warnings, warnings...)
			if err := announceExtendedConnect(c.WebSocketOverH2); err != nil {
				return err
			}
			return run(c, "")
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration file")
	return cmd
}

// runDemo runs the gateway on a built-in configuration, in front of two
// backends of its own.
func runDemo() error {
	backends, err := demo.Start()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer backends.Close(context.Background())
	c, errs := config.Parse("built-in", demo.Config(backends.Addresses()))
	if len(errs) > 0 {
		return fmt.Errorf("demo: %w", errs)
	}
	c.Warnings = nil // the greeting says it
	return run(c, "Open http://127.0.0.1:8080/ in two browser tabs and chat, or https://127.0.0.1:8443/, whose certificate was made just now and signs itself; metrics are on http://127.0.0.1:9901/metrics. Ctrl-C drains and ends.")
}

// run serves until a signal ends it.
func run(c *config.Config, greeting string) error {
	logger := log.New(os.Stderr, "", log.LstdFlags|log.LUTC|log.Lmicroseconds)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	for _, w := range c.Warnings {
		logger.Printf("warning: %v", w.Error())
	}
	s, err := server.Start(c, server.Options{Version: buildVersion(), Logf: logger.Printf})
	if err != nil {
		return err
	}
	listeners, admin := s.Addrs()
	if admin == "" {
		admin = "off"
	}
	logger.Printf("Ready version=%s listening=%s admin=%s", buildVersion(), strings.Join(listeners, ","), admin)
	if greeting != "" {
		fmt.Fprintln(os.Stderr, greeting)
	}
	return serve(c, s, signals, logger)
}

// serve handles signals until one of them ends the process.
func serve(c *config.Config, s *server.Server, signals <-chan os.Signal, logger *log.Logger) error {
	for sig := range signals {
		switch sig {
		case syscall.SIGHUP:
			changed, failed := s.ReloadFiles()
			logger.Printf("SIGHUP: %d certificate files taken over, %d could not be and were left as they were; reloading the configuration is not available yet", changed, failed)
		case syscall.SIGUSR2:
			logger.Printf("SIGUSR2: binary upgrade is not available yet; nothing has changed")
		case syscall.SIGUSR1:
			if err := s.Reopen(); err != nil {
				logger.Printf("SIGUSR1: reopening the access log: %v; the old file stays in use", err)
				continue
			}
			logger.Printf("SIGUSR1: logs reopened")
		default:
			logger.Printf("%v: draining for at most %v; a second signal ends at once", sig, c.Timeouts.Drain)
			return drain(c, s, signals, logger)
		}
	}
	return nil
}

// drain stops the server; a second SIGTERM or SIGINT cuts it short.
func drain(c *config.Config, s *server.Server, signals <-chan os.Signal, logger *log.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeouts.Drain)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Stop(ctx) }()
	for {
		select {
		case err := <-done:
			switch {
			case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
				logger.Printf("stopped; sessions that had not closed in time were ended")
			case err != nil:
				logger.Printf("stopped: %v", err)
			default:
				logger.Printf("stopped; every session has closed")
			}
			return nil
		case sig := <-signals:
			if sig == syscall.SIGTERM || sig == syscall.SIGINT {
				logger.Printf("%v again: ending at once", sig)
				cancel()
			}
		}
	}
}
