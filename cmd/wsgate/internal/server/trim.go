package server

import (
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	// trimEvery is how often the number of connections is looked at.
	trimEvery = 3 * time.Second
	// trimChange is the least change that is worth a collection: a quarter of
	// a megabyte of sessions.
	trimChange = 512
	// gcPercent is how much the heap may grow between two collections, in
	// percent of what lives. A relay allocates nothing, so that collections are
	// as rare as new sessions, and the peak of a storm stays low. GOGC in the
	// environment overrides it.
	gcPercent = 50
)

// trim gives memory back to the system when the number of connections has
// changed by an eighth and has come to rest: a reconnect storm leaves garbage
// and free spans that the runtime would otherwise keep for the next one. It
// ends with stop.
func (s *Server) trim(stop <-chan struct{}) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	debug.FreeOSMemory() // what reading the configuration took
	ticker := time.NewTicker(trimEvery)
	defer ticker.Stop()
	var last, trimmed int64
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		now := s.gateway.Connections()
		resting := abs(now-last) <= now/64
		last = now
		if resting && abs(now-trimmed) >= max(trimChange, trimmed/8) {
			// What lies in a sync.Pool, as the head buffers do, outlives one
			// collection.
			runtime.GC()
			debug.FreeOSMemory()
			trimmed = now
		}
	}
}

func abs(n int64) int64 { return max(n, -n) }
