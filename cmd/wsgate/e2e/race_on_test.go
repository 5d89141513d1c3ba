//go:build race

package e2e

// raced tells that the tests themselves run under the race detector, which
// makes what they do with every byte some twenty times as slow.
const raced = true
