package main

import (
	"crypto/x509"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"wsgate/bench/load"
)

// tlsFlags are the flags that say how to speak TLS to a target.
type tlsFlags struct {
	name, roots            string
	version, group, cipher string
	insecure, resume       bool
}

func (t *tlsFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&t.insecure, "insecure", false, "wss: take any certificate")
	f.StringVar(&t.roots, "ca", "", "wss: file of PEM certificates, one of which the server's has to lead to; default the system's")
	f.StringVar(&t.name, "server-name", "", "wss: name in SNI and in the certificate; default the URL's host")
	f.StringVar(&t.version, "tls-version", "", "wss: exactly this one, 1.2 or 1.3")
	f.StringVar(&t.group, "tls-group", "", "wss: exactly this one, X25519, P-256, P-384 or X25519MLKEM768")
	f.StringVar(&t.cipher, "tls-cipher", "", "wss: exactly this suite of TLS 1.2, by its standard name")
	f.BoolVar(&t.resume, "resume", false, "wss: resume sessions; without it every handshake is full")
}

// options are what was asked for, or nil where none of the flags was given.
func (t *tlsFlags) options(cmd *cobra.Command) (*load.TLS, error) {
	given := false
	for _, name := range []string{"insecure", "ca", "server-name", "tls-version", "tls-group", "tls-cipher", "resume"} {
		given = given || cmd.Flags().Changed(name)
	}
	if !given {
		return nil, nil
	}
	o := &load.TLS{ServerName: t.name, Insecure: t.insecure, Resume: t.resume}
	var err error
	if o.Version, err = load.ParseTLSVersion(t.version); err != nil {
		return nil, err
	}
	if o.Group, err = load.ParseTLSGroup(t.group); err != nil {
		return nil, err
	}
	if o.Cipher, err = load.ParseTLSCipher(t.cipher); err != nil {
		return nil, err
	}
	if t.roots != "" {
		b, err := os.ReadFile(t.roots)
		if err != nil {
			return nil, fmt.Errorf("roots: %w", err)
		}
		o.Roots = x509.NewCertPool()
		if !o.Roots.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("roots: no certificate in %s", t.roots)
		}
	}
	return o, nil
}
