package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"wsgate/eventloop/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source gives a snapshot, or an error, or neither until its context is done.
type source struct {
	counters *record.Counters
	err      error
	calls    atomic.Int64
}

func (s *source) Snapshot(ctx context.Context) (*record.Counters, error) {
	s.calls.Add(1)
	if s.counters == nil && s.err == nil {
		<-ctx.Done()
		return nil, fmt.Errorf("a loop did not answer: %w", ctx.Err())
	}
	return s.counters, s.err
}

func (s *source) Loops() int             { return 3 }
func (s *source) LogWriteErrors() uint64 { return 17 }

func counters() *record.Counters {
	c := record.NewCounters()
	c.Accepted, c.AcceptPauses, c.Connections, c.Plain, c.Relays = 100, 1, 30, 4, 20
	c.Buffered, c.Buffers, c.Pipes, c.PipesIdle, c.PipesMissed = 4096, 2, 5, 6, 7
	c.BytesUp, c.BytesDown, c.MessagesUp, c.MessagesDown = 1000, 1<<40, 50, 60
	c.SplicedUp, c.SplicedDown, c.Discarded, c.BufferedSheds = 8, 9, 10, 11
	c.Panics, c.LogDropped = 12, 13
	c.UpgradeTime.Observe(300 * time.Microsecond)
	c.UpgradeTime.Observe(time.Millisecond)
	c.UpgradeTime.Observe(time.Minute)
	c.TurnTime.Observe(10 * time.Microsecond)
	c.Upgrades["101"], c.Upgrades["4xx"] = 70, 3
	c.Refusals["no_route"] = 14
	c.Retries["connect"] = 15
	c.Violations["unmasked"] = 16
	c.Handshakes[record.TLSKey{Side: "client", Version: "TLSv1.3", Result: "full"}] = 21
	c.TLSFailures[record.TLSFailure{Side: "upstream", Reason: "bad_record_mac"}] = 22
	c.Shaking, c.AEADsBuilt = 23, 24
	c.HTTP2Errors["reset_flood"] = 19
	c.Ends[record.EndKey{Who: record.Client, Phase: record.PhaseRelay, Why: "fin"}] = 40
	c.Ends[record.EndKey{Why: "?"}] = 1
	c.Open[record.SessionKey{Route: "*/", Pool: "chat", Endpoint: "127.0.0.1:9001"}] = 18
	c.Open[record.SessionKey{Route: "a\"b\xff", Pool: "chat", Endpoint: "unix:/x"}] = 2
	return c
}

// scrape gets the metrics over HTTP, as text and parsed.
func scrape(t *testing.T, m *Metrics) (string, map[string]*dto.MetricFamily) {
	t.Helper()
	srv := httptest.NewServer(m.Handler())
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	resp, err := client.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", resp.StatusCode, text)
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return string(text), families
}

func TestScrape(t *testing.T) {
	src := &source{counters: counters()}
	text, families := scrape(t, New(Options{Source: src, Version: "v1.2.3", Logf: t.Logf}))
	var got []string
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "wsgate_") {
			got = append(got, line)
		}
	}
	want, err := os.ReadFile("testdata/scrape.txt")
	if err != nil {
		t.Fatal(err)
	}
	wanted := strings.ReplaceAll(strings.TrimSpace(string(want)), "GOVERSION", runtime.Version())
	if g := strings.Join(got, "\n"); g != wanted {
		t.Errorf("got\n%s\n\nwant\n%s", g, wanted)
	}
	for _, name := range []string{"go_goroutines", "process_open_fds", "process_resident_memory_bytes"} {
		if families[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	if n := src.calls.Load(); n != 1 {
		t.Errorf("one scrape took %d snapshots", n)
	}
}

// Every number of record.Counters has a sample: a field that is added there
// and not shown here fails.
func TestEveryCounterIsShown(t *testing.T) {
	c := record.NewCounters()
	v := reflect.ValueOf(c).Elem()
	want := make(map[string]string) // sample value to field
	next := func(field string) uint64 {
		n := uint64(700000 + len(want))
		want[fmt.Sprintf(" %d\n", n)] = field
		return n
	}
	for i := range v.NumField() {
		name, f := v.Type().Field(i).Name, v.Field(i)
		if name == "Relays" {
			continue // the sum of wsgate_sessions_open
		}
		switch x := f.Addr().Interface().(type) {
		case *uint64:
			*x = next(name)
		case *int64:
			*x = int64(next(name))
		case *record.Histogram:
			x.Count = next(name)
		case *map[string]uint64:
			(*x)["x"] = next(name)
		case *map[record.TLSKey]uint64:
			(*x)[record.TLSKey{}] = next(name)
		case *map[record.TLSFailure]uint64:
			(*x)[record.TLSFailure{}] = next(name)
		case *map[record.EndKey]uint64:
			(*x)[record.EndKey{}] = next(name)
		case *map[record.SessionKey]int64:
			(*x)[record.SessionKey{}] = int64(next(name))
		default:
			t.Fatalf("field %s has the unknown type %T", name, x)
		}
	}
	text, _ := scrape(t, New(Options{Source: &source{counters: c}}))
	for value, field := range want {
		if !strings.Contains(text, value) {
			t.Errorf("%s is not shown", field)
		}
	}
}

func TestLint(t *testing.T) {
	m := New(Options{Source: &source{counters: counters()}, Certificates: status})
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "wsgate_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// doc.go, which the README follows, lists all metrics and no others, each with
// its type.
func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^//\t(wsgate_\w+) +(\w+)`).FindAllStringSubmatch(string(doc), -1) {
		documented[m[1]] = m[2]
	}
	_, families := scrape(t, New(Options{Source: &source{counters: counters()}, Certificates: status}))
	shown := make(map[string]string)
	for name, f := range families {
		if strings.HasPrefix(name, "wsgate_") {
			shown[name] = strings.ToLower(f.GetType().String())
		}
	}
	if !reflect.DeepEqual(documented, shown) {
		t.Errorf("documented %v\nshown      %v", documented, shown)
	}
}

