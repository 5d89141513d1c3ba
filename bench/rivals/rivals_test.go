package rivals

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func settings(dir string) Settings {
	return Settings{
		Listen:   netip.MustParseAddrPort("127.0.0.1:18080"),
		Backends: []netip.AddrPort{netip.MustParseAddrPort("127.0.3.1:19000"), netip.MustParseAddrPort("127.0.3.2:19000")},
		Dir:      dir,
	}
}

func TestConfigurationsSayWhatWasAsked(t *testing.T) {
	for _, g := range All() {
		b, err := g.Configuration(settings("/scratch"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"127.0.0.1:18080", "127.0.3.1:19000", "127.0.3.2:19000"} {
			if !bytes.Contains(b, []byte(want)) {
				t.Errorf("%s: no %s", g.Name, want)
			}
		}
		if got, want := bytes.Contains(b, []byte("splice-auto")), g.Name == "haproxy-splice"; got != want {
			t.Errorf("%s: splice-auto is %v", g.Name, got)
		}
		if got, want := bytes.Contains(b, []byte("proxy_buffer_size 16k")), g.Name == "nginx-16k"; got != want {
			t.Errorf("%s: 16k buffers is %v", g.Name, got)
		}
	}
}

// TestEveryLineHasItsReason: a line without one is a blank, a bracket, a line
// that only opens a section, or template.
func TestEveryLineHasItsReason(t *testing.T) {
	for _, name := range []string{"nginx.conf", "haproxy.cfg", "wsgate.yaml"} {
		b, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range strings.Split(string(b), "\n") {
			opens := strings.HasSuffix(l, ":") || strings.HasSuffix(l, "{") || name == "haproxy.cfg" && l != "" && l[0] != ' '
			if s := strings.TrimSpace(l); s == "" || s == "}" || opens || strings.HasPrefix(s, "{{-") || s == "- {{.}}" {
				continue
			}
			if !strings.Contains(l, "# ") {
				t.Errorf("%s:%d: no reason beside %q", name, i+1, l)
			}
		}
	}
}

func TestConfigurationsParse(t *testing.T) {
	for _, c := range []*TLS{nil, {Version: TLS12, Key: RSA}, {Version: TLS12, Key: ECDSA}, {Version: TLS13, Key: ECDSA}} {
		for _, g := range All() {
			t.Run(fmt.Sprintf("%s/%v", g.Name, c), func(t *testing.T) { parses(t, g, c) })
		}
	}
}

func parses(t *testing.T, g Gateway, c *TLS) {
	dir := t.TempDir()
	file := filepath.Join(dir, g.File)
	set := settings(dir)
	set.Listen = freePort(t) // nginx tries to bind it
	if c != nil {
		cert, err := NewCertificate(dir, c.Key)
		if err != nil {
			t.Fatal(err)
		}
		set.TLS = &Terminate{TLS: *c, Certificate: cert}
	}
	if err := g.Configure(file, set); err != nil {
		t.Fatal(err)
	}
	if g.Name == Subject {
		parseYAML(t, file)
		return
	}
	binary, err := g.Look()
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err := g.Check(t.Context(), binary, file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("nonsense is what this says\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.Check(t.Context(), binary, file); err == nil || !strings.Contains(err.Error(), g.File) {
		t.Fatalf("nonsense is taken: %v", err)
	}
	if v, err := g.VersionOf(t.Context(), binary); err != nil || !strings.Contains(strings.ToLower(v), g.Program) {
		t.Fatalf("version %q, %v", v, err)
	}
}

func freePort(t *testing.T) netip.AddrPort {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

func parseYAML(t *testing.T, file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var conf struct {
		Loops     int                 `yaml:"loops"`
		Listeners []map[string]any    `yaml:"listeners"`
		Routes    []map[string]string `yaml:"routes"`
		Upstreams map[string]struct {
			Policy    string   `yaml:"policy"`
			Endpoints []string `yaml:"endpoints"`
		} `yaml:"upstreams"`
		Timeouts  map[string]string `yaml:"timeouts"`
		AccessLog map[string]string `yaml:"access_log"`
		Admin     map[string]string `yaml:"admin"`
	}
	if err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(&conf); err != nil {
		t.Fatal(err)
	}
	if conf.Loops != 1 || conf.AccessLog["path"] != "off" || len(conf.Upstreams["backends"].Endpoints) != 2 || len(conf.Listeners) != 1 || len(conf.Routes) != 1 {
		t.Fatalf("%+v", conf)
	}
}

func TestArgs(t *testing.T) {
	g, ok := Find("haproxy")
	if !ok || fmt.Sprint(g.Args("/x")) != "[-db -f /x]" {
		t.Fatalf("%v, %v", ok, g.Args("/x"))
	}
	if _, ok := Find("traefik"); ok {
		t.Fatal("found an unknown gateway")
	}
}

func TestMissingProgram(t *testing.T) {
	if _, err := (Gateway{Program: "no-such-gateway"}).Look(); !errors.Is(err, ErrMissing) {
		t.Fatal(err)
	}
}
