// Package eventloop is part of a test.
package eventloop
