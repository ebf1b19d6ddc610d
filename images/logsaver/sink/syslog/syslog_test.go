package syslog_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/sinktest"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

func tcp(server *peers.SyslogServer) config.Sink {
	return config.Sink{Syslog: &config.Syslog{Address: server.Address, Transport: config.TransportTCP}, Timeout: config.Duration(5 * time.Second)}
}

// arrive waits for a number of messages.
func arrive(t *testing.T, server *peers.SyslogServer, n int) []peers.SyslogMessage {
	t.Helper()
	var messages []peers.SyslogMessage
	require.Eventually(t, func() bool {
		messages = server.Messages(t)
		return len(messages) >= n
	}, 20*time.Second, 20*time.Millisecond)
	return messages
}

func TestRecordsAreMessagesAsRFC5424HasThem(t *testing.T) {
	server := peers.Rsyslog(t, nil)
	s := sinktest.Open(t, tcp(server))
	require.NoError(t, s.Check(t.Context()))
	records := append(sinktest.Lines(5000), "panic: nil map\n\tat main.go:1", "", "ä <13>1 not a header", strings.Repeat("long ", 10000))
	b := sinktest.Batch("sub dir/access.log", 0, records...)
	require.NoError(t, s.Write(t.Context(), b))

	messages := arrive(t, server, len(records))
	require.Len(t, messages, len(records))
	for i, message := range messages {
		require.Equal(t, records[i], message.Text)
	}
	first := messages[0]
	assert.Equal(t, "134", first.Priority, "local0.info is 16*8+6")
	assert.Equal(t, "1", first.Version)
	assert.Equal(t, "web-0", first.Hostname)
	assert.Equal(t, "web", first.AppName)
	assert.Equal(t, "sub_dir/access.log", first.ProcID)
	assert.Equal(t, "access", first.MsgID)
	stamp, err := time.Parse(time.RFC3339Nano, first.Timestamp)
	require.NoError(t, err)
	assert.True(t, b.Time(0).Equal(stamp), first.Timestamp)
}

func TestWhatTheConfigurationNamesIsSent(t *testing.T) {
	server := peers.Rsyslog(t, nil)
	c := tcp(server)
	c.Syslog.Facility, c.Syslog.Severity, c.Syslog.Hostname, c.Syslog.AppName = "daemon", "warning", "front", "nginx"
	require.NoError(t, sinktest.Open(t, c).Write(t.Context(), sinktest.Batch("a.log", 0, "line")))
	message := arrive(t, server, 1)[0]
	assert.Equal(t, peers.SyslogMessage{Priority: "28", Version: "1", Hostname: "front", AppName: "nginx", ProcID: "a.log", MsgID: "access", Text: "line", Timestamp: message.Timestamp}, message)
}

func TestAReceiverThatIsAwayIsTransientAndComesBack(t *testing.T) {
	server := peers.Rsyslog(t, nil)
	s := sinktest.Open(t, tcp(server))
	require.NoError(t, s.Write(t.Context(), sinktest.Batch("a.log", 0, "first")))
	arrive(t, server, 1)
	server.Kill()
	second := sinktest.Batch("a.log", 6, "second")
	require.Eventually(t, func() bool {
		err := s.Write(t.Context(), second)
		require.Error(t, err, "a write to a receiver that has gone is not taken for delivered")
		return !sink.Permanent(err) && strings.Contains(err.Error(), "connection refused")
	}, 5*time.Second, 10*time.Millisecond)
	server.Start(t)
	require.NoError(t, s.Write(t.Context(), second))
	messages := arrive(t, server, 2)
	assert.Equal(t, "second", messages[1].Text)
}

func TestAReceiverThatDoesNotReadCostsOneTimeout(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // it accepts into its backlog, and nobody reads
	require.NoError(t, err)
	defer listener.Close()
	s := sinktest.Open(t, config.Sink{
		Syslog:  &config.Syslog{Address: listener.Addr().String(), Transport: config.TransportTCP},
		Timeout: config.Duration(300 * time.Millisecond),
	})
	b := sinktest.Batch("a.log", 0, sinktest.Lines(200_000)...) // more than the buffers hold
	begin := time.Now()
	err = s.Write(t.Context(), b)
	require.ErrorContains(t, err, "did not take it in time")
	assert.False(t, sink.Permanent(err))
	assert.Less(t, time.Since(begin), 2*time.Second)

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	require.Error(t, s.Write(ctx, b))
}

