package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A logLine is one line of the access log, of any of the three types.
type logLine struct {
	Time        string  `json:"time"`
	Type        string  `json:"type"`
	ID          string  `json:"id"`
	Client      string  `json:"client"`
	Peer        string  `json:"peer"`
	Listener    string  `json:"listener"`
	Method      string  `json:"method"`
	Host        string  `json:"host"`
	Target      string  `json:"target"`
	Origin      string  `json:"origin"`
	UserAgent   string  `json:"user_agent"`
	Route       string  `json:"route"`
	Pool        string  `json:"pool"`
	Endpoint    string  `json:"endpoint"`
	Tries       int     `json:"tries"`
	UpgradeMS   float64 `json:"upgrade_ms"`
	Subprotocol string  `json:"subprotocol"`
	Extensions  string  `json:"extensions"`
	BytesUp     uint64  `json:"bytes_up"`
	BytesDown   uint64  `json:"bytes_down"`
	MessagesUp  uint64  `json:"messages_up"`
	MessagesDn  uint64  `json:"messages_down"`
	Code        int     `json:"code"`
	Reason      string  `json:"reason"`
	By          string  `json:"by"`
	Phase       string  `json:"phase"`
	Why         string  `json:"why"`
	EndState    string  `json:"end_state"`
	Violation   string  `json:"violation"`
	Violator    string  `json:"violator"`
	Truncated   bool    `json:"truncated"`
	SplicedDown uint64  `json:"spliced_down"`
	Status      int     `json:"status"`
	Refusal     string  `json:"refusal"`
	Sent        uint64  `json:"sent"`
	Received    uint64  `json:"received"`
}

// parseLog decodes every whole line of an access log file.
func parseLog(t *testing.T, path string) []logLine {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1] // the last line may be on its way
	var out []logLine
	for line := range bytes.Lines(b) {
		var l logLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("access log line %q: %v", line, err)
		}
		out = append(out, l)
	}
	return out
}

// waitLog waits until the access log holds n lines of a type that satisfy
// match (nil matches all) and returns these.
func (g *gateway) waitLog(typ string, n int, match func(logLine) bool) []logLine {
	g.w.t.Helper()
	var got []logLine
	if !poll(20*time.Second, func() bool {
		got = got[:0]
		for _, l := range parseLog(g.w.t, g.logPath) {
			if l.Type == typ && (match == nil || match(l)) {
				got = append(got, l)
			}
		}
		return len(got) >= n
	}) {
		g.w.t.Fatalf("access log holds %d matching %q lines, want %d", len(got), typ, n)
	}
	return got
}

// closeOf returns the close line of the session whose target is path.
func (g *gateway) closeOf(path string) (opened, closed logLine) {
	g.w.t.Helper()
	opened = g.waitLog("open", 1, func(l logLine) bool { return l.Target == path })[0]
	closed = g.waitLog("close", 1, func(l logLine) bool { return l.ID == opened.ID })[0]
	return opened, closed
}

// metrics are the samples of one scrape, by "name{labels}".
type metrics map[string]float64

// adminClient keeps no connection, so that a scrape leaves no descriptor.
var adminClient = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   10 * time.Second,
}

// adminGet fetches a path of the admin address.
func (g *gateway) adminGet(path string) (int, string, error) {
	r, err := adminClient.Get("http://" + g.admin + path)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return r.StatusCode, string(b), err
}

func (g *gateway) tryScrape() (metrics, error) {
	status, text, err := g.adminGet("/metrics")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("/metrics: status %d", status)
	}
	m := metrics{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics line %q: %w", line, err)
		}
		m[line[:i]] = v
	}
	return m, nil
}

// scrape reads the metrics.
func (g *gateway) scrape() metrics {
	g.w.t.Helper()
	m, err := g.tryScrape()
	if err != nil {
		g.w.t.Fatal(err)
	}
	return m
}

// sum adds the samples of a name that carry all labels, each as `name="value"`.
func (m metrics) sum(name string, labels ...string) float64 {
	total := 0.0
next:
	for k, v := range m {
		n, rest, _ := strings.Cut(k, "{")
		if n != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(rest, l) {
				continue next
			}
		}
		total += v
	}
	return total
}

// waitMetric waits until ok holds for the sum of the samples.
func (g *gateway) waitMetric(what string, ok func(metrics) bool) {
	g.w.t.Helper()
	eventually(g.w.t, 15*time.Second, what, func() bool {
		m, err := g.tryScrape()
		return err == nil && ok(m)
	})
}
