// Package main is part of a test.
package main
