package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"wsgate/cmd/wsgate/internal/certs"
)

// certificates shows certs.Status. Its labels are as many as the configuration
// has certificates.
type certificates struct {
	status func() certs.Status

	notAfter *prometheus.Desc
	staple   *prometheus.Desc
	reloads  *prometheus.Desc
	missing  *prometheus.Desc
	acme     *prometheus.Desc
}

func newCertificates(status func() certs.Status) *certificates {
	return &certificates{
		status:   status,
		notAfter: desc("certificate_not_after_seconds", "Unix time at which a certificate ends.", "listener", "file", "name"),
		staple:   desc("certificate_staple_not_after_seconds", "Unix time at which the stapled OCSP response of a certificate ends.", "listener", "file"),
		reloads:  desc("certificate_reloads_total", "Certificates, authorities, ticket keys and OCSP responses read anew.", "result"),
		missing:  desc("certificates_missing_total", "Handshakes for which there was no certificate yet."),
		acme:     desc("acme_certificates_total", "Certificates obtained or renewed by ACME, and failed tries.", "result"),
	}
}

// Describe implements prometheus.Collector.
func (c *certificates) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.notAfter, c.staple, c.reloads, c.missing, c.acme} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *certificates) Collect(out chan<- prometheus.Metric) {
	s := c.status()
	for _, one := range s.Certificates {
		name := ""
		if len(one.Names) > 0 {
			name = one.Names[0]
		}
		emit(out, c.notAfter, prometheus.GaugeValue, seconds(one.NotAfter), one.Listener, one.File, name)
		if !one.Staple.IsZero() {
			emit(out, c.staple, prometheus.GaugeValue, seconds(one.Staple), one.Listener, one.File)
		}
	}
	emit(out, c.reloads, prometheus.CounterValue, float64(s.Reloaded), "ok")
	emit(out, c.reloads, prometheus.CounterValue, float64(s.Failed), "failed")
	emit(out, c.missing, prometheus.CounterValue, float64(s.Missing))
	emit(out, c.acme, prometheus.CounterValue, float64(s.Obtained), "ok")
	emit(out, c.acme, prometheus.CounterValue, float64(s.Refused), "failed")
}

func seconds(t time.Time) float64 { return float64(t.Unix()) }
