package scale

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/template"
	"time"

	"wsgate/bench/spawn"
)

//go:embed wsgate.yaml
var configTemplate string

// startLimit is how long a process may take until it is ready.
const startLimit = 60 * time.Second

// process is one that says "Ready ..." in a line of its own.
type process struct {
	*spawn.Process
	words string // behind Ready
}

// start starts spec and returns when it is ready. line, which may be nil, is
// called with each line of output.
func start(ctx context.Context, sup *spawn.Supervisor, spec spawn.Spec, line func(string)) (*process, error) {
	ready := make(chan string, 1)
	spec.Core = spawn.AnyCore
	spec.Line = func(l string) {
		if line != nil {
			line(l)
		}
		// wsgate has the date and time in front.
		if _, words, ok := strings.Cut(l, "Ready "); ok {
			select {
			case ready <- words:
			default:
			}
		}
	}
	p, err := sup.Start(spec)
	if err != nil {
		return nil, err
	}
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case words := <-ready:
		return &process{p, words}, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-p.Done():
		err = fmt.Errorf("%s ended before it was ready: %s", filepath.Base(spec.Path), p.Output())
	case <-limit.C:
		err = fmt.Errorf("%s is not ready after %v: %s", filepath.Base(spec.Path), startLimit, p.Output())
	}
	p.Stop(0)
	return nil, err
}

// startBackend starts the kit's backend and returns its addresses.
func startBackend(ctx context.Context, sup *spawn.Supervisor, self []string) (p *process, addrs []string, err error) {
	argv := append(self[:len(self):len(self)], "backend", "--listen", backendListen)
	if p, err = start(ctx, sup, spawn.Spec{Path: argv[0], Args: argv[1:]}, nil); err != nil {
		return nil, nil, err
	}
	return p, strings.Fields(p.words), nil
}

// gateway is the wsgate under measurement.
type gateway struct {
	*process
	url, admin, version string
	configuration       string

	mu     sync.Mutex
	traces []trace       // asked for by the program
	news   chan struct{} // holds one when traces has grown
}

// startGateway starts binary in front of the backends.
func startGateway(ctx context.Context, sup *spawn.Supervisor, binary string, backends []string) (*gateway, error) {
	t, err := template.New("wsgate.yaml").Parse(configTemplate)
	if err != nil {
		return nil, err
	}
	var conf bytes.Buffer
	if err := t.Execute(&conf, backends); err != nil {
		return nil, err
	}
	path := filepath.Join(sup.Dir(), "scale.yaml")
	if err := os.WriteFile(path, conf.Bytes(), 0o644); err != nil {
		return nil, err
	}
	g := &gateway{configuration: conf.String(), news: make(chan struct{}, 1)}
	g.process, err = start(ctx, sup, spawn.Spec{Path: binary, Args: []string{"run", "-c", path}, Env: []string{"GODEBUG=gctrace=1"}}, g.line)
	if err != nil {
		return nil, err
	}
	for w := range strings.FieldsSeq(g.words) {
		switch k, v, _ := strings.Cut(w, "="); k {
		case "version":
			g.version = v
		case "listening":
			g.url, _, _ = strings.Cut(v, ",")
		case "admin":
			g.admin = v
		}
	}
	for _, a := range []string{g.url, g.admin} {
		if _, err := netip.ParseAddrPort(a); err != nil {
			return nil, fmt.Errorf("wsgate is ready, but where? %q", g.words)
		}
	}
	g.url = "ws://" + g.url
	return g, nil
}

func (g *gateway) line(l string) {
	t, ok := parseTrace(l)
	if !ok || !t.forced {
		return
	}
	g.mu.Lock()
	g.traces = append(g.traces, t)
	g.mu.Unlock()
	select {
	case g.news <- struct{}{}:
	default:
	}
}

// traced is how many collections were asked for so far, and the latest.
func (g *gateway) traced() (n int, last trace) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n = len(g.traces); n > 0 {
		last = g.traces[n-1]
	}
	return n, last
}

// collect has the gateway make a full collection.
func (g *gateway) collect(ctx context.Context) (c Collection, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	before, _ := g.traced()
	began := time.Now()
	if err := get(ctx, "http://"+g.admin+"/debug/pprof/heap?gc=1"); err != nil {
		return c, fmt.Errorf("garbage collection: %w", err)
	}
	took := time.Since(began).Seconds()
	for {
		if n, last := g.traced(); n > before {
			c = last.collection()
			c.Asked = took
			return c, nil
		}
		select {
		case <-g.news:
		case <-ctx.Done():
			return c, fmt.Errorf("garbage collection: no trace of it on stderr: %w", ctx.Err())
		}
	}
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
