// Package demo is what "wsgate run" without a configuration stands in front
// of: two chat backends, north and south, on loopback ports of the system's
// choice, and the built-in configuration that routes to them. The backends know
// nothing of the gateway, which talks to them over TCP as it does to any other.
//
// Start returns running backends; its result may be used from any goroutine.
//
//	backends, err := demo.Start()
//	...
//	defer backends.Close(ctx)
//	c, errs := config.Parse("built-in", demo.Config(backends.Addresses()))
//
// # What a backend serves
//
// GET / is one page that needs nothing but itself, under a Content-Security-
// Policy that names its style and script by hash. GET /chat is the WebSocket.
// Both backends share one room, so that members served by different backends
// meet, and every message names the backend that served its sender.
//
// # Messages
//
// All are text messages that hold one JSON object. A member sends
//
//	{"type":"say","text":"hello"}
//	{"type":"name","name":"Ada"}
//
// and receives
//
//	{"type":"welcome","room":"5f0c…","you":7,"name":"guest-7","backend":"north","history":[…]}
//	{"type":"message","id":12,"time":1700000000000,"from":7,"name":"Ada","backend":"north","text":"hello"}
//	{"type":"people","count":2,"backends":{"north":1,"south":1}}
//	{"type":"named","name":"Ada"}
//	{"type":"refused","text":"why"}
//
// welcome comes first and holds up to 50 messages; id grows by one a message
// within a room, time is in milliseconds since 1970. A refused message was not
// passed on, and the connection stays.
//
// A backend closes with 1001 when it stops, 1003 after a binary message, 1007
// after text that is not UTF-8, 1008 after what is not a message of the above or
// 100 refusals in a row, 1009 after more than 4 KiB in one message, and 1013 when
// a member reads so slowly that 64 messages wait for it. It pings every member
// every 20 s and drops one that does not answer within 10 s. A thousand members
// are the most; a further one is answered 503.
//
// # The page
//
// Its elements keep these ids:
//
//	#messages  list; an item has data-id, data-backend, and the class "mine" for
//	           this tab's own, and holds .who, .where (the backend) and .text
//	#form      the form that sends, with #input (the text) and #send
//	#name      input with this tab's name; a change is sent at once
//	#backend   name of the backend that this tab is connected to, else "none";
//	           also in data-backend
//	#state     what the connection does, in words; data-state is connecting, open,
//	           waiting (a reconnect is due) or closed (none is), and data-code the
//	           last close code, 1006 without a close frame
//	#people    how many are here; data-count is the number
//	#notice    why something was not sent
//	#reconnect button, shown while data-state is waiting or closed
//
// The page reconnects by itself, after half a second at first and at most 15 s
// later on, each time with jitter, unless it was told that it had misbehaved
// (1003, 1007, 1008).
package demo
