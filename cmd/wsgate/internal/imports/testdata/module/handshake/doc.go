// Package handshake is part of a test.
package handshake
