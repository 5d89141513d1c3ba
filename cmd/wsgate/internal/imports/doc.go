// Package imports holds a test and nothing else: it checks which package of the
// module imports which. It runs with every "go test ./..." and by itself as
//
//	go test ./cmd/wsgate/internal/imports
//
// The table (rules_test.go) keeps the parts apart that are worth having apart:
// handshake can be fuzzed and reused because it is the standard library and no
// I/O, lb knows no sockets, and the benchmark kit knows nothing of the gateway
// that it measures. Two rules more: system calls are made in splice/sys only
// (the benchmark kit, a program of its own, has its own), and every package has
// a doc.go.
//
// The rules hold for what is built into programs: test files may import what
// they need. A package outside the table is an error, so that a new folder is a
// decision.
package imports
