package build

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"wsgate/bench/spawn"
)

// Program is what is built: the gateway's main package.
const Program = "wsgate/cmd/wsgate"

// Gateway builds the gateway from the module around the folder module; empty
// means the working folder. The binary is a file of s's scratch folder called
// name. The build runs on any core, and all that it leaves outside of the scratch
// folder is Go's build cache.
func Gateway(ctx context.Context, s *spawn.Supervisor, module, name string) (binary string, err error) {
	if module, err = filepath.Abs(module); err != nil {
		return "", err
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("wsgate cannot be built here: %w; give --wsgate", err)
	}
	binary = filepath.Join(s.Dir(), name)
	p, err := s.Start(spawn.Spec{
		Path: tool, Args: []string{"build", "-trimpath", "-o", binary, Program}, Dir: module, Core: spawn.AnyCore,
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
		return "", fmt.Errorf("wsgate cannot be built in %s; run inside its module, or give --wsgate: %w: %s", module, err, p.Output())
	}
	return binary, nil
}
