// Package part is part of a test.
package part
