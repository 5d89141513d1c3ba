package account

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine says where numbers were taken.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memory_bytes"`
	Kernel      string `json:"kernel"`
	System      string `json:"system"`
	Virtual     bool   `json:"virtual_machine"`
	Descriptors uint64 `json:"descriptor_limit"`
	Go          string `json:"go"`
}

// Here describes this machine. What cannot be found out stays empty.
func Here() (m Machine) {
	m.Go = runtime.Version()
	m.Cores = runtime.NumCPU()
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		cores := 0
		for line := range strings.Lines(string(b)) {
			k, v, _ := strings.Cut(line, ":")
			switch strings.TrimSpace(k) {
			case "processor":
				cores++
			case "model name":
				m.CPU = strings.TrimSpace(v)
			case "flags":
				m.Virtual = strings.Contains(v+" ", " hypervisor ")
			}
		}
		m.Cores = max(cores, m.Cores)
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		m.MemoryBytes = number(b, "MemTotal:") << 10
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
	}
	if b, err := os.ReadFile("/etc/os-release"); err == nil {
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
				m.System = strings.Trim(strings.TrimSpace(v), `"`)
			}
		}
	}
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) == nil {
		m.Descriptors = r.Cur
	}
	return m
}

// Busy is the time that all processors have spent on anything but idling,
// since the machine started; time stolen by a hypervisor is not in it.
func Busy() (busy, stolen time.Duration, err error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	return parseBusy(b)
}

func parseBusy(b []byte) (busy, stolen time.Duration, err error) {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	f := strings.Fields(string(line))
	if len(f) < 9 || f[0] != "cpu" {
		return 0, 0, fmt.Errorf("unexpected stat line %q", line)
	}
	for i, s := range f[1:9] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("stat: %w", err)
		}
		switch i {
		case 3, 4: // idle, iowait
		case 7:
			stolen = time.Duration(n) * tick
		default:
			busy += time.Duration(n) * tick
		}
	}
	return busy, stolen, nil
}
