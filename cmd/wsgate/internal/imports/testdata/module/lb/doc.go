// Package lb is part of a test.
package lb
