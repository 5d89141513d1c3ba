package compare

import (
	"archive/tar"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wsgate/bench/rivals"
	"wsgate/bench/spawn"
	"wsgate/bench/stats"
)

// TestMain is the guard when a supervisor starts it.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "guard" {
		if spawn.Guard(os.Stdin) != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func supervisor(t *testing.T) *spawn.Supervisor {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := spawn.New([]string{self, "guard"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// repository makes a git repository with a module in its folder "in", whose
// file "f" says "old" in the first commit and "new" in the second.
func repository(t *testing.T) (module string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip(err)
	}
	top := t.TempDir()
	module = filepath.Join(top, "in")
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Dir = top
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(module, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(module, 0o755); err != nil {
		t.Fatal(err)
	}
	git("init", "-q")
	write("go.mod", "module x\n\ngo 1.26\n")
	for _, text := range []string{"old", "new"} {
		write("f", text)
		git("add", ".")
		git("commit", "-q", "-m", text)
	}
	write("f", "not committed")
	return module
}

func TestCheckOut(t *testing.T) {
	dir := repository(t)
	for rev, want := range map[string]string{"HEAD": "new", "HEAD~1": "old"} {
		module, commit, err := checkOut(t.Context(), supervisor(t), dir, rev)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(module, "f")); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", rev, b, err)
		}
		if len(commit) != 40 {
			t.Errorf("%s: commit %q", rev, commit)
		}
	}
}

func TestCheckOutOfWhatIsNotThere(t *testing.T) {
	dir := repository(t)
	bare := t.TempDir() // a module, and no repository
	if err := os.WriteFile(filepath.Join(bare, "go.mod"), []byte("module x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ dir, rev, says string }{
		{dir, "nowhere", "no such commit"},
		{dir, "--all", "no such commit"},
		{dir, "HEAD:in/f", "no such commit"},
		{bare, "HEAD", "not a git checkout"},
		{t.TempDir(), "HEAD", "in no Go module"},
	} {
		s := supervisor(t)
		if _, _, err := checkOut(t.Context(), s, tt.dir, tt.rev); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s in %s: %v", tt.rev, tt.dir, err)
		}
		if files, _ := os.ReadDir(s.Dir()); len(files) != 0 {
			t.Errorf("%s: %v", tt.rev, files)
		}
	}
}

func TestUnpackStaysInside(t *testing.T) {
	for _, h := range []tar.Header{
		{Name: "../out", Typeflag: tar.TypeReg, Size: 1, Mode: 0o644},
		{Name: "/out", Typeflag: tar.TypeReg, Size: 1, Mode: 0o644},
		{Name: "link/out", Typeflag: tar.TypeReg, Size: 1, Mode: 0o644},
	} {
		dir := t.TempDir()
		f, err := os.Create(filepath.Join(dir, "a.tar"))
		if err != nil {
			t.Fatal(err)
		}
		w := tar.NewWriter(f)
		for _, err := range []error{
			w.WriteHeader(&tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: dir}),
			w.WriteHeader(&h),
			func() error { _, err := w.Write([]byte("x")); return err }(),
			w.Close(), f.Close(),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := unpack(f.Name(), filepath.Join(dir, "tree")); err == nil {
			t.Errorf("%s was unpacked", h.Name)
		}
		if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
			t.Errorf("%s is outside", h.Name)
		}
	}
}

func TestBaselineLeavesPeersOut(t *testing.T) {
	for _, tt := range []struct {
		baseline string
		targets  []string
		want     string
	}{
		{"", nil, "[]"},
		{"", []string{"nginx"}, "[nginx]"},
		{"HEAD", nil, "[wsgate]"},
		{"HEAD", []string{"wsgate"}, "[wsgate]"},
		{"HEAD", []string{"nginx"}, "[nginx wsgate]"},
	} {
		o := Options{Baseline: tt.baseline, Targets: tt.targets}
		if o.pairOnly(); fmt.Sprint(o.Targets) != tt.want {
			t.Errorf("%q, %v: %v", tt.baseline, tt.targets, o.Targets)
		}
	}
}

func TestOrder(t *testing.T) {
	targets := make([]target, 3)
	for round, want := range [][]int{{0, 1, 2}, {2, 1, 0}, {0, 1, 2}, {2, 1, 0}} {
		if got := (&Options{Baseline: "HEAD"}).order(round, targets); !slices.Equal(got, want) {
			t.Errorf("round %d: %v", round, got)
		}
		if got := (&Options{}).order(round, targets); !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("round %d without a baseline: %v", round, got)
		}
	}
}

func TestBaselineVerdicts(t *testing.T) {
	now := runs(rivals.Subject, v(9, 500, 900), v(9.1, 505, 905))
	before := runs(Baseline, v(7, 500, 1900), v(7.1, 505, 1905))
	r := results(t, "echo", now, before, runs("nginx", v(12, 500, 900), v(12.1, 505, 905)))
	outcomes := map[string]stats.Outcome{}
	for _, v := range r.Scenarios[0].Baseline {
		if v.Peer != Baseline {
			t.Errorf("%+v", v)
		}
		outcomes[v.Metric] = v.Outcome
	}
	want := map[string]stats.Outcome{"cpu_us": stats.Loss, "per_second": stats.Loss, "p50_us": stats.Undecided, "p99_us": stats.Win}
	for metric, o := range want {
		if outcomes[metric] != o {
			t.Errorf("%s is %s, want %s", metric, outcomes[metric], o)
		}
	}
	// The baseline is no peer: nginx is what the subject is better than.
	if got := verdict(t, r, "cpu_us"); got.Peer != "nginx" || got.Outcome != stats.Win {
		t.Errorf("%+v", got)
	}
	if l := r.Losses(); len(l) != 2 || !strings.Contains(strings.Join(l, "\n"), "gateway CPU us: 1.28 of baseline") {
		t.Errorf("%q", l)
	}
	md, err := r.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"- **loss**, gateway CPU us: 1.28 of baseline;", "- **win**, gateway CPU us: 0.75 of nginx;"} {
		if !strings.Contains(md, want) {
			t.Errorf("no %q in\n%s", want, md)
		}
	}
}

func TestNoBaselineVerdictsWithoutOne(t *testing.T) {
	r := results(t, "echo", runs(rivals.Subject, v(9, 1, 1), v(9, 1, 1)), runs("nginx", v(8, 1, 1), v(8, 1, 1)))
	if len(r.Scenarios[0].Baseline) != 0 || len(r.Losses()) != 0 {
		t.Fatalf("%+v", r.Scenarios[0].Baseline)
	}
}
