// Package metrics shows the counters of the gateway to Prometheus, through the
// official client with a registry of its own.
//
// The counters live in the loops, which count without locks. A scrape asks the
// Source for one snapshot and turns it into samples, so that all samples of a
// scrape are of one moment and a gateway that nobody scrapes does nothing for
// it. A snapshot that does not come within two seconds leaves the gateway's
// samples out: what is left are the metrics of the Go runtime and of the
// process, and wsgate_scrape_errors_total, which grows.
//
// New and Handler may be called from any goroutine, and the handler serves any
// number of scrapes, four of them at a time.
//
//	m := metrics.New(metrics.Options{Source: gateway, Version: version, Logf: logf})
//	mux.Handle("GET /metrics", m.Handler())
//
// # Metrics
//
// Directions are "up", from the client to the endpoint, and "down".
//
//	wsgate_connections                         gauge      client connections held by the loops, in any phase
//	wsgate_plain_connections                   gauge      client connections at the plain HTTP server
//	wsgate_sessions_open                       gauge      relaying sessions by route, pool and endpoint
//	wsgate_upgrades_total                      counter    upgrade requests by outcome: 101, 4xx, 5xx (as the endpoint answered), refused, failed
//	wsgate_upgrade_duration_seconds            histogram  from the whole request head to the passed-on 101
//	wsgate_relay_bytes_total                   counter    bytes read from the senders by direction
//	wsgate_relay_messages_total                counter    whole messages by direction; none with frames: off
//	wsgate_relay_spliced_bytes_total           counter    part of the bytes that went through a pipe, by direction
//	wsgate_relay_discarded_bytes_total         counter    bytes read after the gateway's own Close and not passed on
//	wsgate_session_ends_total                  counter    ended sessions by end state: by, phase, why, and state as in the access log
//	wsgate_frame_violations_total              counter    violations of the framing rules by kind
//	wsgate_http2_errors_total                  counter    faults and floods of HTTP/2 clients by kind
//	wsgate_refusals_total                      counter    the gateway's own answers by reason
//	wsgate_retries_total                       counter    endpoints given up before a response byte, by reason
//	wsgate_tls_handshakes                      gauge      TLS handshakes in progress
//	wsgate_tls_handshakes_total                counter    TLS handshakes that have ended, by side, version and result
//	wsgate_tls_errors_total                    counter    established TLS connections whose records could not be read
//	wsgate_tls_ciphers_built_total             counter    times that the ciphers of a session were not at hand
//	wsgate_accepted_total                      counter    client connections accepted
//	wsgate_accept_pauses_total                 counter    times that accepting paused for want of descriptors
//	wsgate_buffers                             gauge      buffers that hold bytes for a slow peer
//	wsgate_buffered_bytes                      gauge      bytes in them
//	wsgate_buffered_sheds_total                counter    sessions ended with 1013 because limits.buffered was reached
//	wsgate_pipes                               gauge      pipes by state: used or idle
//	wsgate_pipe_misses_total                   counter    times that a half copied because no pipe was to be had
//	wsgate_loops                               gauge      event loops
//	wsgate_loop_turn_duration_seconds          histogram  turns of the event loops that had work to do
//	wsgate_certificate_not_after_seconds       gauge      Unix time at which a certificate ends, by listener, file and its first name
//	wsgate_certificate_staple_not_after_seconds gauge     Unix time at which the stapled OCSP response ends, by listener and file
//	wsgate_certificate_reloads_total           counter    certificates, authorities, ticket keys and OCSP responses read anew, by result: ok, failed
//	wsgate_certificates_missing_total          counter    handshakes for which there was no certificate yet
//	wsgate_acme_certificates_total             counter    certificates obtained or renewed by ACME, and tries, by result: ok, failed
//	wsgate_panics_total                        counter    recovered panics, each of which ended one session or request
//	wsgate_access_log_dropped_total            counter    access log lines that were dropped
//	wsgate_access_log_write_errors_total       counter    failed writes of the access log, each of which was repeated
//	wsgate_scrape_errors_total                 counter    scrapes for which a loop gave no snapshot in time
//	wsgate_build_info                          gauge      1, by version and goversion
//
// Besides, the client's own go_*, process_* and promhttp_* metrics.
package metrics
