// Package poll has no doc.go.
package poll
