package session

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wsgate/eventloop/record"
)

var update = flag.Bool("update", false, "write what the machines answer into testdata")

// TestScripts runs the golden scripts. A line is an event; the line behind it,
// indented, is what the machine answers: operations, timer and end state as
// far as they change. "start" begins a new relay or upgrade.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(text), strings.Contains(file, "upgrade"))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(text) {
				t.Errorf("the script answers differently:\n%s", diff(string(text), got))
			}
		})
	}
}

func runScript(t *testing.T, text string, upgrade bool) string {
	var out strings.Builder
	var m Relay
	var u Upgrade
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			fmt.Fprintln(&out, line)
		case strings.HasPrefix(line, "\t"):
		case line == "start":
			m, u = Relay{}, Upgrade{}
			fmt.Fprintln(&out, line)
		case upgrade:
			e, ok := upgradeEvents[line]
			if !ok {
				t.Fatalf("line %d: no event %q", n+1, line)
			}
			fmt.Fprintf(&out, "%s\n\t%s tries=%d\n", line, actionNames[u.Step(e)], u.Tries)
		default:
			was := m
			ops := m.Step(parseEvent(t, n+1, line))
			fmt.Fprintf(&out, "%s\n\t%s\n", line, describe(&was, &m, ops))
		}
	}
	return out.String()
}

var kinds = map[string]Kind{
	"close": CloseSeen, "eof": EndOfStream, "reset": SourceGone, "dest-gone": DestGone,
	"violated": Violated, "too-big": TooBig, "at-end": AtEnd, "fin-sent": FinSent,
	"expired": Expired, "stalled": Stalled, "shed": Shed, "shut": Shut,
}

func parseEvent(t *testing.T, n int, line string) Event {
	words := strings.Fields(line)
	kind, ok := kinds[words[0]]
	if !ok {
		t.Fatalf("line %d: no event %q", n, words[0])
	}
	e := Event{Kind: kind}
	for _, w := range words[1:] {
		switch w {
		case "up":
			e.Dir = Up
		case "down":
			e.Dir = Down
		case "clean":
			e.Clean = true
		case "deaf":
			e.Deaf = true
		case "rst":
			e.Reset = true
		case "drain":
			e.Code, e.Who, e.Why = 1001, record.Operator, "drain"
		case "idle":
			e.Code, e.Who, e.Why = 1001, record.Gateway, "idle_timeout"
		default:
			t.Fatalf("line %d: no word %q", n, w)
		}
	}
	return e
}

var opNames = [opCount]string{"finish", "discard", "abandon", "send-close", "fin", "rst", "pump"}

func describe(was, m *Relay, ops Ops) string {
	var words []string
	for op := Op(0); op < opCount; op++ {
		for d := Up; d <= Down; d++ {
			if ops.Has(op, d) {
				words = append(words, opNames[op]+"("+d.String()+")")
			}
		}
	}
	if ops&OpEnd != 0 {
		words = append(words, "END")
	}
	if was.timer != m.timer {
		words = append(words, "timer="+[]string{"none", "half-close", "close", "grace"}[m.timer])
	}
	if was.End != m.End {
		words = append(words, fmt.Sprintf("end=%c%c/%s/%d", m.End.Who, m.End.Phase, m.End.Why, m.End.Code))
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, " ")
}

var upgradeEvents = map[string]UpgradeEvent{
	"routed": Routed, "connecting": Connecting, "none-left": NoneLeft, "no-resources": NoResources,
	"connect-failed": ConnectFailed, "connect-expired": ConnectExpired, "sent": Sent,
	"upstream-ended": UpstreamEnded, "101": Answer101, "bad-101": AnswerBad101, "100": Answer100,
	"1xx": Answer1xx, "other": AnswerOther, "garbage": AnswerGarbage, "expired": UpgradeExpired,
	"client-gone": ClientGone,
}

var actionNames = []string{
	"wait", "pick", "send", "open", "drop", "pass-interim", "pass-answer",
	"502", "503", "503-own", "504", "abort",
}

func diff(want, got string) string {
	var b strings.Builder
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		var a, c string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			c = g[i]
		}
		if a != c {
			fmt.Fprintf(&b, "line %d\n  script:  %s\n  machine: %s\n", i+1, a, c)
		}
	}
	return b.String()
}
