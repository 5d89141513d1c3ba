package scale

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Markdown is the result for people.
func (r *Result) Markdown() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# %s idle WebSocket pairs through one wsgate", grouped(r.Settings.Pairs))
	line("")
	line("%s, wsgate %s. %s", r.Time.Format("2006-01-02 15:04 MST"), r.Version, r.where())
	line("Growth since before the first connection, after %.0f s of quiet. A pair has four sockets: client, two in the gateway, backend.", r.Settings.Quiet)
	line("Echo: %.0f messages a second on %d connections beside the idle ones, from when a message was due.", r.Settings.EchoRate, r.Settings.EchoConns)
	line("Collection: a full one of the gateway; its pauses are the two stops of the program.")
	line("")
	line("| pairs | user bytes a pair | kernel bytes a pair | opened in s | opened a second | echo p50 us | p99 us | collection ms | pauses us |")
	line("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, s := range r.Stages {
		kernel := "unknown"
		if r.Kernel != nil {
			kernel = grouped(int(s.KernelBytesPair))
		}
		line("| %s | %s | %s | %.1f for %s | %s | %s | %s | %.1f | %.0f, %.0f |", grouped(s.Pairs), grouped(int(s.UserBytesPair)), kernel,
			s.OpenSeconds, grouped(s.Added), grouped(int(s.OpenRate)), grouped(int(s.Echo.P50)), grouped(int(s.Echo.P99)),
			s.GC.Seconds*1e3, s.GC.PausesUS[0], s.GC.PausesUS[1])
	}
	line("")
	line("- user memory: %s", r.User.words())
	if r.Kernel != nil {
		line("- kernel memory: %s", r.Kernel.words())
	}
	if n := len(r.Stages); n > 0 {
		s := r.Stages[n-1]
		line("- the kit's own: %s bytes a pair in the load generator, %s in the backend", grouped(int(s.LoadBytesPair)), grouped(int(s.BackBytesPair)))
	}
	line("- at the end %s of %s connections have echoed one checked message, %s closed cleanly, in %.1f s", grouped(int(r.End.Answered)), grouped(r.Settings.Pairs), grouped(int(r.End.Closed)), r.End.Seconds)
	names := make([]string, 0, len(r.End.Faults))
	for name, n := range r.End.Faults {
		names = append(names, fmt.Sprintf("%s: %d", name, n))
	}
	slices.Sort(names)
	for _, n := range names {
		line("- **fault**, %s", n)
	}
	for _, e := range r.End.Examples {
		line("- %s", e)
	}
	for _, n := range r.Notes {
		line("- note: %s", n)
	}
	line("")
	line("## Configuration")
	line("")
	line("```yaml\n%s```", r.Configuration)
	return b.String()
}

func (r *Result) where() string {
	m := r.Machine
	here := fmt.Sprintf("%d cores, %s, Linux %s, %s.", m.Cores, m.CPU, m.Kernel, m.Go)
	if r.VM == nil {
		return here
	}
	h := r.VM.Host
	return fmt.Sprintf("In a virtual machine, emulated by %s on %d cores (%s): times are those of an emulated processor. %s %d MiB, booted in %.0f s.",
		r.VM.QEMU, h.Cores, h.CPU, here, r.VM.MemoryBytes>>20, r.VM.BootSeconds)
}

func (f Fit) words() string {
	verdict := "linear"
	if !f.Linear {
		verdict = "not linear"
	}
	return fmt.Sprintf("%s: %s bytes a pair and %s bytes fixed, no stage further than %.1f %% from that line; a pair costs %.2f of what it costs with the first stage's",
		verdict, grouped(int(f.BytesPair)), grouped(int(f.FixedBytes)), 100*f.WorstOff, f.Ratio)
}

// grouped writes n with a comma between thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
