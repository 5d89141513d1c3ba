// Package build compiles the gateway that is to be measured, with the Go tool,
// under a supervisor: an interrupted build leaves no process and no file.
//
//	binary, err := build.Gateway(ctx, supervisor, "", "wsgate")
//
// Gateway may be called from any goroutine.
package build
