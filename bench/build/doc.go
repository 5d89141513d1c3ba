// Package build compiles the gateway that is to be measured, and the kit itself
// for a virtual machine, with the Go tool, under a supervisor: an interrupted
// build leaves no process and no file.
//
//	binary, err := build.Gateway(ctx, supervisor, "", "wsgate")
//
// Its functions may be called from any goroutine.
package build
