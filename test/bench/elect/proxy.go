package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"
)

// A proxy counts the requests to a backend.
type proxy struct {
	url string
	// requests that were begun, watches and blocking queries among them, and how many of those are open.
	requests, watches, open atomic.Int64
	server                  http.Server
}

func (p *proxy) close() { p.server.Close() }

func serveProxy(to *url.URL, transport http.RoundTripper, certificate *tls.Certificate) (*proxy, error) {
	p := &proxy{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: transport, FlushInterval: -1,
		ErrorLog: log.New(io.Discard, "", 0), // who is killed goes without a word
	}
	p.server.ErrorLog = pass.ErrorLog
	p.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		if query := r.URL.Query(); query.Has("watch") || query.Has("wait") {
			p.watches.Add(1)
			p.open.Add(1)
			defer p.open.Add(-1)
		}
		defer func() {
			if v := recover(); v != nil && !errors.Is(v.(error), http.ErrAbortHandler) {
				panic(v)
			}
		}()
		pass.ServeHTTP(w, r)
	})
	if p.url = "http://" + l.Addr().String(); certificate == nil {
		go p.server.Serve(l) //nolint:errcheck // until it is closed
		return p, nil
	}
	p.url = "https://" + l.Addr().String()
	p.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
	go p.server.ServeTLS(l, "", "") //nolint:errcheck // as above
	return p, nil
}

func countNomad(address string) (*proxy, error) {
	to, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	return serveProxy(to, &http.Transport{MaxIdleConnsPerHost: 64}, nil)
}

// countKubernetes by a proxy whose authority clients have to know.
func countKubernetes(to *url.URL, trusted []byte) (p *proxy, authority []byte, err error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trusted)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	is := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, is, is, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	p, err = serveProxy(to, transport, &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key})
	return p, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), err
}
