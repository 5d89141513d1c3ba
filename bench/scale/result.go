package scale

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"wsgate/bench/account"
	"wsgate/bench/load"
)

// Result is everything a run found, as scale.json holds it.
type Result struct {
	Time          time.Time       `json:"time"`
	Machine       account.Machine `json:"machine"` // that it was measured on: the virtual one, if there was one
	VM            *VM             `json:"virtual_machine,omitempty"`
	Version       string          `json:"version"` // of the gateway
	Configuration string          `json:"configuration"`
	Settings      Settings        `json:"settings"`
	Notes         []string        `json:"notes,omitempty"`

	FreshUserBytes int64   `json:"fresh_user_bytes"` // the gateway's PSS before the first connection
	Stages         []Stage `json:"stages"`           // 1/8, 1/4, 1/2 and all of the pairs
	User           Fit     `json:"user_fit"`
	Kernel         *Fit    `json:"kernel_fit,omitempty"` // nil where slabinfo cannot be read

	End     End     `json:"end"`
	Seconds float64 `json:"seconds"` // the whole run, by this machine's clock
}

// VM is the virtual machine of a run.
type VM struct {
	QEMU        string          `json:"qemu"`
	MemoryBytes int64           `json:"memory_bytes"`
	CPUs        int             `json:"cpus"`
	BootSeconds float64         `json:"boot_seconds"`
	Host        account.Machine `json:"host"`
}

// Settings are how the run was made.
type Settings struct {
	Pairs       int     `json:"pairs"`
	Quiet       float64 `json:"quiet_seconds"` // before memory is read
	EchoConns   int     `json:"echo_connections"`
	EchoRate    float64 `json:"echo_per_second"` // over all of them
	EchoSeconds float64 `json:"echo_seconds"`
	Sources     string  `json:"source_addresses"`
	Backends    string  `json:"backend_addresses"`
}

// Stage is what was found with so many pairs open. Bytes are growth since
// before the first connection.
type Stage struct {
	Pairs       int     `json:"pairs"`
	Added       int     `json:"added"`        // since the stage before
	OpenSeconds float64 `json:"open_seconds"` // to open those
	OpenRate    float64 `json:"open_per_second"`

	UserBytes       int64   `json:"user_bytes"` // PSS of the gateway
	UserBytesPair   float64 `json:"user_bytes_pair"`
	KernelBytes     int64   `json:"kernel_bytes"` // slab and socket memory of the machine; 0 where it cannot be read
	KernelBytesPair float64 `json:"kernel_bytes_pair"`
	LoadBytesPair   float64 `json:"load_bytes_pair"`    // PSS of the load generator
	BackBytesPair   float64 `json:"backend_bytes_pair"` // PSS of the backend
	AvailableBytes  int64   `json:"available_bytes"`    // of the machine's memory

	Echo    load.Summary `json:"echo"`       // from when a message was due to its echo
	GC      Collection   `json:"collection"` // a full one, asked for
	Upgrade load.Summary `json:"upgrade"`    // connect to 101, of those added
}

// Collection is one full garbage collection of the gateway.
type Collection struct {
	Seconds  float64    `json:"seconds"`         // both stops and the marking between them
	PausesUS [2]float64 `json:"pauses_us"`       // the stops: before marking and after it
	Asked    float64    `json:"request_seconds"` // from the request to the end of sweeping and of the profile
	LiveMB   int        `json:"live_mb"`
}

// End is what came of the connections.
type End struct {
	Answered int64            `json:"answered"` // connections that echoed one checked message
	Closed   int64            `json:"closed"`   // with a Close both ways
	Seconds  float64          `json:"seconds"`  // to ask and close all of them
	Latency  load.Summary     `json:"latency"`  // of the largest stage's answers, 64 under way
	Faults   map[string]int64 `json:"faults,omitempty"`
	Examples []string         `json:"fault_examples,omitempty"`
}

// Failed reports whether a connection failed in any way.
func (r *Result) Failed() bool {
	return len(r.End.Faults) > 0 || r.End.Answered != int64(r.Settings.Pairs)
}

// judge draws the lines.
func (r *Result) judge(hasKernel bool) {
	var pairs []int
	var user, kernel []int64
	for _, s := range r.Stages {
		pairs, user, kernel = append(pairs, s.Pairs), append(user, s.UserBytes), append(kernel, s.KernelBytes)
	}
	r.User = fit(pairs, user)
	if hasKernel {
		f := fit(pairs, kernel)
		r.Kernel = &f
	}
}

// Write writes scale.json and scale.md to dir.
func (r *Result) Write(dir string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "scale.json"), b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "scale.md"), []byte(r.Markdown()), 0o644)
}

// clockError is by which share the clock of a virtual machine may be wrong
// before a note says so, and clockSlack how many seconds are spent around a run.
const (
	clockError = 0.03
	clockSlack = 2
)

// CheckClock compares the time that the run took by its own clock with what it
// took by another.
func (r *Result) CheckClock(seconds float64) {
	off := (r.Seconds - seconds) / seconds
	if d := r.Seconds - seconds; max(d, -d) > clockSlack+clockError*seconds {
		r.Notes = append(r.Notes, fmt.Sprintf("the machine's clock counted %.1f s in %.1f s: its times are wrong by %.0f %%", r.Seconds, seconds, 100*off))
	}
}
