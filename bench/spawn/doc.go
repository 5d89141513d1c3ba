// Package spawn starts the processes of a benchmark so that none outlives it.
//
// Every process gets a group of its own, is pinned to a core before it runs,
// and dies with the thread that started it. A guard, the same program started
// once more, watches over a pipe: when the benchmark ends in any way, kill -9
// included, it kills the groups that are left and removes the scratch folder.
//
//	s, err := spawn.New([]string{exe, "guard"})
//	defer s.Close()
//	p, err := s.Start(spawn.Spec{Path: "nginx", Args: []string{"-c", conf}, Core: 1})
//	defer p.Stop(time.Second)
//
// The guard's side is [Guard]. A Supervisor may be used from any goroutine.
package spawn
