package plain

import (
	"encoding/xml"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// h2specModule is the conformance suite. Its own module file is older than
// modules, so that it is no part of ours.
const h2specModule = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"

// h2specFailures are what is known to fail in strict mode, all of it inside
// net/http.
var h2specFailures = []string{
	// net/http answers 400 where a stream error is due. Nothing is passed on.
	"http2/8.1.2.2: Sends a HEADERS frame that contains the connection-specific header field",
	"http2/8.1.2.2: Sends a HEADERS frame that contains the TE header field with any value other than \"trailers\"",
	// net/http hangs up on a SETTINGS frame that has a setting twice.
	"http2/6.5.3: Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE",
}

// TestH2spec runs h2spec, strict, against a gateway in front of an endpoint.
func TestH2spec(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	dir := t.TempDir()
	build := exec.Command("go", "install", h2specModule)
	build.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=-mod=mod")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("h2spec cannot be had: %v\n%s", err, out)
	}
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "an answer of some length, since the tests of flow control want bytes")
	})
	w := newWorld(t, nil, addr)
	host, port, err := net.SplitHostPort(w.listen2(false))
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(dir, "report.xml")
	out, runErr := exec.Command(filepath.Join(dir, "h2spec"), "--strict", "-h", host, "-p", port, "-o", "3", "-j", report).CombinedOutput()
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("%v %v\n%s", runErr, err, out)
	}
	var suites struct {
		Suites []struct {
			Package string `xml:"package,attr"`
			Cases   []struct {
				Package string    `xml:"package,attr"`
				Name    string    `xml:"classname,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &suites); err != nil {
		t.Fatal(err)
	}
	total := 0
	var failed []string
	for _, s := range suites.Suites {
		for _, c := range s.Cases {
			total++
			if c.Failure != nil || c.Error != nil || c.Skipped != nil {
				failed = append(failed, c.Package+": "+c.Name)
			}
		}
	}
	want := slices.Clone(h2specFailures)
	slices.Sort(want)
	slices.Sort(failed)
	t.Logf("h2spec: %d of %d", total-len(failed), total)
	if total < 140 || !slices.Equal(failed, want) {
		t.Errorf("failed %q, want %q\n%s", failed, want, out)
	}
}
