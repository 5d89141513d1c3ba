// Package bench is part of a test.
package bench
