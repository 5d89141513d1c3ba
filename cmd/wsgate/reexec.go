package main

import (
	"fmt"
	"os"
	"strings"

	"wsgate/splice/sys"
)

// extendedConnect is what has to be in GODEBUG, when the process starts, for
// net/http to announce WebSockets over HTTP/2 (RFC 8441). It looks for these
// very characters, and refuses them in a //go:debug line.
const extendedConnect = "http2xconnect=1"

// announceExtendedConnect makes sure that this process announces WebSockets
// over HTTP/2 when on is set: if it does not yet, it becomes itself once more,
// with the same process id, arguments and environment but for GODEBUG. It has
// to be called before anything is opened. It returns when nothing has to be
// done, and with an error when the new image cannot be executed.
func announceExtendedConnect(on bool) error {
	if !on {
		return nil
	}
	env, done := withExtendedConnect(os.Environ())
	if done {
		return nil // also after the one time, so that it cannot loop
	}
	path, err := os.Executable()
	if err != nil {
		path = "/proc/self/exe"
	}
	if err := sys.Exec(path, os.Args, env); err != nil {
		return fmt.Errorf("websocket_over_h2: executing %s again: %w", path, err)
	}
	return nil
}

// withExtendedConnect returns env with GODEBUG set. true: it was set already.
func withExtendedConnect(env []string) ([]string, bool) {
	const name = "GODEBUG="
	value := ""
	out := make([]string, 0, len(env)+1)
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name); ok {
			value = v // the last one counts
			continue
		}
		out = append(out, e)
	}
	if strings.Contains(value, extendedConnect) {
		return env, true
	}
	if value != "" {
		value += ","
	}
	return append(out, name+value+extendedConnect), false
}
