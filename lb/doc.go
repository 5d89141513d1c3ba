// Package lb chooses the endpoint for a session: endpoints and their counts,
// pools of them, and the pickers that spread requests over a pool.
//
// Endpoints live in a Registry by pool and address, so that counts and leases
// outlast the configuration that named them. Pools are immutable and belong to
// one generation of the configuration. Building pools and sweeping the registry
// is the business of the one goroutine that loads configurations; picking,
// leasing and counting may be done on any goroutine, take no lock and allocate
// nothing.
//
// # Example
//
//	reg := lb.NewRegistry()
//	ep, err := reg.Endpoint("chat", "127.0.0.1:9001", parseTarget)
//	...
//	pool, err := lb.NewPool("chat", "round_robin", []lb.Member{{Endpoint: ep, Weight: 1}})
//	...
//	var tried lb.Tried // one a request
//	for {
//		ep, ok := pool.Pick(&tried)
//		if !ok {
//			return errNoneLeft
//		}
//		ep.Acquire()
//		if connect(ep.Target) {
//			return serve(ep) // which calls ep.Release at its end
//		}
//		ep.Release()
//		ep.Failed("connect")
//	}
package lb
