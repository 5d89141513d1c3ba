package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What stands between the peers of a test.
const (
	targetGateway = "wsgate"
	targetNginx   = "nginx"
	targetDirect  = "direct"
)

var (
	binary string // the built wsgate
	target = targetGateway
	race   = os.Getenv("WSGATE_E2E_RACE") == "1"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if t := os.Getenv("WSGATE_E2E_TARGET"); t != "" {
		target = t
	}
	// Most tests wait for sockets, so more of them than CPUs run at a time.
	if !flagSet("test.parallel") {
		_ = flag.Set("test.parallel", "6")
	}
	dir, err := os.MkdirTemp("", "wsgate-e2e-")
	if err == nil {
		err = prepare(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func flagSet(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// prepare sees to everything that the tests start.
func prepare(dir string) error {
	if err := missingPrograms(); err != nil {
		return err
	}
	if err := nodeModules(); err != nil {
		return err
	}
	if target != targetGateway {
		return nil
	}
	if binary = os.Getenv("WSGATE_E2E_BINARY"); binary != "" {
		return nil
	}
	binary = filepath.Join(dir, "wsgate")
	args := []string{"build", "-o", binary}
	if race {
		args = append(args, "-race")
	}
	return command(5*time.Minute, "go", append(args, "wsgate/cmd/wsgate")...)
}

// missingPrograms installs what is not there, with deps.sh.
func missingPrograms() error {
	programs := []string{"node", "npm", "curl", "chromium"}
	args := []string{"deps.sh"}
	if target == targetNginx {
		programs, args = append(programs, "nginx"), append(args, "nginx")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return command(10*time.Minute, "sh", args...)
		}
	}
	return nil
}

// nodeModules runs npm ci when the installed modules are not those of
// package-lock.json. npm writes node_modules/.package-lock.json last, so a
// newer one there means a finished installation.
func nodeModules() error {
	lock, err := os.Stat("package-lock.json")
	if err != nil {
		return err
	}
	done, err := os.Stat("node_modules/.package-lock.json")
	if err == nil && !done.ModTime().Before(lock.ModTime()) {
		return nil
	}
	if err := command(5*time.Minute, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"); err != nil {
		return err
	}
	now := time.Now()
	return os.Chtimes("node_modules/.package-lock.json", now, now)
}

// command runs a program to its end; its output is part of the error.
func command(limit time.Duration, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out.String())
	}
	return nil
}
