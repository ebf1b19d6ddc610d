package client

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
)

// Files are the certificates that the configuration names. Their issuers replace them while we run.
type Files struct {
	config config.TLS
	loaded []stamp
}

type stamp struct {
	path     string
	modified time.Time
	size     int64
}

// NewFiles reads nothing yet.
func NewFiles(c config.TLS) *Files { return &Files{config: c} }

// Changed tells whether a file is another than it was when it was loaded.
func (f *Files) Changed() bool {
	now := f.stamps()
	if len(now) != len(f.loaded) {
		return true
	}
	for i := range now {
		if now[i] != f.loaded[i] {
			return true
		}
	}
	return false
}

// Load reads the files as they are now.
func (f *Files) Load() (*tls.Config, error) {
	stamps := f.stamps()
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         f.config.ServerName,
		InsecureSkipVerify: f.config.InsecureSkipVerify,
	}
	if f.config.CAFile != "" {
		pem, err := os.ReadFile(f.config.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca_file: %s holds no certificate in PEM", f.config.CAFile)
		}
	}
	if f.config.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(f.config.CertFile, f.config.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls.cert_file, tls.key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{certificate}
	}
	f.loaded = stamps
	return c, nil
}

func (f *Files) stamps() []stamp {
	var stamps []stamp
	for _, path := range []string{f.config.CAFile, f.config.CertFile, f.config.KeyFile} {
		if path == "" {
			continue
		}
		s := stamp{path: path}
		if info, err := os.Stat(path); err == nil {
			s.modified, s.size = info.ModTime(), info.Size()
		}
		stamps = append(stamps, s)
	}
	return stamps
}