// Without a snapshot the scrape still shows the process, and that it failed.
func TestFailedSnapshot(t *testing.T) {
	for _, test := range []struct {
		name string
		src  *source
		want string
	}{
		{"at once", &source{err: errors.New("event loops have stopped")}, "event loops have stopped"},
		{"no answer", &source{}, context.DeadlineExceeded.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			var mu sync.Mutex
			var told []string
			m := newMetrics(Options{Source: test.src, Logf: func(format string, args ...any) {
				mu.Lock()
				told = append(told, fmt.Sprintf(format, args...))
				mu.Unlock()
			}}, time.Millisecond)
			for i := range 2 {
				_, families := scrape(t, m)
				for name, want := range map[string]float64{
					"wsgate_scrape_errors_total":           float64(i + 1),
					"wsgate_access_log_write_errors_total": 17,
				} {
					if f := families[name]; f == nil || f.Metric[0].Counter.GetValue() != want {
						t.Errorf("%s: got %v, want %v", name, f, want)
					}
				}
				if families["go_goroutines"] == nil || families["process_open_fds"] == nil {
					t.Error("the metrics of the process are missing")
				}
				if families["wsgate_connections"] != nil {
					t.Error("wsgate_connections without a snapshot")
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if len(told) != 2 || !strings.Contains(told[0], test.want) {
				t.Errorf("told %q, want %q twice", told, test.want)
			}
		})
	}
}

// deadlineSource notes how long it was given.
type deadlineSource struct {
	source
	left time.Duration
}

func (s *deadlineSource) Snapshot(ctx context.Context) (*record.Counters, error) {
	if d, ok := ctx.Deadline(); ok {
		s.left = time.Until(d)
	}
	return record.NewCounters(), nil
}

func TestSnapshotHasADeadline(t *testing.T) {
	s := &deadlineSource{}
	scrape(t, New(Options{Source: s}))
	if s.left <= 0 || s.left > snapshotTimeout {
		t.Errorf("the snapshot was given %v, want at most %v", s.left, snapshotTimeout)
	}
}

// Two collectors of one registry that name the same sample make the gathering
// fail in part: what can be shown is shown, and the operator is told.
func TestPartialFailureIsTold(t *testing.T) {
	c := record.NewCounters()
	// Different bytes, the same label once they are valid UTF-8.
	c.Refusals["\xff"], c.Refusals["\xfe"] = 1, 1
	told := make(chan string, 16)
	m := New(Options{Source: &source{counters: c}, Logf: func(format string, args ...any) {
		told <- fmt.Sprintf(format, args...)
	}})
	_, families := scrape(t, m)
	if families["wsgate_connections"] == nil || families["go_goroutines"] == nil {
		t.Error("nothing was shown")
	}
	select {
	case s := <-told:
		if !strings.Contains(s, "wsgate_refusals_total") {
			t.Errorf("told %q", s)
		}
	default:
		t.Error("nobody was told")
	}
}

// gateSource holds each snapshot back until the gate is opened.
type gateSource struct {
	source
	entered chan struct{}
	gate    chan struct{}
}

func (s *gateSource) Snapshot(ctx context.Context) (*record.Counters, error) {
	s.entered <- struct{}{}
	<-s.gate
	return counters(), nil
}

// Scrapes run side by side, but only so many of them.
func TestScrapesAreBounded(t *testing.T) {
	src := &gateSource{entered: make(chan struct{}, maxScrapes+1), gate: make(chan struct{})}
	h := New(Options{Source: src}).Handler()
	get := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Code
	}
	var wg sync.WaitGroup
	for range maxScrapes {
		wg.Go(func() {
			if code := get(); code != http.StatusOK {
				t.Errorf("status %d", code)
			}
		})
		<-src.entered
	}
	if code := get(); code != http.StatusServiceUnavailable {
		t.Errorf("status %d for one more", code)
	}
	close(src.gate)
	wg.Wait()
}
