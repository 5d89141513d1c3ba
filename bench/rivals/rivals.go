package rivals

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/template"
	"time"
)

//go:embed nginx.conf haproxy.cfg wsgate.yaml
var files embed.FS

// Subject is the name of the gateway that the others are compared with.
const Subject = "wsgate"

// Gateway is one configuration of one program.
type Gateway struct {
	Name    string
	Program string   // looked up in PATH, but for the subject, which is built
	File    string   // of this folder
	Version []string // arguments that make the program print its version
	args    []string // in front of the configuration's path
	check   []string // the same, to judge the configuration and end
	Bulk    bool     // a variant for large frames, left out elsewhere by default

	splice bool // option splice-auto, of HAProxy
	buffer string
}

var gateways = []Gateway{
	wsgate(Subject),
	nginx("nginx", "4k"),
	variant(nginx("nginx-16k", "16k")),
	haproxy("haproxy", false),
	variant(haproxy("haproxy-splice", true)),
}

func wsgate(name string) Gateway {
	return Gateway{
		Name: name, Program: Subject, File: "wsgate.yaml", Version: []string{"version"},
		args: []string{"run", "-c"}, check: []string{"check", "-c"},
	}
}

func nginx(name, buffer string) Gateway {
	return Gateway{
		Name: name, Program: "nginx", File: "nginx.conf", Version: []string{"-v"},
		args: []string{"-e", "stderr", "-c"}, check: []string{"-e", "stderr", "-t", "-c"}, buffer: buffer,
	}
}

func haproxy(name string, splice bool) Gateway {
	return Gateway{
		Name: name, Program: "haproxy", File: "haproxy.cfg", Version: []string{"-v"},
		args: []string{"-db", "-f"}, check: []string{"-c", "-f"}, splice: splice,
	}
}

// variant is g as one for bulk only.
func variant(g Gateway) Gateway {
	g.Bulk = true
	return g
}

// All returns the gateways, the subject first.
func All() []Gateway { return slices.Clone(gateways) }

// Find returns the gateway called name.
func Find(name string) (Gateway, bool) {
	i := slices.IndexFunc(gateways, func(g Gateway) bool { return g.Name == name })
	if i < 0 {
		return Gateway{}, false
	}
	return gateways[i], true
}

// Settings are what the templates are filled with.
type Settings struct {
	Listen   netip.AddrPort
	Backends []netip.AddrPort
	Dir      string // scratch folder
	TLS      *Terminate
}

// Configuration returns g's configuration under s.
func (g Gateway) Configuration(s Settings) ([]byte, error) {
	t, err := template.New(g.File).Option("missingkey=error").ParseFS(files, g.File)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		Settings
		Splice bool
		Buffer string
	}{s, g.splice, g.buffer})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", g.File, err)
	}
	return b.Bytes(), nil
}

// Splices reports whether g is a variant that differs only in splicing, which
// there is none of over TLS.
func (g Gateway) Splices() bool { return g.splice }

// Configure writes g's configuration under s to path.
func (g Gateway) Configure(path string, s Settings) error {
	b, err := g.Configuration(s)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

// Args are the arguments that run g with the configuration at path.
func (g Gateway) Args(path string) []string { return append(slices.Clone(g.args), path) }

// Check has binary, which is g's program, judge the configuration at path. The
// error is what it says against it.
func (g Gateway) Check(ctx context.Context, binary, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, append(slices.Clone(g.check), path)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s refuses its configuration: %w: %s", g.Name, err, bytes.TrimSpace(out))
	}
	return nil
}

// ErrMissing is a program that is not installed.
var ErrMissing = errors.New("not installed")

// Look finds g's program. Debian keeps both peers outside a user's PATH.
func (g Gateway) Look() (binary string, err error) {
	if binary, err = exec.LookPath(g.Program); err == nil {
		return binary, nil
	}
	for _, dir := range []string{"/usr/sbin/", "/usr/local/sbin/", "/usr/local/bin/"} {
		if _, err := os.Stat(dir + g.Program); err == nil {
			return dir + g.Program, nil
		}
	}
	return "", fmt.Errorf("%s: %w", g.Program, ErrMissing)
}

// VersionOf asks binary, which is g's program, for its version: the first line
// it prints.
func (g Gateway) VersionOf(ctx context.Context, binary string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, g.Version...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("version of %s: %w", g.Program, err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line, nil
}
