// Package syslog sends records as RFC 5424 messages over TCP or TLS, framed by octet counting (RFC 6587, 3.4.1; RFC 5425).
//
// HOSTNAME is the source, APP-NAME the instance, PROCID the file, MSGID the input, unless the configuration names the first two.
//
// The protocol has no acknowledgement. A batch counts as delivered when the receiver's machine has acknowledged all of its bytes (TCP) over a connection that has lasted a second, which a receiver that is killed in that moment may yet lose; and a batch that breaks off is sent again from its beginning, so that the receiver has some of it twice. Where that is not enough, use another sink.
package syslog

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/client"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/fault"
)

const (
	connectTimeout = 10 * time.Second
	buffer         = 32 << 10
	// timestamp is RFC 5424, 6.2.3: at most microseconds.
	timestamp = "2006-01-02T15:04:05.000000Z"
	// The longest that the fields may be (RFC 5424, 6).
	maxHostname, maxAppName, maxProcID, maxMsgID = 255, 48, 128, 32
)

// A Sink sends over one connection.
type Sink struct {
	config   config.Syslog
	priority int
	target   string
	files    *client.Files

	mu   sync.Mutex
	conn *connection
	head []byte
}

// New makes a sink.
func New(c config.Syslog) (*Sink, error) {
	facility := slices.Index(config.Facilities, c.Facility)
	if facility < 0 {
		return nil, fmt.Errorf("syslog.facility: unknown %q", c.Facility)
	}
	severity := slices.Index(config.Severities, c.Severity)
	if severity < 0 {
		return nil, fmt.Errorf("syslog.severity: unknown %q", c.Severity)
	}
	return &Sink{
		config: c, priority: facility*8 + severity,
		target: c.Transport + "://" + c.Address,
		files:  client.NewFiles(c.TLS),
	}, nil
}

// Write sends a batch.
func (s *Sink) Write(ctx context.Context, b *batch.Batch) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	stop := conn.until(ctx)
	defer stop()
	w := bufio.NewWriterSize(conn, buffer)
	err = s.encode(w, b)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = conn.delivered(ctx)
	}
	return s.judge(ctx, "send to", conn, err)
}

// Check connects, and waits whether the receiver keeps the connection.
func (s *Sink) Check(ctx context.Context) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	return s.judge(ctx, "connect to", conn, conn.prove(ctx))
}

// judge ends a connection over which something has failed, and tells what it means.
func (s *Sink) judge(ctx context.Context, doing string, conn *connection, err error) error {
	if err == nil {
		return nil
	}
	s.disconnect(conn)
	err = reason(ctx, conn, err)
	if refused(err) {
		return fault.Lasting(doing, s.target, err, "name a certificate that the receiver trusts in tls.cert_file and tls.key_file")
	}
	return fault.Transient(doing, s.target, err)
}

// Close closes the connection.
func (s *Sink) Close() error {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn != nil {
		s.disconnect(conn)
	}
	return nil
}

// connect gives the connection that there is, or a new one.
func (s *Sink) connect(ctx context.Context) (*connection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		select {
		case <-s.conn.broken:
			s.conn.Close()
			s.conn = nil
		default:
			return s.conn, nil
		}
	}
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 15 * time.Second}
	raw, err := dialer.DialContext(ctx, "tcp", s.config.Address)
	if err != nil {
		return nil, fault.Transient("connect to", s.target, err)
	}
	if s.config.Transport != config.TransportTLS {
		s.conn = watch(raw, raw)
		return s.conn, nil
	}
	trust, err := s.files.Load()
	if err != nil {
		raw.Close()
		return nil, fault.Lasting("connect to", s.target, err, "correct the files that tls names")
	}
	if trust.ServerName == "" {
		trust.ServerName, _, _ = net.SplitHostPort(s.config.Address) // validated
	}
	secure := tls.Client(raw, trust)
	handshake, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := secure.HandshakeContext(handshake); err != nil {
		raw.Close()
		var certificate *tls.CertificateVerificationError
		if errors.As(err, &certificate) {
			return nil, fault.Lasting("connect to", s.target, err, "name the server's certificate authority in tls.ca_file, or correct tls.server_name")
		}
		if refused(err) {
			return nil, fault.Lasting("connect to", s.target, err, "name a certificate that the receiver trusts in tls.cert_file and tls.key_file")
		}
		return nil, fault.Transient("connect to", s.target, err)
	}
	s.conn = watch(secure, raw)
	return s.conn, nil
}

func (s *Sink) disconnect(conn *connection) {
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == conn {
		s.conn = nil
	}
}

// encode writes a batch's messages, each behind its length.
func (s *Sink) encode(w *bufio.Writer, b *batch.Batch) error {
	hostname, app := s.config.Hostname, s.config.AppName
	if hostname == "" {
		hostname = b.Source
	}
	before := fmt.Appendf(nil, "<%d>1 ", s.priority)
	after := fmt.Appendf(nil, " %s %s %s %s - ", field(hostname, maxHostname), field(app, maxAppName), field(b.File, maxProcID), field(b.Input, maxMsgID))
	headLength := len(before) + len(timestamp) + len(after)
	var err error
	b.Each(func(i int, record []byte) bool {
		head := strconv.AppendInt(s.head[:0], int64(headLength+len(record)), 10)
		head = append(head, ' ')
		head = append(head, before...)
		head = b.Time(i).UTC().AppendFormat(head, timestamp)
		s.head = append(head, after...)
		if _, err = w.Write(s.head); err == nil {
			_, err = w.Write(record)
		}
		return err == nil
	})
	return err
}

// field makes a header field of a text: printable ASCII without spaces, or "-" for nothing. Of a text that is too long the end stays, which in a path says more.
func field(text string, limit int) string {
	if text == "" {
		return "-"
	}
	if len(text) > limit {
		text = text[len(text)-limit:]
	}
	ascii := []byte(text)
	for i, c := range ascii {
		if c < 33 || c > 126 {
			ascii[i] = '_'
		}
	}
	return string(ascii)
}
