package session

// UpgradeEvent is one thing that happened between the whole request head and
// the verified 101.
type UpgradeEvent uint8

// The events of an upgrade.
const (
	Routed         UpgradeEvent = iota + 1 // the request is valid and has a route
	Connecting                             // a connection to an endpoint is under way
	NoneLeft                               // no endpoint is available that has not been tried
	NoResources                            // the gateway itself lacks descriptors or memory
	ConnectFailed                          // the endpoint refused or could not be reached
	ConnectExpired                         // timeouts.connect has passed
	Sent                                   // the whole request has been written
	UpstreamEnded                          // the endpoint closed or reset the connection
	Answer101                              // a verified 101
	AnswerBad101                           // a 101 that is not an answer to this key
	Answer100                              // 100 Continue
	Answer1xx                              // any other interim answer
	AnswerOther                            // a whole head of another final answer
	AnswerGarbage                          // bytes that are no HTTP/1.1 response
	UpgradeExpired                         // timeouts.upgrade has passed
	ClientGone                             // the client was reset
)

// Action is what is to be done about an UpgradeEvent.
type Action uint8

// The actions.
const (
	Wait         Action = iota // nothing; the next event comes by itself
	Pick                       // pick the next endpoint and connect
	Send                       // write the request
	Open                       // pass the 101 on and begin the relay
	Drop                       // drop the interim answer, go on waiting
	PassInterim                // pass the interim answer on, go on waiting
	PassAnswer                 // pass the answer on
	Refuse502                  // answer 502
	Refuse503                  // answer 503: no endpoint available
	Refuse503Own               // answer 503: our own want of resources
	Refuse504                  // answer 504
	Abort                      // end the session without an answer
)

// Upgrade is the state of an upgrade. The zero value is one that waits for
// Routed.
type Upgrade struct {
	// Tries counts the endpoints tried.
	Tries uint8
	// answered: a response byte, or an interim answer, has come from the
	// present endpoint; nobody else may be tried.
	answered bool
}

// maxTries bounds the endpoints tried for one request.
const maxTries = 16

// Answered notes that response bytes have come, so that a failure is final.
func (u *Upgrade) Answered() { u.answered = true }

// Step takes one event and returns the one action that follows from it.
func (u *Upgrade) Step(e UpgradeEvent) Action {
	switch e {
	case Routed:
		return Pick
	case Connecting:
		u.Tries++
		return Send
	case Sent:
		return Wait
	case ConnectFailed, ConnectExpired:
		return u.failed()
	case UpstreamEnded:
		if u.answered {
			return Refuse502
		}
		return u.failed()
	case NoneLeft:
		if u.Tries > 0 {
			return Refuse502
		}
		return Refuse503
	case NoResources:
		return Refuse503Own
	case Answer101:
		return Open
	case Answer100:
		u.answered = true
		return Drop
	case Answer1xx:
		u.answered = true
		return PassInterim
	case AnswerOther:
		return PassAnswer
	case AnswerBad101, AnswerGarbage:
		return Refuse502
	case UpgradeExpired:
		return Refuse504
	}
	return Abort
}

// failed goes on to another endpoint: nothing has reached the client yet, and
// a GET may be repeated (RFC 9110 9.2.2).
func (u *Upgrade) failed() Action {
	if u.Tries >= maxTries {
		return Refuse502
	}
	return Pick
}
