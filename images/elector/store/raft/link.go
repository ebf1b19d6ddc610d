package raft

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// greeting begins every connection, and says which version of all that follows is spoken.
	greeting = "elector1"
	// Modes, which must be the same on both sides.
	modeOpen   = 'o'
	modeSecret = 's'
	nonceSize  = 32
	// greetingTime is how long it may take until a connection is of use.
	greetingTime = time.Second
	// mostFrame is greater than any record.
	mostFrame = 4 << 20
)

// A header says what a connection is for.
type header struct {
	Kind string `json:"kind"`
	// Cluster and To are who raft speaks to: a server that has another's address, but not its memory, must not answer for it.
	Cluster string `json:"cluster,omitempty"`
	To      string `json:"to,omitempty"`
}

// Kinds of connections.
const (
	kindCall = "call"
	kindRaft = "raft"
)

// welcome answers a header.
type welcome struct {
	Error string `json:"error,omitempty"`
}

// A link makes connections between electors. Where there is a secret both sides prove that they have it before anything else is said
// (HMAC-SHA256 of both sides' nonces). What follows is not encrypted.
type link struct{ secret []byte }

func (l link) mode() byte {
	if len(l.secret) > 0 {
		return modeSecret
	}
	return modeOpen
}

func (l link) proof(side string, nonces ...[]byte) []byte {
	mac := hmac.New(sha256.New, l.secret)
	io.WriteString(mac, greeting+side) //nolint:errcheck // a hash takes all
	for _, nonce := range nonces {
		mac.Write(nonce)
	}
	return mac.Sum(nil)
}

var (
	errSecret = errors.New("the other side does not have the same secret (secret_file)")
	errNoPeer = errors.New("the other side is no elector")
)

// dial an elector.
func (l link) dial(ctx context.Context, address string, h header) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, greetingTime)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // it fails if it is closed, which is as good
	err = l.greet(conn, h)
	if !stop() || err != nil {
		conn.Close()
		return nil, fmt.Errorf("greet %s: %w", address, errors.Join(err, ctx.Err()))
	}
	return conn, nil
}

func (l link) greet(conn net.Conn, h header) error {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce) // it never fails
	if _, err := conn.Write(append([]byte(greeting+string(l.mode())), nonce...)); err != nil {
		return err
	}
	answer := make([]byte, 1+nonceSize+sha256.Size)
	if _, err := io.ReadFull(conn, answer[:1]); err != nil {
		return err
	}
	if answer[0] != l.mode() {
		return errSecret
	}
	if _, err := io.ReadFull(conn, answer[1:]); err != nil {
		return err
	}
	theirs, proof := answer[1:1+nonceSize], answer[1+nonceSize:]
	if subtle.ConstantTimeCompare(proof, l.proof("server", nonce, theirs)) != 1 {
		return errSecret
	}
	if _, err := conn.Write(l.proof("client", nonce, theirs)); err != nil {
		return err
	}
	if err := send(conn, h); err != nil {
		return err
	}
	var w welcome
	if err := receive(conn, &w); err != nil {
		return err
	}
	if w.Error != "" {
		return errors.New(w.Error)
	}
	return nil
}

// accept what dial does on the other side. The header is to be answered by a welcome.
func (l link) accept(conn net.Conn) (h header, err error) {
	if err := conn.SetDeadline(time.Now().Add(greetingTime)); err != nil {
		return h, err
	}
	hello := make([]byte, len(greeting)+1+nonceSize)
	if _, err := io.ReadFull(conn, hello); err != nil {
		return h, err
	}
	if string(hello[:len(greeting)]) != greeting {
		return h, errNoPeer
	}
	if hello[len(greeting)] != l.mode() {
		_, _ = conn.Write([]byte{l.mode()}) // so that the other side knows, too
		return h, errSecret
	}
	theirs := hello[len(greeting)+1:]
	nonce := make([]byte, nonceSize)
	rand.Read(nonce) // it never fails
	answer := append([]byte{l.mode()}, nonce...)
	if _, err := conn.Write(append(answer, l.proof("server", theirs, nonce)...)); err != nil {
		return h, err
	}
	proof := make([]byte, sha256.Size)
	if _, err := io.ReadFull(conn, proof); err != nil {
		return h, err
	}
	if subtle.ConstantTimeCompare(proof, l.proof("client", theirs, nonce)) != 1 {
		return h, errSecret
	}
	return h, receive(conn, &h)
}

// send a frame: its length and JSON.
func send(conn net.Conn, v any) error {
	raw, err := json.Marshal(v)
	if err != nil { // plain data
		panic(err)
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(raw))), raw...)) //nolint:gosec // far less
	return err
}

func receive(conn net.Conn, v any) error {
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > mostFrame {
		return fmt.Errorf("a frame of %d bytes is too large", n)
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(conn, raw); err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}
