package compare

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"wsgate/bench/build"
	"wsgate/bench/rivals"
	"wsgate/bench/spawn"
	"wsgate/bench/stats"
)

// Baseline is the target that is the subject at another commit.
const Baseline = "baseline"

// pairOnly has the subject measured beside its baseline and nobody else,
// unless others were asked for by name.
func (o *Options) pairOnly() {
	if o.Baseline != "" && !slices.Contains(o.Targets, rivals.Subject) {
		o.Targets = append(slices.Clone(o.Targets), rivals.Subject)
	}
}

// addBaseline builds the subject at the commit that was asked for and puts it
// behind the subject. It runs with the same configuration: a commit that
// refuses it cannot be compared.
func (h *harness) addBaseline(ctx context.Context, targets []target) (_ []target, note string, err error) {
	i := slices.IndexFunc(targets, func(t target) bool { return t.Name == rivals.Subject })
	if i < 0 {
		return nil, "", fmt.Errorf("baseline %s: there is no %s to compare it with", h.o.Baseline, rivals.Subject)
	}
	h.o.Log("building %s at %s", rivals.Subject, h.o.Baseline)
	module, commit, err := checkOut(ctx, h.sup, "", h.o.Baseline)
	if err != nil {
		return nil, "", fmt.Errorf("baseline %s: %w", h.o.Baseline, err)
	}
	t := targets[i]
	t.Name = Baseline
	if t.binary, err = build.Gateway(ctx, h.sup, module, rivals.Subject+"-"+Baseline); err != nil {
		return nil, "", fmt.Errorf("baseline %s: %w", h.o.Baseline, err)
	}
	path, _, err := h.configure(nil, t)
	if err != nil {
		return nil, "", err
	}
	if err := t.Check(ctx, t.binary, path); err != nil {
		return nil, "", fmt.Errorf("baseline %s cannot run as %s does today: %w", h.o.Baseline, rivals.Subject, err)
	}
	return slices.Insert(targets, i+1, t), fmt.Sprintf("%s is %s at %s (%s)", Baseline, rivals.Subject, h.o.Baseline, commit), nil
}

// checkOut writes the repository around the module of the folder dir, as it
// was at rev, into s's scratch folder. It returns the module in there and the
// commit's name. Nothing is written to the repository: an interrupted run has
// no worktree to prune.
func checkOut(ctx context.Context, s *spawn.Supervisor, dir, rev string) (module, commit string, err error) {
	goMod, err := ask(ctx, dir, "go", "env", "GOMOD")
	if err != nil {
		return "", "", err
	}
	if goMod == "" || goMod == os.DevNull {
		return "", "", errors.New("the working folder is in no Go module")
	}
	root := filepath.Dir(goMod)
	prefix, err := ask(ctx, root, "git", "rev-parse", "--show-prefix")
	if err != nil {
		return "", "", fmt.Errorf("%s is not a git checkout: %w", root, err)
	}
	if commit, err = ask(ctx, root, "git", "rev-parse", "--verify", "--end-of-options", rev+"^{commit}"); err != nil {
		return "", "", fmt.Errorf("git knows no such commit: %w", err)
	}
	top, err := ask(ctx, root, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return "", "", err
	}
	archive := filepath.Join(s.Dir(), Baseline+".tar")
	p, err := s.Start(spawn.Spec{Path: "git", Args: []string{"archive", "--format=tar", "--output=" + archive, commit}, Dir: top, Core: spawn.AnyCore})
	if err != nil {
		return "", "", err
	}
	defer p.Stop(0)
	select {
	case <-ctx.Done():
		return "", "", ctx.Err()
	case <-p.Done():
	}
	if err := p.Err(); err != nil {
		return "", "", fmt.Errorf("git archive: %w: %s", err, p.Output())
	}
	tree := filepath.Join(s.Dir(), Baseline)
	if err := unpack(archive, tree); err != nil {
		return "", "", fmt.Errorf("git archive: %w", err)
	}
	return filepath.Join(tree, prefix), commit, os.Remove(archive)
}

// ask returns what a command prints, without the end of the line.
func ask(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.As(err, &exit):
		return "", fmt.Errorf("%s %s: %w: %s", name, args[0], err, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSuffix(string(out), "\n"), err
}

// unpack writes the files of a tar archive below the new folder dir, and
// nothing outside of it.
func unpack(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	in := tar.NewReader(f)
	for {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = unpackOne(root, h, in)
		}
		if err != nil {
			return err
		}
	}
}

func unpackOne(root *os.Root, h *tar.Header, in io.Reader) error {
	name := filepath.Clean(h.Name)
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeSymlink:
		return root.Symlink(h.Linkname, name)
	case tar.TypeReg:
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, h.FileInfo().Mode().Perm())
		if err != nil {
			return err
		}
		_, err = io.Copy(f, in)
		return errors.Join(err, f.Close())
	}
	return nil // such as the header with the commit's name
}

// order is in which order round, counted from 0, goes through targets. With a
// baseline every other round goes backwards (A B, B A): what changes on the
// machine over time then falls on both alike.
func (o *Options) order(round int, targets []target) []int {
	order := make([]int, len(targets))
	for i := range order {
		order[i] = i
	}
	if o.Baseline != "" && round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}

// judgeBaseline compares the subject with its baseline in every judged metric.
func (sr *ScenarioResult) judgeBaseline() {
	find := func(name string) *TargetResult {
		if i := slices.IndexFunc(sr.Targets, func(t *TargetResult) bool { return t.Name == name }); i >= 0 {
			return sr.Targets[i]
		}
		return nil
	}
	if subject, baseline := find(rivals.Subject), find(Baseline); subject != nil && baseline != nil {
		sr.Baseline = judge(sr.Scenario, subject, []*TargetResult{baseline})
	}
}

// Losses are the verdicts in which the subject is worse than its baseline, in
// words.
func (r *Results) Losses() (all []string) {
	for _, s := range r.Scenarios {
		for _, v := range s.Baseline {
			if v.Outcome == stats.Loss {
				all = append(all, fmt.Sprintf("%s, %s: %.2f of %s; %s", s.Name, v.Title, v.Ratio, v.Peer, v.Why))
			}
		}
	}
	return all
}
