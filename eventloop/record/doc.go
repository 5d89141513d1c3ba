// Package record holds the facts that wsgate states about sessions and
// requests: who ended one, in which phase and why (the end state), and the
// counters of a loop. The loops and the plain HTTP server fill records in, the
// access log and the metrics read them; neither side knows the other.
//
// A record is a value of the moment: its byte slices point into the buffers of
// the one who fills it in and are valid until the Log method returns.
package record