func TestAReceiverThatTakesTheBytesAndThenClosesHasNotTakenThem(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			// As a load balancer that looks for somebody behind it.
			_, _ = conn.Read(make([]byte, 1<<20))
			time.AfterFunc(100*time.Millisecond, func() { conn.Close() })
		}
	}()
	s := sinktest.Open(t, config.Sink{Syslog: &config.Syslog{Address: listener.Addr().String(), Transport: config.TransportTCP}})
	err = s.Write(t.Context(), sinktest.Batch("a.log", 0, "line"))
	require.ErrorContains(t, err, "the receiver has gone")
	assert.False(t, sink.Permanent(err))
}

func TestAReceiverThatSaysThatItWantsACertificateIsPermanent(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	certFile, keyFile := ca.issue(t, dir, "server", "localhost")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: version})
			require.NoError(t, err)
			defer listener.Close()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					go func() {
						_, _ = conn.Read(make([]byte, 1<<10))
						conn.Close()
					}()
				}
			}()
			s := sinktest.Open(t, config.Sink{Syslog: &config.Syslog{Address: listener.Addr().String(), TLS: config.TLS{CAFile: ca.file}}})
			for _, err := range []error{s.Check(t.Context()), s.Write(t.Context(), sinktest.Batch("a.log", 0, "x"))} {
				require.ErrorContains(t, err, "tls.cert_file")
				assert.True(t, sink.Permanent(err), err.Error())
			}
		})
	}
}

func TestTLSWithACertificateOnBothSides(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir, "ca")
	serverCert, serverKey := ca.issue(t, dir, "server", "localhost")
	clientCert, clientKey := ca.issue(t, dir, "client", "saver")
	other := newAuthority(t, dir, "other")
	server := peers.Rsyslog(t, &peers.SyslogTLS{CA: ca.file, Certificate: serverCert, Key: serverKey})
	secure := func(trust config.TLS) config.Sink {
		return config.Sink{Syslog: &config.Syslog{Address: server.Address, TLS: trust}, Timeout: config.Duration(5 * time.Second)}
	}

	s := sinktest.Open(t, secure(config.TLS{CAFile: ca.file, CertFile: clientCert, KeyFile: clientKey}))
	require.NoError(t, s.Check(t.Context()))
	records := sinktest.Lines(2000)
	require.NoError(t, s.Write(t.Context(), sinktest.Batch("a.log", 0, records...)))
	messages := arrive(t, server, len(records))
	assert.Equal(t, records[len(records)-1], messages[len(messages)-1].Text)

	for name, trust := range map[string]config.TLS{
		"an unknown authority":   {CAFile: other.file, CertFile: clientCert, KeyFile: clientKey},
		"another server's name":  {CAFile: ca.file, CertFile: clientCert, KeyFile: clientKey, ServerName: "logs.example.org"},
		"a file that is missing": {CAFile: dir + "/absent.pem"},
	} {
		t.Run(name+" is permanent", func(t *testing.T) {
			s := sinktest.Open(t, secure(trust))
			for _, err := range []error{s.Check(t.Context()), s.Write(t.Context(), sinktest.Batch("a.log", 0, "x"))} {
				require.ErrorContains(t, err, "tls")
				assert.True(t, sink.Permanent(err), err.Error())
			}
		})
	}
	t.Run("no certificate of ours is an error, and no line is taken for delivered", func(t *testing.T) {
		s := sinktest.Open(t, secure(config.TLS{CAFile: ca.file}))
		require.Error(t, s.Check(t.Context()))
		for range 3 {
			require.Error(t, s.Write(t.Context(), sinktest.Batch("a.log", 0, "never")))
		}
	})
	assert.Len(t, server.Messages(t), len(records))
}

// authority issues certificates for a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

func newAuthority(t *testing.T, dir, name string) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{certificate: certificate, key: key, file: writePEM(t, filepath.Join(dir, name+".pem"), "CERTIFICATE", der)}
}

func (a *authority) issue(t *testing.T, dir, file, name string) (certificate, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &private.PublicKey, a.key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return writePEM(t, filepath.Join(dir, file+".pem"), "CERTIFICATE", der), writePEM(t, filepath.Join(dir, file+"-key.pem"), "PRIVATE KEY", pkcs8)
}

func writePEM(t *testing.T, path, kind string, der []byte) string {
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600), fmt.Sprint(path))
	return path
}
