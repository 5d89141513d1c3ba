package spawn

import (
	"bufio"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Guard reads what a Supervisor tells it from r until the pipe ends, which it
// does in whatever way the benchmark ends. Then it kills the process groups
// that were not stopped and removes the scratch folder. Signals do not end it.
func Guard(r io.Reader) error {
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	groups := map[int]bool{}
	dir := ""
	in := bufio.NewScanner(r)
	for in.Scan() {
		word, value, _ := strings.Cut(in.Text(), " ")
		switch word {
		case "group", "gone":
			// 0 and 1 would mean ourselves and everybody.
			if n, err := strconv.Atoi(value); err == nil && n > 1 {
				groups[n] = word == "group"
			}
		case "dir":
			dir = value
		}
	}
	for g, alive := range groups {
		if alive {
			_ = unix.Kill(-g, unix.SIGKILL)
		}
	}
	// Only ever a folder that New has made.
	if strings.HasPrefix(filepath.Base(dir), "wsbench-") {
		return os.RemoveAll(dir)
	}
	return in.Err()
}
