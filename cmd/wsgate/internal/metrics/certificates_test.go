package metrics

import (
	"slices"
	"strings"
	"testing"
	"time"

	"wsgate/cmd/wsgate/internal/certs"
)

// status is one of each kind.
func status() certs.Status {
	return certs.Status{
		Certificates: []certs.CertificateStatus{
			{Listener: "0.0.0.0:443", File: "a.pem", Names: []string{"a.test", "b.test"}, NotAfter: time.Unix(1800000000, 5), Staple: time.Unix(1700000000, 0)},
			{Listener: "0.0.0.0:443", File: "b\xff.pem", NotAfter: time.Unix(1900000000, 0)},
		},
		Reloaded: 31, Failed: 32, Missing: 33, Obtained: 34, Refused: 35,
	}
}

func TestCertificates(t *testing.T) {
	text, _ := scrape(t, New(Options{Source: &source{counters: counters()}, Certificates: status}))
	var got []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "wsgate_certificate") || strings.HasPrefix(line, "wsgate_acme") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		`wsgate_acme_certificates_total{result="failed"} 35`,
		`wsgate_acme_certificates_total{result="ok"} 34`,
		`wsgate_certificate_not_after_seconds{file="a.pem",listener="0.0.0.0:443",name="a.test"} 1.8e+09`,
		`wsgate_certificate_not_after_seconds{file="b\ufffd.pem",listener="0.0.0.0:443",name=""} 1.9e+09`,
		`wsgate_certificate_reloads_total{result="failed"} 32`,
		`wsgate_certificate_reloads_total{result="ok"} 31`,
		`wsgate_certificate_staple_not_after_seconds{file="a.pem",listener="0.0.0.0:443"} 1.7e+09`,
		`wsgate_certificates_missing_total 33`,
	}
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], `\ufffd`, "\ufffd")
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
