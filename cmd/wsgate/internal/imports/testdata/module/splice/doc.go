// Package splice is part of a test.
package splice
