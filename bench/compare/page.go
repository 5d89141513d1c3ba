package compare

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// The files of a results folder, beside the charts.
const (
	numbersFile = "latest.json"
	pageFile    = "latest.md"
	scaleFile   = "scale.json"
)

// Load reads what Write wrote into the folder dir, and what was found about
// scale where scale.json is there.
func Load(dir string) (*Results, error) {
	b, err := os.ReadFile(filepath.Join(dir, numbersFile))
	if err != nil {
		return nil, err
	}
	var r Results
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, numbersFile), err)
	}
	if r.Scale, err = readScale(filepath.Join(dir, scaleFile)); err != nil {
		return nil, err
	}
	return &r, nil
}

// Write writes latest.json and the page into the folder dir. A run of scale
// that the folder holds becomes part of r.
func (r *Results) Write(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if r.Scale, err = readScale(filepath.Join(dir, scaleFile)); err != nil {
		return err
	}
	var js bytes.Buffer
	enc := json.NewEncoder(&js)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return err
	}
	if err := replace(filepath.Join(dir, numbersFile), js.Bytes()); err != nil {
		return err
	}
	return r.WritePage(dir)
}

// WritePage writes latest.md and its charts into the folder dir, and removes
// charts that r has no numbers for. Each file is complete or left as it was.
func (r *Results) WritePage(dir string) error {
	drawn, err := r.Charts()
	if err != nil {
		return err
	}
	old := map[string]bool{}
	for _, d := range drawings {
		old[d.file] = true
	}
	for _, c := range drawn {
		if err := replace(filepath.Join(dir, c.File), c.SVG); err != nil {
			return err
		}
		delete(old, c.File)
	}
	page, err := r.Markdown()
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(dir, pageFile), []byte(page)); err != nil {
		return err
	}
	for file := range old {
		if err := os.Remove(filepath.Join(dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// replace writes b to path; the file is complete or as it was.
func replace(path string, b []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		os.Remove(tmp)
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}

// Section is r in short: how it was measured, the summary, the charts. folder
// is where the charts are, as seen from the page that shows the section.
func (r *Results) Section(folder string) (string, error) {
	drawn, err := r.Charts()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	s := r.Settings
	line("%s.", r.place())
	line("Medians of %d rounds of %v s (idle: %d, after %v s of quiet); CPU is the gateway's, user and system. Beside a peer's number stands", s.Rounds, s.Duration, s.IdleRounds, s.Quiet)
	line("the configuration that it is of, where that is not the first. In the last column less than 1 is less than the best peer; *undecided* is a")
	line("difference no larger than the spread between rounds, or less CPU that was paid for with latency.")
	line("")
	b.WriteString(r.Summary())
	if r.Scale != nil && len(r.Scale.Stages) > 0 {
		line("")
		r.Scale.table(line)
	}
	for _, c := range drawn {
		line("")
		line("![%s](%s)", c.Alt, path.Join(folder, c.File))
	}
	return b.String(), nil
}

// place is when, on what and under what r was measured.
func (r *Results) place() string {
	m := r.Machine
	kind := "machine"
	if m.Virtual {
		kind = "virtual machine"
	}
	return fmt.Sprintf("%s, %s with %d cores (%s), %.0f GiB, %s, kernel %s, %s", r.Time.Format("2006-01-02 15:04 UTC"), kind, m.Cores, m.CPU, float64(m.MemoryBytes)/(1<<30), m.System, m.Kernel, m.Go)
}

// The lines between which a page shows a section.
const (
	beginMark = "<!-- bench/results: begin -->\n"
	endMark   = "<!-- bench/results: end -->\n"
)

// Embed returns page with section between its two marks, in place of what
// stood there.
func Embed(page, section string) (string, error) {
	before, rest, ok := strings.Cut(page, beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return "", fmt.Errorf("the page has no lines %q and %q", strings.TrimSpace(beginMark), strings.TrimSpace(endMark))
	}
	return before + beginMark + section + endMark + after, nil
}

// EmbedFile writes the section of r into the page at path; folder is where the
// charts are, as seen from it. The page is complete or as it was.
func (r *Results) EmbedFile(path, folder string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	section, err := r.Section(folder)
	if err != nil {
		return err
	}
	embedded, err := Embed(string(page), section)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return replace(path, []byte(embedded))
}
