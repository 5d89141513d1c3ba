// Package account reads the kernel's accounting: processor time, memory and
// context switches of a process group, kernel memory of the machine, and what
// machine it is. Linux only; every number comes from /proc or a clock.
//
//	before, err := account.Take(pgid)
//	...
//	after, err := account.Take(pgid)
//	used := after.Since(before)
//
// All functions may be called from any goroutine.
package account
