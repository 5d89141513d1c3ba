package sys

import "golang.org/x/sys/unix"

// Exec replaces the program of this process by another one: the process id
// stays, and so does every descriptor that is not close-on-exec. It returns on
// failure only.
func Exec(path string, args, env []string) error { return unix.Exec(path, args, env) }
