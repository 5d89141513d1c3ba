// Package util is part of a test.
package util
