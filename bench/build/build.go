package build

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"wsgate/bench/spawn"
)

// Programs are main packages of the module.
const (
	Program = "wsgate/cmd/wsgate"  // the gateway
	Kit     = "wsgate/cmd/wsbench" // the kit's own command
)

// Gateway builds the gateway from the module around the folder module; empty
// means the working folder. The binary is a file of s's scratch folder called
// name. The build runs on any core, and all that it leaves outside of the scratch
// folder is Go's build cache.
func Gateway(ctx context.Context, s *spawn.Supervisor, module, name string) (binary string, err error) {
	if binary, err = Command(ctx, s, module, Program, name); err != nil && ctx.Err() == nil {
		return "", fmt.Errorf("%w; run inside wsgate's module, or give --wsgate", err)
	}
	return binary, err
}

// Command builds one of the Programs as Gateway does. The binary is static.
func Command(ctx context.Context, s *spawn.Supervisor, module, program, name string) (binary string, err error) {
	if module, err = filepath.Abs(module); err != nil {
		return "", err
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("%s cannot be built here: %w", program, err)
	}
	binary = filepath.Join(s.Dir(), name)
	p, err := s.Start(spawn.Spec{
		Path: tool, Args: []string{"build", "-trimpath", "-o", binary, program}, Dir: module, Core: spawn.AnyCore,
		Env: []string{"CGO_ENABLED=0", "GOTMPDIR=" + s.Dir()},
	})
	if err != nil {
		return "", err
	}
	defer p.Stop(0)
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-p.Done():
	}
	if err := p.Err(); err != nil {
		return "", fmt.Errorf("%s cannot be built in %s: %w: %s", program, module, err, p.Output())
	}
	return binary, nil
}
