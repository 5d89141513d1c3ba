// Package frame is part of a test.
package frame
