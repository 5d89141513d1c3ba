//go:build race

package load

// raceDetector makes everything about ten times slower.
const raceDetector = true
