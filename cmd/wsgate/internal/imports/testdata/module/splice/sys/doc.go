// Package sys is part of a test.
package sys
