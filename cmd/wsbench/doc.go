// Wsbench measures WebSocket gateways. Its commands:
//
//	wsbench load MODE URL     drive a target: echo, rate, idle, churn,
//	                          down, up, fanout, storm
//	wsbench backend           the server that belongs behind the gateway
//	wsbench compare           wsgate beside nginx and HAProxy, one table
//	wsbench scale             N idle pairs through one wsgate, up to a million
//	wsbench report            page, charts and README of what compare found
//	wsbench counts            system calls and allocations of wsgate, which must not grow
//
// A first look at any gateway that sends /echo to 127.0.3.1:9000:
//
//	wsbench backend --listen 127.0.3.1:9000 &
//	wsbench load echo ws://127.0.0.1:8080 -c 100 --duration 5s
//
// More than echoes:
//
//	wsbench load fanout ws://127.0.0.1:8080 -c 1000 --room 100
//	wsbench load storm ws://127.0.0.1:8080 -c 5000 --source 127.0.2.1-16
//	wsbench load rate ws://127.0.0.1:8080 --rate 1000 --sizes sizes.txt
//
// The exit status is 0 for a run without faults, 1 for one with faults or that
// could not be done, and 130 when it was interrupted. A backend ends with 0
// when it is told to.
package main
