package config

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
)

var labelPattern = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// Facilities are the names of RFC 5424, table 1, each at the index that is its number; "" has no common name.
var Facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// Severities are the names of RFC 5424, table 2, each at the index that is its number.
var Severities = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

func (s *Sink) validate(f *faults) {
	f.positive("sink.timeout", s.Timeout)
	kinds := 0
	if s.Bucket != nil {
		kinds++
		s.Bucket.validate(f, "sink.bucket")
	}
	if s.HTTP != nil {
		kinds++
		s.HTTP.validate(f, "sink.http")
	}
	if s.Loki != nil {
		kinds++
		s.Loki.validate(f, "sink.loki")
	}
	if s.Syslog != nil {
		kinds++
		s.Syslog.validate(f, "sink.syslog")
	}
	if kinds != 1 {
		f.add("sink", "exactly one of bucket, http, loki and syslog is required, got %d", kinds)
	}
}

func (b *Bucket) validate(f *faults, path string) {
	if err := checkURL(b.URL, "s3", "gs", "azblob", "file"); err != nil {
		f.add(path+".url", "%v", err)
	}
	if strings.HasPrefix(b.Prefix, "/") || slices.Contains(strings.Split(b.Prefix, "/"), "..") {
		f.add(path+".prefix", "must not begin with a slash or contain .., got %q", b.Prefix)
	}
	f.oneOf(path+".compression", b.Compression, CompressionNone, CompressionGzip, CompressionZstd)
}

func (h *HTTP) validate(f *faults, path string) {
	if err := checkURL(h.URL, "http", "https"); err != nil {
		f.add(path+".url", "%v", err)
	}
	for name := range h.Headers {
		if strings.EqualFold(name, "Authorization") {
			f.add(path+".headers", "%s is a secret: use auth instead", name)
		}
	}
	f.oneOf(path+".compression", h.Compression, CompressionNone, CompressionGzip, CompressionZstd)
	h.Auth.validate(f, path+".auth")
	h.TLS.validate(f, path+".tls")
}

func (l *Loki) validate(f *faults, path string) {
	if err := checkURL(l.URL, "http", "https"); err != nil {
		f.add(path+".url", "%v", err)
	}
	for name := range l.Labels {
		if !labelPattern.MatchString(name) {
			f.add(fmt.Sprintf("%s.labels[%q]", path, name), "a label is letters, digits and underscores, and begins with no digit")
		}
	}
	f.oneOf(path+".compression", l.Compression, CompressionNone, CompressionGzip)
	l.Auth.validate(f, path+".auth")
	l.TLS.validate(f, path+".tls")
}

func (s *Syslog) validate(f *faults, path string) {
	if _, _, err := net.SplitHostPort(s.Address); err != nil {
		f.add(path+".address", "must be HOST:PORT, got %q", s.Address)
	}
	f.oneOf(path+".transport", s.Transport, TransportTCP, TransportTLS)
	f.oneOf(path+".facility", s.Facility, Facilities...)
	f.oneOf(path+".severity", s.Severity, Severities...)
	// RFC 5424, section 6: printable ASCII of at most 48 and 255 characters.
	if len(s.AppName) > 48 {
		f.add(path+".app_name", "must be at most 48 characters, got %d", len(s.AppName))
	}
	if len(s.Hostname) > 255 {
		f.add(path+".hostname", "must be at most 255 characters, got %d", len(s.Hostname))
	}
	s.TLS.validate(f, path+".tls")
	if s.Transport == TransportTCP && s.TLS != (TLS{}) {
		f.add(path+".tls", "has no meaning with transport tcp")
	}
}

func (a *Auth) validate(f *faults, path string) {
	if a.BearerTokenFile != "" && a.Username != "" {
		f.add(path, "bearer_token_file and username exclude each other")
	}
	if (a.Username == "") != (a.PasswordFile == "") {
		f.add(path, "username and password_file go together")
	}
}

func (t *TLS) validate(f *faults, path string) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		f.add(path, "cert_file and key_file go together")
	}
}
